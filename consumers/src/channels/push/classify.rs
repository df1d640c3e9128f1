//! What FCM's answers mean (<https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>).
//!
//! | answer | outcome | why |
//! |---|---|---|
//! | 200 | sent | |
//! | 400, about `message.token` | gone | it is no token, and never was |
//! | 400 else, 413 | permanent | the message is at fault |
//! | 401 `THIRD_PARTY_AUTH_ERROR` | transient | Apple refuses the project's key: no trouble of other devices, so the consumer goes on |
//! | 401 else | unavailable | our credentials. A token that was refused is renewed once before |
//! | 403 `SENDER_ID_MISMATCH` | permanent | the token is of another Firebase project than the service account. The token is kept: it may be the account that is wrong, and with it every token would go |
//! | 403 else | unavailable | the account may not send |
//! | 404 `UNREGISTERED` | gone | the app was removed, or the token replaced |
//! | 404 else, 3xx | unavailable | the project or the base URL is wrong |
//! | 429 | throttled, for `Retry-After` or the minute that the documentation asks for | |
//! | 408, 5xx | unknown | see below |
//! | other 4xx | permanent | |
//! | no connection, no token | unavailable | |
//! | no answer | unknown | |
//!
//! 503 `UNAVAILABLE` stands among the unknown ones although FCM asks to try again: that isn't always safe for what has an effect,
//! says its definition (<https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>), and FCM says nowhere that
//! nothing was sent. For a device it makes no difference, since a repeated notification replaces the first. Its `Retry-After` is
//! passed over: an outcome that is unknown is no wait but a doubt, and comes again when the message is delivered again.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    NotSent, SendOutcome,
    channels::http::{HttpError, HttpResponse},
    scrub,
};

/// The provider's name.
pub(super) const NAME: &str = "fcm";
/// The wait that the documentation asks for where a quota is used up and `Retry-After` is missing.
const QUOTA: Duration = Duration::from_secs(60);
/// What there is to do about a token of another project.
const OTHER_PROJECT: &str = "the device's token is of another Firebase project than the FCM service account. Where this meets \
                             many devices, the account is the wrong one: set that of the app's project";
/// How much of an answer's text a reason holds, in characters.
const MAX_TEXT: usize = 200;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    name: Option<String>,
    error: Problem,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    status: String,
    message: String,
    details: Vec<Detail>,
}

/// One of `FcmError` and `BadRequest`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    error_code: Option<String>,
    field_violations: Vec<Violation>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Violation {
    field: String,
}

/// What became of a message.
pub(super) fn classify(result: Result<HttpResponse, HttpError>) -> SendOutcome {
    let answer = match result {
        Ok(answer) => answer,
        Err(HttpError::NotSent(reason) | HttpError::Invalid(reason)) => {
            return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason });
        }
        Err(HttpError::Unknown(reason)) => return unknown(reason),
    };
    // What can't be read says nothing beyond the status.
    let Answer { name, error } = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() {
        return SendOutcome::Sent { provider: Some(NAME.into()), provider_id: name };
    }
    let code = error.details.iter().find_map(|detail| detail.error_code.as_deref()).unwrap_or(&error.status);
    let about_token =
        error.details.iter().flat_map(|detail| &detail.field_violations).any(|v| v.field == "message.token");
    let reason = told(answer.status, code, &error.message);
    let after = answer.retry_after();
    SendOutcome::NotSent(match (answer.status.as_u16(), code) {
        (408 | 500.., _) => return unknown(reason),
        (400, _) if about_token => NotSent::Gone { reason },
        (403, "SENDER_ID_MISMATCH") => NotSent::Permanent { reason: format!("{reason}: {OTHER_PROJECT}") },
        (404, "UNREGISTERED") => NotSent::Gone { reason },
        (401, "THIRD_PARTY_AUTH_ERROR") => NotSent::Transient { reason },
        (300..400 | 401 | 403 | 404, _) => NotSent::Unavailable { after, reason },
        (429, _) => NotSent::Throttled { after: after.or(Some(QUOTA)), reason },
        _ => NotSent::Permanent { reason },
    })
}

fn unknown(reason: String) -> SendOutcome {
    SendOutcome::Unknown { provider: Some(NAME.into()), reason }
}

