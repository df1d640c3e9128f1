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

use crate::{
    NotSent, SendOutcome,
    channels::http::{HttpError, HttpResponse},
    scrub,
};

/// The channel's name, and its provider's.
pub(super) const NAME: &str = "webhook";
/// How much of an answer's text a reason holds, in characters.
const MAX_TEXT: usize = 200;

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

/// The status, and the beginning of the text beside it. A stranger wrote that.
fn told(answer: &HttpResponse) -> String {
    let text = scrub(&String::from_utf8_lossy(&answer.body));
    let text: String = text.trim().chars().take(MAX_TEXT).collect();
    let status = answer.status.as_u16();
    if text.is_empty() {
        format!("the endpoint answered {status}")
    } else {
        format!("the endpoint answered {status}: {text}")
    }
}
