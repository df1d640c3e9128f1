//! What an endpoint's answer means.
//!
//! | answer | outcome | why |
//! |---|---|---|
//! | 2xx | sent | |
//! | 3xx | permanent | redirects are not followed: they would lead past the rules for addresses. The endpoint has to be changed |
//! | 408, 5xx | unknown | it may have acted before it failed |
//! | 410 | gone | it wants no more calls: that is what the specification says |
//! | 429 | throttled, for `Retry-After` | |
//! | other 4xx | transient | so answers an endpoint that is being deployed, has lost its secret or is mistaken: it has a day to come to itself |
//! | no connection, TLS that fails | transient | one customer's endpoint is down: that is no outage of ours, so it neither opens a circuit nor pauses the consumer |
//! | no answer | unknown | |
//! | an address that the rules refuse | permanent | |
//!
//! Unknown outcomes are repeated: the `webhook-id` stays the same, and the endpoint is to act on it once.

use reqwest::header::CONTENT_TYPE;

use crate::{
    NotSent, SendOutcome,
    channels::http::{HttpError, HttpResponse},
};

/// The channel's name, and its provider's.
pub(super) const NAME: &str = "webhook";
/// The kinds of answers that a reason names.
const KINDS: [&str; 6] =
    ["application/json", "application/problem+json", "application/xml", "text/html", "text/plain", "text/xml"];

/// What became of the call `id`.
pub(super) fn classify(id: String, result: Result<HttpResponse, HttpError>) -> SendOutcome {
    let answer = match result {
        Ok(answer) => answer,
        Err(HttpError::NotSent(reason)) => return SendOutcome::NotSent(NotSent::Transient { reason }),
        Err(HttpError::Unknown(reason)) => return unknown(reason),
        Err(HttpError::Invalid(reason)) => return SendOutcome::NotSent(NotSent::Permanent { reason }),
    };
    let reason = told(&answer);
    match answer.status.as_u16() {
        200..300 => SendOutcome::Sent { provider: Some(NAME.into()), provider_id: Some(id) },
        300..400 => SendOutcome::NotSent(NotSent::Permanent {
            reason: format!("the endpoint redirects, and redirects are not followed: {reason}"),
        }),
        408 | 500.. => unknown(reason),
        410 => SendOutcome::NotSent(NotSent::Gone { reason }),
        429 => SendOutcome::NotSent(NotSent::Throttled { after: answer.retry_after(), reason }),
        _ => SendOutcome::NotSent(NotSent::Transient { reason }),
    }
}

fn unknown(reason: String) -> SendOutcome {
    SendOutcome::Unknown { provider: Some(NAME.into()), reason }
}

/// The status, and what came beside it: how much, and of which kind if that is a usual one. A stranger wrote the rest, perhaps about
/// people, and reasons are kept and shown.
fn told(answer: &HttpResponse) -> String {
    let (status, length) = (answer.status.as_u16(), answer.body.len());
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = KINDS.iter().find(|known| known.eq_ignore_ascii_case(kind));
    match (length, kind) {
        (0, _) => format!("the endpoint answered {status}"),
        (_, None) => format!("the endpoint answered {status} with {length} bytes"),
        (_, Some(kind)) => format!("the endpoint answered {status} with {length} bytes of {kind}"),
    }
}