fn told(status: StatusCode, code: &str, message: &str) -> String {
    let text: String = scrub(&format!("{code} {message}")).trim().chars().take(MAX_TEXT).collect();
    format!("FCM answered {} {text}", status.as_u16()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: impl Into<Bytes>, retry_after: Option<&'static str>) -> SendOutcome {
        let mut headers = HeaderMap::new();
        if let Some(after) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
        }
        classify(Ok(HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.into(),
            extent: crate::channels::http::Extent::Whole,
        }))
    }

    fn problem(status: u16, canonical: &str, code: &str) -> SendOutcome {
        let detail = json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code });
        let details = if code.is_empty() { json!([]) } else { json!([detail]) };
        let error = json!({ "code": status, "message": "no", "status": canonical, "details": details });
        answer(status, json!({ "error": error }).to_string(), None)
    }

    fn kind(outcome: &SendOutcome) -> &'static str {
        match outcome {
            SendOutcome::Sent { .. } => "sent",
            SendOutcome::Skipped { .. } => "skipped",
            SendOutcome::Unknown { .. } => "unknown",
            SendOutcome::NotSent(NotSent::Permanent { .. }) => "permanent",
            SendOutcome::NotSent(NotSent::Gone { .. }) => "gone",
            SendOutcome::NotSent(NotSent::Transient { .. }) => "transient",
            SendOutcome::NotSent(NotSent::Throttled { .. }) => "throttled",
            SendOutcome::NotSent(NotSent::NotYet { .. }) => "not yet",
            SendOutcome::NotSent(NotSent::Unavailable { .. }) => "unavailable",
        }
    }

    #[test]
    fn each_answer_means_what_the_table_says() {
        for (status, canonical, code, means) in [
            (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "permanent"),
            (400, "INVALID_ARGUMENT", "", "permanent"),
            (413, "", "", "permanent"),
            (418, "", "", "permanent"),
            (401, "UNAUTHENTICATED", "", "unavailable"),
            (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "transient"),
            (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "permanent"),
            (403, "PERMISSION_DENIED", "", "unavailable"),
            (404, "NOT_FOUND", "UNREGISTERED", "gone"),
            (404, "NOT_FOUND", "", "unavailable"),
            (302, "", "", "unavailable"),
            (408, "", "", "unknown"),
            (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "throttled"),
            (500, "INTERNAL", "INTERNAL", "unknown"),
            (502, "", "", "unknown"),
            (503, "UNAVAILABLE", "UNAVAILABLE", "unknown"),
        ] {
            let outcome = problem(status, canonical, code);
            assert_eq!(kind(&outcome), means, "{status} {code}: {outcome:?}");
        }
    }

    #[test]
    fn a_token_that_is_none_is_told_from_a_message_that_is_at_fault() {
        let violation = json!([{ "field": "message.token", "description": "Invalid registration token" }]);
        let details = json!([{ "errorCode": "INVALID_ARGUMENT" }, { "fieldViolations": violation }]);
        let body = json!({ "error": { "status": "INVALID_ARGUMENT", "details": details } }).to_string();
        assert_eq!(kind(&answer(400, body, None)), "gone");
    }

    #[test]
    fn a_token_of_another_project_is_no_device_that_is_gone_and_the_reason_tells_what_to_look_at() {
        let outcome = problem(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH");
        let SendOutcome::NotSent(NotSent::Permanent { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(
            reason.starts_with("FCM answered 403 SENDER_ID_MISMATCH no: the device's token is of another"),
            "{reason}"
        );
        assert!(reason.contains("set that of the app's project"), "{reason}");
    }

    #[test]
    fn a_quota_is_waited_for_as_long_as_told_or_for_a_minute() {
        for (told, wait) in [(Some("7"), 7), (None, 60)] {
            let outcome = answer(429, "", told);
            let SendOutcome::NotSent(NotSent::Throttled { after, .. }) = outcome else { panic!("{outcome:?}") };
            assert_eq!(after, Some(Duration::from_secs(wait)));
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_counts_by_its_status() {
        for body in ["", "<html>", "[]", "{\"error\":7}", "{\"name\":{}}"] {
            assert_eq!(answer(200, body, None), SendOutcome::Sent { provider: Some("fcm".into()), provider_id: None });
            assert_eq!(kind(&answer(404, body, None)), "unavailable");
            assert_eq!(kind(&answer(500, body, None)), "unknown");
        }
    }

    #[test]
    fn a_reason_is_short_and_holds_no_personal_data() {
        let message = format!("ada@example.org {}", "x".repeat(5000));
        let body = json!({ "error": { "status": "INVALID_ARGUMENT", "message": message } }).to_string();
        let SendOutcome::NotSent(NotSent::Permanent { reason }) = answer(400, body, None) else { panic!() };
        assert!(reason.starts_with("FCM answered 400 INVALID_ARGUMENT <address> xx") && reason.len() < 230, "{reason}");
    }
}
