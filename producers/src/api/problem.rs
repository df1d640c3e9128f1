//! Errors as the caller sees them: RFC 9457 problem details, <https://www.rfc-editor.org/rfc/rfc9457>.

use std::borrow::Cow;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{CommitError, ReadError};

/// What kind of problem it is. The slug stands in `type` and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidRequest,
    BadJson,
    JsonTooDeep,
    Unauthorized,
    InsufficientScope,
    LoadTestsOff,
    NoSuchRoute,
    NotFound,
    MethodNotAllowed,
    Conflict,
    LimitReached,
    BreaksWorkflows,
    VersionMismatch,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidFields,
    IdempotencyKeyReused,
    Internal,
    Unavailable,
}

impl Kind {
    pub(super) const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid"),
            Self::BadJson => (StatusCode::BAD_REQUEST, "bad-json", "The body is not JSON"),
            Self::JsonTooDeep => (StatusCode::BAD_REQUEST, "json-too-deep", "The body is nested too deeply"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A valid bearer token is needed"),
            Self::InsufficientScope => {
                (StatusCode::FORBIDDEN, "insufficient-scope", "The token doesn't allow this operation")
            }
            Self::LoadTestsOff => (StatusCode::FORBIDDEN, "load-tests-off", "Load tests are not taken here"),
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "no-such-route", "There is no such path in this API"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "It does not exist"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The path doesn't take this method")
            }
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "Others keep changing it at the same time"),
            Self::LimitReached => (StatusCode::CONFLICT, "limit-reached", "There may be no more of them"),
            Self::BreaksWorkflows => {
                (StatusCode::CONFLICT, "breaks-workflows", "Workflows that are switched on would no longer fit")
            }
            Self::VersionMismatch => {
                (StatusCode::PRECONDITION_FAILED, "version-mismatch", "It is not as the request demands")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be application/json")
            }
            Self::InvalidFields => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-fields", "Fields are not valid"),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The Idempotency-Key was used for another request",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke on our side"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service can't do it at the moment")
            }
        }
    }
}

/// Where a request is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Flaw {
    /// Where in the body: a JSON Pointer as a URI fragment, `#/channels/email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pointer: Option<String>,
    /// Which query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<String>,
    /// What is wrong with it.
    pub(super) detail: String,
}

/// A refusal, ready to be answered.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: ProblemDetails,
}

/// An error (RFC 9457). `type` tells the kind and never changes its meaning; `detail` is for people.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemDetails {
    /// `urn:sendoff:problem:` and the kind.
    r#type: String,
    /// The kind in words.
    title: Cow<'static, str>,
    /// The status code.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong this time, and what to do.
    detail: String,
    /// This occurrence, as it stands in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Line of the body where the JSON breaks, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column in that line, from 1; 0 at the line's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Everything that is wrong with the fields or parameters, all at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<Flaw>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, slug, title) = kind.facts();
        let body = ProblemDetails {
            r#type: format!("urn:sendoff:problem:{slug}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            line: None,
            column: None,
            errors: Vec::new(),
        };
        Self(Box::new(Inner { status, headers: Vec::new(), body }))
    }

    /// `what` doesn't exist, or belongs to another tenant, which is never told apart.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("{what} does not exist"))
    }

    pub(super) fn invalid_fields(errors: Vec<Flaw>) -> Self {
        let count = errors.len();
        let detail = if count == 1 { "1 field is not valid".into() } else { format!("{count} fields are not valid") };
        Self::new(Kind::InvalidFields, detail).with_flaws(errors)
    }

    pub(super) fn with_flaws(mut self, errors: Vec<Flaw>) -> Self {
        self.0.body.errors = errors;
        self
    }

    pub(super) fn at(mut self, line: usize, column: usize) -> Self {
        self.0.body.line = Some(line);
        self.0.body.column = Some(column);
        self
    }

    pub(super) fn at_instance(mut self, instance: String) -> Self {
        self.0.body.instance = Some(instance);
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A failure of ours. The cause goes to the log, and only there.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a reason of ours");
        Self::new(Kind::Internal, "the cause is in the server's log")
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail).with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => {
                tracing::warn!(%error, "records could not be read");
                Self::unavailable("the records can't be read right now; nothing was changed, try again")
            }
            ReadError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { ref key, .. } => Self::new(
                Kind::Conflict,
                format!("{key} was changed by others each time we tried; nothing was written, try again"),
            ),
            CommitError::RequestMismatch { .. } => Self::new(
                Kind::IdempotencyKeyReused,
                "an Idempotency-Key stands for one request: same method, path, caller, conditions and body. Use a fresh key",
            ),
            CommitError::Invalid(_) => Self::internal(&error),
            CommitError::TooLarge(why) => Self::new(Kind::BodyTooLarge, format!("as it is stored: {why}")),
            CommitError::NotCommitted(_) => {
                tracing::warn!(%error, "the records can't be written");
                Self::unavailable("the records can't be written right now; nothing was stored, try again")
            }
            CommitError::Unavailable(_) => {
                tracing::warn!(%error, "the outcome of a commit is not known");
                Self::unavailable(
                    "the records didn't answer, so whether the change was stored is not known; repeat the request with \
                     the same Idempotency-Key, or read before you repeat it without one",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { status, headers, body } = *self.0;
        // The struct has no map and no number that isn't JSON, so it always serialises.
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, json).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_has_no_room_for_is_the_callers_affair_and_what_is_wrong_in_itself_is_ours() {
        let status = |error: CommitError| Problem::from(error).into_response().status();
        assert_eq!(status(CommitError::TooLarge("410000 bytes".into())), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(CommitError::Invalid("twice".into())), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
