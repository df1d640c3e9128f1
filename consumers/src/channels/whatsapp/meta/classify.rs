//! What the answer of Meta's Cloud API to a message means.
//!
//! Meta's own code decides where it is known, else the HTTP status: Meta asks for that, and some refusals come with a 5xx.
//! Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>.
//!
//! | codes | outcome | why |
//! |---|---|---|
//! | 131050 | **gone** | the recipient doesn't want our messages any more |
//! | 4, 80007, 130429, 131048, 131056 | throttled | too fast: for the app, the account, the number, its reputation, this recipient |
//! | 0, 3, 10, 190, 200…299, 131005 | **unavailable** | the token or its permissions |
//! | 33, 100 with subcode 33, 131045, 133006, 133010 | **unavailable** | our phone number: deleted, not visible to the token, not verified, not registered |
//! | 368, 131031, 131037, 131042, 131057 | **unavailable** | the account: restricted, locked, without an approved name, unpaid, in maintenance |
//! | 1, 2, 131000, 131016 | **unknown** | an error of the server's, whatever its status |
//! | 131026, 130472, 130497, 131021, 131049 | permanent | this recipient can't be reached, or Meta chose not to |
//! | 131047 | permanent | outside of the 24-hour window, where only templates may be sent |
//! | 100, 131008, 131009, 131051, 132000…132018, 132068, 132069, 135000 | permanent | this content can't be sent |
//!
//! By HTTP status: 2xx sent; 3xx, 401, 403, 404, 405, 407 unavailable; 429 throttled; 408 and 5xx unknown; other 4xx
//! permanent. Without an answer unknown; without a connection unavailable.

use serde::Deserialize;

use super::NAME;
use crate::{
    NotSent, SendOutcome,
    channels::http::{HttpError, HttpResponse},
    scrub,
};

/// What a known code or status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Permanent,
    Gone,
    Throttled,
    Unavailable,
    Unknown,
}

/// The table of codes above.
const fn meaning(code: u32, subcode: Option<u32>) -> Option<Meaning> {
    Some(match (code, subcode) {
        (131_050, _) => Meaning::Gone,
        (4 | 80_007 | 130_429 | 131_048 | 131_056, _) => Meaning::Throttled,
        (0 | 3 | 10 | 190 | 200..=299 | 131_005, _) => Meaning::Unavailable,
        (33 | 131_045 | 133_006 | 133_010, _) | (100, Some(33)) => Meaning::Unavailable,
        (368 | 131_031 | 131_037 | 131_042 | 131_057, _) => Meaning::Unavailable,
        (1 | 2 | 131_000 | 131_016, _) => Meaning::Unknown,
        (130_472 | 130_497 | 131_021 | 131_026 | 131_047 | 131_049, _) => Meaning::Permanent,
        (100 | 131_008 | 131_009 | 131_051 | 132_000..=132_018 | 132_068 | 132_069 | 135_000, _) => Meaning::Permanent,
        _ => return None,
    })
}

const fn by_status(status: u16) -> Meaning {
    match status {
        429 => Meaning::Throttled,
        300..=399 | 401 | 403..=405 | 407 => Meaning::Unavailable,
        408 => Meaning::Unknown,
        400..=499 => Meaning::Permanent,
        _ => Meaning::Unknown,
    }
}

/// Whether the code says that its recipient must not be written to any more.
#[must_use]
pub const fn is_gone(code: u32) -> bool {
    matches!(meaning(code, None), Some(Meaning::Gone))
}

/// How Meta says no: `{"error":{"message","type","code","error_subcode","error_data":{"details"},"fbtrace_id"}}`.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Error,
}

#[derive(Debug, Default, Deserialize)]
struct Error {
    code: Option<u32>,
    error_subcode: Option<u32>,
    message: Option<String>,
    error_data: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    details: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Taken {
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    id: String,
}

/// The longest id of a message that is kept.
const MAX_ID: usize = 200;

/// The tables above.
pub(super) fn classify(result: &Result<HttpResponse, HttpError>) -> SendOutcome {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ HttpError::Unknown(_)) => return unknown(error.to_string()),
        Err(error) => {
            let reason = format!("Meta can't be reached: {error}");
            return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason });
        }
    };
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        let taken = serde_json::from_slice::<Taken>(&answer.body).ok();
        let id = taken.and_then(|taken| taken.messages.into_iter().next()).map(|message| message.id);
        let id = id.filter(|id| (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
        return SendOutcome::Sent { provider: Some(NAME.into()), provider_id: id };
    }
    let error = serde_json::from_slice::<Refusal>(&answer.body).unwrap_or_default().error;
    let reason = reason(status, &error);
    let after = answer.retry_after();
    let by_code = error.code.and_then(|code| meaning(code, error.error_subcode));
    SendOutcome::NotSent(match by_code.unwrap_or(by_status(status)) {
        Meaning::Permanent => NotSent::Permanent { reason },
        Meaning::Gone => NotSent::Gone { reason },
        Meaning::Throttled => NotSent::Throttled { after, reason },
        Meaning::Unavailable => NotSent::Unavailable { after, reason },
        Meaning::Unknown => return unknown(reason),
    })
}

fn unknown(reason: String) -> SendOutcome {
    SendOutcome::Unknown { provider: Some(NAME.into()), reason }
}

