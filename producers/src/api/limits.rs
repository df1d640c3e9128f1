//! How much of a request is read, and how deep: checked before anything is deserialised. And that what is read is what was sent.

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::Value;

use super::{
    json,
    problem::{Kind, Problem},
};

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body in bytes. Default 1 MiB.
    pub body_bytes: usize,
    /// How deep arrays and objects may be nested. Default 32; over 120 has no effect.
    pub json_depth: usize,
    /// How many values a body may have, an empty list or object counting twice: one of few bytes takes many times as much memory and
    /// time. Default 100,000.
    pub json_values: usize,
    /// How many fields a submission may have. Default 500.
    pub submission_fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 1024 * 1024, json_depth: 32, json_values: 100_000, submission_fields: 500 }
    }
}

impl Limits {
    /// The whole body. A declared length over the limit is refused before a byte is read, an undeclared one as soon as
    /// it passes the limit.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let limit = self.body_bytes;
        let too_large = || Problem::new(Kind::BodyTooLarge, format!("the limit is {limit} bytes"));
        let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut read = BytesMut::new();
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::new(Kind::InvalidRequest, BROKEN_OFF))?;
            if read.len() + chunk.len() > limit {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read.freeze())
    }

    /// The body as JSON, if its media type says so, it isn't nested too deeply, hasn't too many values, and nothing in it would be
    /// changed.
    pub(super) fn json(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
        require_json_type(headers)?;
        if let Some(at) = too_deep(body, self.json_depth.min(MAX_DEPTH)) {
            let detail = format!("the limit is {} levels, passed at byte {at}", self.json_depth.min(MAX_DEPTH));
            return Err(Problem::new(Kind::JsonTooDeep, detail));
        }
        let most = self.json_values;
        if has_more_values(body, most) {
            return Err(Problem::new(Kind::BodyTooLarge, format!("the limit is {most} values in lists and objects")));
        }
        let bad = |e: serde_json::Error| Problem::new(Kind::BadJson, e.to_string()).at(e.line(), e.column());
        let (value, flaws) = json::read(body).map_err(bad)?;
        if flaws.is_empty() { Ok(value) } else { Err(Problem::invalid_fields(flaws)) }
    }
}

const BROKEN_OFF: &str = "the body broke off, or took too long; send the request again";

/// serde_json's own limit is 127 levels; ours has to bite first.
const MAX_DEPTH: usize = 120;

fn require_json_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return refused("there is no Content-Type header".to_owned());
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json { Ok(()) } else { refused(format!("Content-Type is `{}`", essence.chars().take(80).collect::<String>())) }
}

/// The byte at which nesting passes `limit`, without parsing: brackets outside of strings are counted.
fn too_deep(body: &[u8], limit: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in json::outside_strings(body) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return Some(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether lists and objects have more values than `limit`, without parsing: each begins after a bracket or a comma.
fn has_more_values(body: &[u8], limit: usize) -> bool {
    json::outside_strings(body).filter(|(_, byte)| matches!(byte, b',' | b'[' | b'{')).nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use super::{has_more_values, too_deep};

    #[test]
    fn values_are_counted_outside_of_strings() {
        let body = br#"{"a":[1,2,3],"b":"[,,,,"}"#;
        assert!(!has_more_values(body, 5));
        assert!(has_more_values(body, 4));
    }

    #[test]
    fn brackets_in_strings_are_no_nesting() {
        assert_eq!(too_deep(br#"{"a":"[[[[\"[[[["}"#, 1), None);
    }

    #[test]
    fn the_level_over_the_limit_is_found() {
        assert_eq!(too_deep(b"[[[]]]", 3), None);
        assert_eq!(too_deep(b"[[[[]]]]", 3), Some(3));
        assert_eq!(too_deep(br#"[{"a":[{"#, 3), Some(7));
    }

    #[test]
    fn siblings_do_not_add_up() {
        assert_eq!(too_deep(b"[[],[],[],[]]", 2), None);
    }
}
