//! Bodies and queries, within limits.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use url::form_urlencoded;

use super::answer::Refusal;

/// The most that one notification may hold, in bytes.
pub(super) const NOTIFICATION: usize = 64 * 1024;

/// The most fields that a form may have.
const MAX_FIELDS: usize = 256;

/// How many bodies that are larger than [`NOTIFICATION`] are read at once: whoever sends one proves who they are only with its last
/// byte, and strangers must not fill the memory until then.
static LARGE: Places = Places::new(16);

/// So many places, to be taken and given back.
struct Places(AtomicUsize);

struct Place<'a>(&'a Places);

impl Places {
    const fn new(free: usize) -> Self {
        Self(AtomicUsize::new(free))
    }

    fn take(&self) -> Option<Place<'_>> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        taken.is_ok().then_some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Relaxed);
    }
}

/// The whole body. What is longer than `limit` isn't read to its end. Senders of large ones are asked to come again while
/// many others are being read.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    read_beside(&LARGE, body, limit).await
}

async fn read_beside(large: &Places, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut read = BytesMut::new();
    let mut place = None;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::Garbled("its body broke off"))?;
        let size = read.len() + chunk.len();
        if size > limit {
            return Err(Refusal::TooLarge);
        }
        if size > NOTIFICATION && place.is_none() {
            place = Some(large.take().ok_or(Refusal::Crowded("many large bodies are being read"))?);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.freeze())
}

/// The fields of a form or a query, in their order.
pub(super) fn fields(form: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let fields: Vec<_> = form_urlencoded::parse(form).take(MAX_FIELDS + 1).collect();
    if fields.len() > MAX_FIELDS {
        return Err(Refusal::TooLarge);
    }
    Ok(fields.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
}

/// The first field of this name.
pub(super) fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Bytes written in hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::{
        FutureExt as _,
        executor::block_on,
        stream::{self, BoxStream},
    };

    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(from_hex("00fFa1"), Some(vec![0, 0xff, 0xa1]));
        for wrong in ["0", "0g", "0x", "+1", " 1"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_not_one_that_is_too_large() {
        let body = |last: io::Result<&'static str>| Body::from_stream(stream::iter([Ok("12345678"), last]));
        let read = |last| block_on(read(body(last), 10));
        assert_eq!(read(Ok("90")).unwrap(), "1234567890");
        assert!(matches!(read(Ok("90+")), Err(Refusal::TooLarge)));
        assert!(matches!(read(Err(io::ErrorKind::TimedOut.into())), Err(Refusal::Garbled(_))));
    }

    #[test]
    fn strangers_can_have_only_some_large_bodies_read_at_once() {
        let large = Places::new(1);
        let body = |size: usize, then: BoxStream<'static, io::Result<String>>| {
            Body::from_stream(stream::iter([Ok("x".repeat(size))]).chain(then))
        };
        let whole = |size| read_beside(&large, body(size, stream::empty().boxed()), 1 << 20).now_or_never().unwrap();
        // One that never ends.
        let mut slow = Box::pin(read_beside(&large, body(NOTIFICATION + 1, stream::pending().boxed()), 1 << 20));
        assert!((&mut slow).now_or_never().is_none());
        assert!(matches!(whole(NOTIFICATION + 1), Err(Refusal::Crowded(_))));
        assert_eq!(whole(NOTIFICATION).unwrap().len(), NOTIFICATION, "small ones aren't held up");
        drop(slow);
        assert_eq!(whole(NOTIFICATION + 1).unwrap().len(), NOTIFICATION + 1);
    }

    #[test]
    fn a_form_of_endless_fields_is_refused() {
        assert_eq!(fields("a=1&".repeat(MAX_FIELDS).as_bytes()).unwrap().len(), MAX_FIELDS);
        assert!(fields("a=1&".repeat(MAX_FIELDS + 1).as_bytes()).is_err());
    }
}