/// What Meta said, without personal data.
fn reason(status: u16, error: &Error) -> String {
    let Some(code) = error.code else { return format!("Meta answered with HTTP {status}") };
    let message = error.message.as_deref().map(scrub).unwrap_or_default();
    let details = error.error_data.as_ref().and_then(|data| data.details.as_deref()).map(scrub);
    let details = details.map(|details| format!(" ({details})")).unwrap_or_default();
    let hint = match code {
        131_047 => ": outside of the 24-hour window, where WhatsApp takes templates only",
        _ => "",
    };
    format!("Meta refused it with {code} (HTTP {status}){hint}: {message}{details}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use bytes::Bytes;
    use reqwest::header::{HeaderMap, RETRY_AFTER};

    use super::*;
    use crate::channels::scripted::documented_codes;

    fn answer(status: u16, body: &str) -> SendOutcome {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        classify(&Ok(HttpResponse {
            status: status.try_into().unwrap(),
            headers,
            body,
            extent: crate::channels::http::Extent::Whole,
        }))
    }

    fn refused(status: u16, code: u32) -> SendOutcome {
        answer(
            status,
            &format!(r#"{{"error":{{"message":"no","type":"OAuthException","code":{code},"fbtrace_id":"A"}}}}"#),
        )
    }

    /// One letter per outcome: S(ent), P(ermanent), G(one), W(ait: throttled), D(own: unavailable), U(nknown).
    fn letter(outcome: &SendOutcome) -> char {
        match outcome {
            SendOutcome::Sent { .. } => 'S',
            SendOutcome::NotSent(NotSent::Permanent { .. }) => 'P',
            SendOutcome::NotSent(NotSent::Gone { .. }) => 'G',
            SendOutcome::NotSent(NotSent::Throttled { .. }) => 'W',
            SendOutcome::NotSent(NotSent::Unavailable { .. }) => 'D',
            SendOutcome::Unknown { .. } => 'U',
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn each_code_means_what_the_table_says_with_the_status_that_meta_gives_it() {
        for (expected, codes) in [
            ('G', &[(400, 131_050)][..]),
            ('W', &[(400, 4), (400, 80_007), (400, 130_429), (429, 130_429), (400, 131_048), (400, 131_056)]),
            ('D', &[(401, 0), (500, 3), (403, 10), (401, 190), (403, 200), (403, 299), (403, 131_005)]),
            (
                'D',
                &[
                    (400, 33),
                    (500, 131_045),
                    (400, 133_010),
                    (403, 368),
                    (403, 131_031),
                    (400, 131_042),
                    (500, 131_057),
                ],
            ),
            ('U', &[(400, 1), (503, 2), (500, 131_000), (500, 131_016)]),
            ('P', &[(400, 131_026), (400, 131_047), (400, 131_049), (400, 130_472), (403, 130_497)]),
            ('P', &[(400, 100), (400, 131_009), (404, 132_001), (400, 132_015), (400, 132_000)]),
            // Not in the table: by their status.
            ('P', &[(400, 999_999)]),
            ('U', &[(500, 999_999)]),
        ] {
            for &(status, code) in codes {
                assert_eq!(letter(&refused(status, code)), expected, "{code}");
            }
        }
        let unseen = r#"{"error":{"message":"Object with ID '1' does not exist","code":100,"error_subcode":33}}"#;
        assert_eq!(letter(&answer(400, unseen)), 'D', "the phone number's id is wrong");
    }

    #[test]
    fn each_status_means_what_the_table_says() {
        for (expected, statuses) in [
            ('S', &[200, 201][..]),
            ('D', &[301, 302, 401, 403, 404, 405, 407]),
            ('W', &[429]),
            ('P', &[400, 409, 413, 415, 422]),
            ('U', &[408, 500, 502, 503, 504]),
        ] {
            for &status in statuses {
                assert_eq!(letter(&answer(status, "<html>")), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_message_that_was_taken_has_its_id_if_that_can_be_read() {
        for (body, expected) in [
            (r#"{"messaging_product":"whatsapp","messages":[{"id":"wamid.HBgL=="}]}"#, Some("wamid.HBgL==")),
            (r#"{"messages":[]}"#, None),
            (r#"{"messages":[{"id":"a b"}]}"#, None),
            ("", None),
        ] {
            let sent = SendOutcome::Sent { provider: Some("meta".into()), provider_id: expected.map(Into::into) };
            assert_eq!(answer(200, body), sent, "{body}");
        }
    }

    #[test]
    fn who_asks_to_wait_is_heard() {
        let SendOutcome::NotSent(NotSent::Throttled { after, .. }) = refused(400, 130_429) else { unreachable!() };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_reason_names_the_code_and_not_the_recipient() {
        let body = r#"{"error":{"code":131026,"message":"undeliverable","error_data":{"details":"to +4930123456"}}}"#;
        let SendOutcome::NotSent(NotSent::Permanent { reason }) = answer(400, body) else { unreachable!() };
        assert!(reason.contains("131026") && !reason.contains("4930123456"), "{reason}");
    }

    #[test]
    fn without_a_connection_nothing_left_and_without_an_answer_nothing_is_known() {
        assert_eq!(letter(&classify(&Err(HttpError::NotSent("refused".into())))), 'D');
        assert_eq!(letter(&classify(&Err(HttpError::Unknown("reset".into())))), 'U');
    }

    #[test]
    fn the_table_of_the_description_is_the_one_that_decides() {
        let decided =
            (0..140_000).filter_map(|code| Some((code, format!("{:?}", meaning(code, None)?).to_lowercase())));
        assert_eq!(decided.collect::<BTreeMap<_, _>>(), documented_codes(include_str!("classify.rs")));
    }
}
