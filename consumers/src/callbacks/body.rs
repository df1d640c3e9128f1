//! Bodies and queries, within limits.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use url::form_urlencoded;

use super::answer::Refusal;

/// The most that one notification may hold, in bytes.
pub(super) const NOTIFICATION: usize = 64 * 1024;

/// The most fields that a form may have.
const MAX_FIELDS: usize = 256;

/// The whole body. What is longer than `limit` isn't read to its end.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    to_bytes(body, limit).await.map_err(|_| Refusal::TooLarge)
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
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(from_hex("00fFa1"), Some(vec![0, 0xff, 0xa1]));
        for wrong in ["0", "0g", "0x", "+1", " 1"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_form_of_endless_fields_is_refused() {
        assert_eq!(fields("a=1&".repeat(MAX_FIELDS).as_bytes()).unwrap().len(), MAX_FIELDS);
        assert!(fields("a=1&".repeat(MAX_FIELDS + 1).as_bytes()).is_err());
    }
}
