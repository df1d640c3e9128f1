//! What a response means.
//!
//! | response | outcome | why |
//! |---|---|---|
//! | 2xx | done, with what the mapping finds in it | |
//! | 3xx | permanent | redirects are not followed: they would lead past the rules for addresses |
//! | 425, 429 | throttled, for `Retry-After`; 425 without it transient | the request was not taken up |
//! | 503 with `Retry-After` | throttled, for that | the other side says itself that it doesn't take it up now |
//! | 408, 503 without | for calls that may be repeated as 425 and 429, otherwise unknown | what stands between says so as well, after it has lost the other side |
//! | other 5xx | unknown | it may have acted before it failed |
//! | other 4xx | permanent | |
//! | no connection | throttled | an outage: the caller comes back for about a day |
//! | no answer | unknown | |
//! | an address that the rules refuse | permanent | |

use serde_json::Value;

use super::{
    super::asking::{Came, MAPPING, Refusal, TOO_LARGE, fits},
    call::HttpCall,
    connection::MAX_RESPONSE,
    outputs,
};
use crate::{
    NotSent, SendOutcome,
    channels::http::{Extent, HttpError, HttpResponse},
};

pub(super) fn classify(call: &HttpCall, result: Result<HttpResponse, HttpError>) -> Came {
    let response = match result {
        Ok(response) => response,
        Err(HttpError::NotSent(why)) => return throttled(None, format!("can't connect: {why}")),
        Err(HttpError::Unknown(reason)) => return unknown(reason),
        Err(HttpError::Invalid(why)) => return Came::Refused(Refusal::new("refused", why)),
    };
    let code = response.status.as_u16();
    let told = format!("the other side answered {code}");
    let refused = |why: String| Came::Refused(Refusal::new("refused", why));
    match (code, response.retry_after()) {
        (200..300, _) => done(call, &response),
        (300..400, _) => refused(format!("{told}: it redirects, and redirects are not followed")),
        (408, _) | (503, None) if !call.is_repeatable() => unknown(told),
        (408 | 425, None) => Came::Not(SendOutcome::NotSent(NotSent::Transient { reason: told })),
        (408 | 425 | 429 | 503, after) => throttled(after, told),
        (500.., _) => unknown(told),
        _ => refused(told),
    }
}

fn done(call: &HttpCall, response: &HttpResponse) -> Came {
    // Whoever may ask again is told a flaw as one of the answer; who may not has done what was to be done.
    let flawed = |refusal| if call.is_repeatable() { Came::Refused(refusal) } else { Came::Unusable(refusal) };
    let document = match (call.response.is_empty(), response.extent) {
        (true, _) => Value::Null,
        (false, Extent::Whole) if response.body.len() <= MAX_RESPONSE => match response.body.is_empty() {
            true => Value::Null,
            false => match serde_json::from_slice(&response.body) {
                Ok(document) => document,
                Err(_) => return flawed(Refusal::new(MAPPING, "the response is no JSON")),
            },
        },
        (false, Extent::Whole | Extent::Cut) => {
            return flawed(Refusal::new(TOO_LARGE, format!("the response has more than {MAX_RESPONSE} bytes")));
        }
        (false, Extent::Lost) if call.is_repeatable() => return unknown("the response broke off".into()),
        (false, Extent::Lost) => return flawed(Refusal::new(MAPPING, "the response broke off")),
    };
    match call.response.of(&document) {
        Ok(found) => {
            let outputs = outputs(response.status.as_u16().into(), found);
            fits(&outputs).map_or_else(flawed, |()| Came::Done(outputs))
        }
        Err(refusal) => flawed(refusal),
    }
}

fn unknown(reason: String) -> Came {
    Came::Not(SendOutcome::Unknown { provider: Some(super::HTTP.into()), reason })
}

fn throttled(after: Option<std::time::Duration>, reason: String) -> Came {
    Came::Not(SendOutcome::NotSent(NotSent::Throttled { after, reason }))
}
