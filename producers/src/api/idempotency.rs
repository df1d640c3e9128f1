//! The `Idempotency-Key` header: <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.

use axum::http::{HeaderMap, HeaderName, Method, Uri};
use sendoff_events::UserId;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    precondition::Conditions,
    problem::{Kind, Problem},
};

pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// On an answer that was given before and is given again.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request's key, and what the request asked for.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) key: String,
    pub(super) fingerprint: [u8; 32],
}

/// The caller's key. The draft wants a structured-field string (`"…"`); many clients send the bare text, which is taken
/// as the same key.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|text| unquote(text.trim()));
    match key {
        Some(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(key)),
        _ => Err(Problem::new(
            Kind::InvalidRequest,
            "Idempotency-Key is not valid: send one of 1 to 255 visible ASCII characters, in double quotes",
        )),
    }
}

/// The text inside a structured-field string (RFC 8941, section 3.3.3), or the bare text.
fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut chars = inner.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
    Some(key)
}

/// A hash of what is asked, by whom, and on which conditions: a change that is made again for a newer `ETag` is another
/// request. The body is hashed in a canonical form, so that a client may lay out its JSON differently when it repeats a request.
pub(super) fn fingerprint(
    (method, uri): (&Method, &Uri),
    subject: &UserId,
    conditions: &Conditions,
    body: Option<&Value>,
) -> [u8; 32] {
    let body = body.map_or_else(String::new, |value| {
        let mut canonical = value.clone();
        canonical.sort_all_objects();
        canonical.to_string()
    });
    let conditions = conditions.to_string();
    let parts = [method.as_str(), uri.path(), uri.query().unwrap_or_default(), subject.as_str(), &body];
    // Without conditions nothing stands for them: so it was before they counted, and those keys are still remembered.
    let conditions = (!conditions.is_empty()).then_some(conditions.as_str());
    let mut hash = Sha256::new();
    for part in parts.into_iter().chain(conditions) {
        // Each part with its length: no two requests run together into the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text.parse().unwrap());
        key(&headers).ok().flatten()
    }

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        assert_eq!(read("\"8e03978e-40d5\""), read("8e03978e-40d5"));
        assert_eq!(read(r#""a\"b\\c""#).as_deref(), Some(r#"a"b\c"#));
    }

    #[test]
    fn malformed_keys_are_refused() {
        let long = "k".repeat(256);
        for bad in ["", "\"\"", "\"open", "a\"b", "\"a\"b\"", "\"a b\"", r#""a\n""#, "\"a\\\"", &long] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(read(&long[..255]).is_some());
    }

    #[test]
    fn the_layout_of_the_body_does_not_change_the_fingerprint_but_its_content_does() {
        let print = |body: &str, user: &str| {
            let value: Value = serde_json::from_str(body).unwrap();
            let (uri, conditions) = ("/v1/users/ada".parse().unwrap(), Conditions::of(&HeaderMap::new()).unwrap());
            fingerprint((&Method::PUT, &uri), &user.parse().unwrap(), &conditions, Some(&value))
        };
        assert_eq!(print(r#"{"a":1,"b":2}"#, "ada"), print(r#"{ "b": 2, "a": 1 }"#, "ada"));
        assert_ne!(print(r#"{"a":1}"#, "ada"), print(r#"{"a":2}"#, "ada"));
        assert_ne!(print(r#"{"a":1}"#, "ada"), print(r#"{"a":1}"#, "bob"));
    }
}
