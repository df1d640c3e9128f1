//! Bodies and queries, within limits.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use url::form_urlencoded;

use super::answer::Refusal;

/// The most that one notification may hold, in bytes.
pub(super) const NOTIFICATION: usize = 64 * 1024;

/// The most fields that a form may have.
const MAX_FIELDS: usize = 256;

/// The whole body. What is longer than `limit` isn't read to its end.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut read = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::Garbled("its body broke off"))?;
        if read.len() + chunk.len() > limit {
            return Err(Refusal::TooLarge);
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

    use futures::{executor::block_on, stream};

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
    fn a_form_of_endless_fields_is_refused() {
        assert_eq!(fields("a=1&".repeat(MAX_FIELDS).as_bytes()).unwrap().len(), MAX_FIELDS);
        assert!(fields("a=1&".repeat(MAX_FIELDS + 1).as_bytes()).is_err());
    }
}
