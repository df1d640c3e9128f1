//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, section 13.1): nobody overwrites what they haven't seen.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, header};

use super::problem::{Kind, Problem};

/// The entity tag of a record's version.
pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// What the caller demands of the record as it stands. Shown, the same conditions are the same text, and none are no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conditions {
    /// It must have one of these.
    if_match: Option<Tags>,
    /// It must have none of these.
    if_none_match: Option<Tags>,
}

/// The tags of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// That of whatever stands there.
    Any,
    /// These, as they were sent.
    These(Vec<String>),
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            if_match: Tags::of(headers, &header::IF_MATCH, "If-Match")?,
            if_none_match: Tags::of(headers, &header::IF_NONE_MATCH, "If-None-Match")?,
        })
    }

    /// Refuses a record that isn't as it is demanded.
    pub(super) fn check(&self, version: Option<u64>) -> Result<(), Problem> {
        let refused = |detail| Err(Problem::new(Kind::VersionMismatch, detail));
        let Some(standing) = version.map(etag) else {
            return if self.if_match.is_none() { Ok(()) } else { refused("it does not exist".to_owned()) };
        };
        // A weak tag never matches here: whoever has one hasn't seen all of it.
        if self.if_match.as_ref().is_some_and(|tags| !tags.contain(|tag| tag == standing)) {
            return refused(format!("its ETag is {standing} now: read it again, then repeat your change"));
        }
        if self.if_none_match.as_ref().is_some_and(|tags| tags.contain(|tag| strong(tag) == standing)) {
            return refused(format!("it exists, and its ETag is {standing}, which If-None-Match rules out"));
        }
        Ok(())
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, tags) in [("if-match", &self.if_match), ("if-none-match", &self.if_none_match)] {
            match tags {
                Some(Tags::Any) => writeln!(formatter, "{name}: *")?,
                Some(Tags::These(tags)) => writeln!(formatter, "{name}: {}", tags.join(", "))?,
                None => {}
            }
        }
        Ok(())
    }
}

impl Tags {
    fn of(headers: &HeaderMap, header: &HeaderName, name: &str) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        for value in headers.get_all(header) {
            let text = value.to_str().unwrap_or_default();
            if text.trim() == "*" {
                return Ok(Some(Self::Any));
            }
            for tag in text.split(',').map(str::trim) {
                let opaque = strong(tag);
                if opaque.len() < 2 || !opaque.starts_with('"') || !opaque.ends_with('"') {
                    let detail = format!("{name} is not valid: send the ETag as it came, such as `\"3\"`, or `*`");
                    return Err(Problem::new(Kind::InvalidRequest, detail));
                }
                tags.push(tag.to_owned());
            }
        }
        Ok((!tags.is_empty()).then_some(Self::These(tags)))
    }

    fn contain(&self, is: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| is(tag)),
        }
    }
}

/// The tag without the mark of a weak one.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
