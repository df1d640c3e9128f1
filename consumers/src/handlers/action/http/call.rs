//! What a call of another system asks for.

use bytes::Bytes;
use reqwest::{
    Method,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use serde_json::Value;

use super::{
    super::{
        ActionError,
        fields::Fields,
        head::{Head, MAX_LINE},
        mapping::Pointers,
    },
    HTTP,
};

/// The header that tells the other side which requests are the same.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The most bytes of a path, and of a value in the query or a header.
const MAX_TEXT: usize = 4096;
/// The most entries of the query, and the most headers.
const MAX_ENTRIES: usize = 50;
/// What is wrong with a path such as `/orders//lines`.
const EMPTY_PART: &str = "must be without empty parts: is a value missing there?";
/// Headers that are the connection's, or the protocol's own.
const RESERVED: [HeaderName; 12] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    HOST,
    IDEMPOTENCY_KEY,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A call, read.
pub(in super::super) struct HttpCall {
    pub(super) head: Head,
    pub(super) connection: String,
    pub(super) method: Method,
    /// Below the connection's own; begins with a slash.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Bytes>,
    idempotent: bool,
    pub(super) response: Pointers,
}

impl HttpCall {
    pub(in super::super) fn read(text: &str) -> Result<Self, ActionError> {
        let (head, mut fields) = Head::read(HTTP, text)?;
        let connection = fields.text("connection", MAX_LINE)?;
        let method = match fields.text("method", 10)?.as_str() {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => return Err(fields.wrong("method", "must be GET, HEAD, POST, PUT, PATCH or DELETE")),
        };
        let path = path(&mut fields)?;
        let query = query(&mut fields)?;
        let mut headers = headers(&mut fields)?;
        let body = match fields.take("body") {
            Some(_) if matches!(method, Method::GET | Method::HEAD) => {
                return Err(fields.wrong("body", "isn't sent with GET or HEAD"));
            }
            body => body.map(|body| encoded(body, &mut headers)),
        };
        let idempotent = fields.flag("idempotent")?;
        let response = Pointers::read(&mut fields, "response")?;
        fields.done()?;
        Ok(Self { head, connection, method, path, query, headers, body, idempotent, response })
    }

    /// Whether it may be sent again when nobody knows whether it arrived: RFC 9110 § 9.2.2, or the author's word.
    pub(super) fn is_repeatable(&self) -> bool {
        self.idempotent || matches!(self.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE)
    }

    /// Whether it may change something.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// The path, as one text or as a list of its parts. What fills a part stays within it: somebody who is to name an order can't name
/// what is done to it, nor name none, which would be all of them. Behind the parts `null` is a slash at the end: no value that
/// fills a part is one.
fn path(fields: &mut Fields) -> Result<String, ActionError> {
    let path = match fields.take("path") {
        None => return Err(fields.missing("path")),
        Some(Value::String(path)) => path,
        Some(Value::Array(mut parts)) => {
            let slash = parts.pop_if(|last| last.is_null()).map_or("", |_| "/");
            let mut path = String::new();
            for part in &parts {
                let part = part.as_str().ok_or_else(|| fields.wrong("path", "must be a text, or a list of texts"))?;
                if part.contains(['/', '%']) {
                    return Err(fields.wrong("path", "must be without `/` and `%` inside of a part"));
                }
                if part.is_empty() {
                    return Err(fields.wrong("path", EMPTY_PART));
                }
                path.push('/');
                path.push_str(part);
            }
            path + slash
        }
        Some(_) => return Err(fields.wrong("path", "must be a text, or a list of texts")),
    };
    if path.len() > MAX_TEXT {
        return Err(fields.wrong("path", format_args!("must have at most {MAX_TEXT} bytes")));
    }
    check_path(&path).map_err(|rule| fields.wrong("path", rule))?;
    Ok(path)
}

/// What would lead somewhere else, however it got into the path. What else has a meaning in URLs is encoded.
fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("must begin with `/`: it stands below the connection's own path");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Err("must be without `\\` and control characters");
    }
    let is_dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    if path.split('/').any(is_dots) {
        return Err("must be without the segments `.` and `..`");
    }
    if path[1..].split('/').rev().skip(1).any(str::is_empty) {
        return Err(EMPTY_PART);
    }
    Ok(())
}

/// Texts, numbers and booleans; a list is several of the same name, and `null` none.
fn query(fields: &mut Fields) -> Result<Vec<(String, String)>, ActionError> {
    let mut query = Vec::new();
    for (name, value) in fields.map("query")? {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values.iter().filter(|value| !value.is_null()) {
            let text = plain(value).filter(|text| name.len() <= MAX_LINE && text.len() <= MAX_TEXT);
            let rule = format_args!("must hold texts, numbers and booleans of at most {MAX_TEXT} bytes").to_string();
            query.push((name.clone(), text.ok_or_else(|| fields.wrong("query", rule))?));
        }
    }
    if query.len() > MAX_ENTRIES {
        return Err(fields.wrong("query", format_args!("must have at most {MAX_ENTRIES} entries")));
    }
    Ok(query)
}

fn headers(fields: &mut Fields) -> Result<Vec<(HeaderName, HeaderValue)>, ActionError> {
    let map = fields.map("headers")?;
    if map.len() > MAX_ENTRIES {
        return Err(fields.wrong("headers", format_args!("must have at most {MAX_ENTRIES} entries")));
    }
    let mut headers = Vec::new();
    for (name, value) in map {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(fields.wrong("headers", "has a name that no header can have"));
        };
        if RESERVED.contains(&name) {
            let rule =
                format!("can't set `{name}`: credentials are the connection's, and the rest is the protocol's own");
            return Err(fields.wrong("headers", rule));
        }
        if value.is_null() {
            continue;
        }
        let text = plain(&value).filter(|text| text.len() <= MAX_TEXT);
        let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) else {
            return Err(fields.wrong("headers", format_args!("has a value for `{name}` that no header can have")));
        };
        headers.push((name, value));
    }
    Ok(headers)
}

/// JSON; but a text as it is where the call names another kind of content.
fn encoded(body: Value, headers: &mut Vec<(HeaderName, HeaderValue)>) -> Bytes {
    let kind = headers.iter().find(|(name, _)| name == CONTENT_TYPE);
    let is_json = kind.is_none_or(|(_, kind)| kind.to_str().is_ok_and(|kind| kind.contains("json")));
    if kind.is_none() {
        headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    }
    match body {
        Value::String(text) if !is_json => text.into(),
        body => body.to_string().into(),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
