//! `ETag` and `If-Match` (RFC 9110, section 13.1.1): nobody overwrites what they haven't seen.

use axum::http::{HeaderMap, header};

use super::problem::{Kind, Problem};

/// The entity tag of a record's version.
pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// What the caller demands of the record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// That there is one.
    Exists,
    /// That its tag is one of these.
    Tags(Vec<String>),
}

impl IfMatch {
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().unwrap_or_default();
            if text.trim() == "*" {
                return Ok(Some(Self::Exists));
            }
            for tag in text.split(',').map(str::trim) {
                let opaque = tag.strip_prefix("W/").unwrap_or(tag);
                if opaque.len() < 2 || !opaque.starts_with('"') || !opaque.ends_with('"') {
                    let detail = "If-Match is not valid: send the ETag as it came, such as `\"3\"`, or `*`";
                    return Err(Problem::new(Kind::InvalidRequest, detail));
                }
                tags.push(tag.to_owned());
            }
        }
        Ok((!tags.is_empty()).then_some(Self::Tags(tags)))
    }

    /// Refuses a record that isn't at a demanded version. A weak tag never matches here.
    pub(super) fn check(&self, version: Option<u64>) -> Result<(), Problem> {
        let holds = match (self, version) {
            (_, None) => false,
            (Self::Exists, Some(_)) => true,
            (Self::Tags(tags), Some(version)) => tags.contains(&etag(version)),
        };
        let refused = || match version {
            Some(version) => format!("its ETag is {} now: read it again, then repeat your change", etag(version)),
            None => "it does not exist".to_owned(),
        };
        if holds { Ok(()) } else { Err(Problem::new(Kind::VersionMismatch, refused())) }
    }
}
