//! What Twilio's answer to a message means.
//!
//! Twilio's own code decides, where a refusal (`4xx`) has one that is known; else the HTTP status. Sources: Twilio's Error and
//! Warning Dictionary (<https://www.twilio.com/docs/api/errors>), one page per code.
//!
//! | codes | outcome | why |
//! |---|---|---|
//! | 21610 | **gone** | the recipient has opted out (STOP), until they write START |
//! | 20429, 21611, 30001, 63017, 63018, 63038 | throttled | too fast, or a queue is full: not taken |
//! | 10001, 20001…20008, 20404, 30002 | **unavailable** | the account, its credentials or permissions |
//! | 21212, 21603, 21606, 21607, 21609, 21701…21705, 30032, 30034, 63007, 63020, 63051 | **unavailable** | our sender or callback, the same for every message |
//! | 21730 | **unavailable** | maintenance |
//! | 21211, 21265, 21266, 21408, 21604, 21608, 21612, 21614, 30003…30006, 63003, 63014, 63015, 63024, 63031…63033 | permanent | this recipient can't be reached by this channel |
//! | 21602, 21605, 21617…21620, 21654…21656, 30007, 63005, 63013, 63021, 63027…63030, 63040…63042 | permanent | this content can't be sent |
//! | 63016 | permanent | outside of WhatsApp's 24-hour window, where only templates may be sent |
//! | 63049 | permanent | WhatsApp chose not to deliver it; it says not to try again |
//!
//! | HTTP | outcome | why |
//! |---|---|---|
//! | 2xx | sent | also where the body can't be read: Twilio had the message |
//! | 3xx | **unavailable** | the base URL is another's; redirects aren't followed |
//! | 401, 402, 403, 404, 405, 407 | **unavailable** | credentials, balance, account, or something between |
//! | 408 | **unknown** | said by what stands between as well |
//! | 429 | throttled | refused before anything was done; `Retry-After` counts |
//! | other 4xx | permanent | |
//! | 5xx | **unknown** | Messages takes no idempotency key, and nothing says how far it came |
//! | no answer | **unknown** | it may have arrived |
//! | no connection | **unavailable** | nothing left |

use serde::Deserialize;

use super::{NAME, sender::is_sid};
use crate::{
    NotSent, SendOutcome,
    channels::http::{HttpError, HttpResponse},
    scrub,
};

/// What a known code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Permanent,
    Gone,
    Throttled,
    Unavailable,
}

/// The table of codes above.
const fn meaning(code: u32) -> Option<Meaning> {
    Some(match code {
        21610 => Meaning::Gone,
        20429 | 21611 | 30001 | 63017 | 63018 | 63038 => Meaning::Throttled,
        10001 | 20001..=20008 | 20404 | 30002 => Meaning::Unavailable,
        21212 | 21603 | 21606 | 21607 | 21609 | 21701..=21705 | 21730 => Meaning::Unavailable,
        30032 | 30034 | 63007 | 63020 | 63051 => Meaning::Unavailable,
        21211 | 21265 | 21266 | 21408 | 21604 | 21608 | 21612 | 21614 => Meaning::Permanent,
        30003..=30006 | 63003 | 63014 | 63015 | 63024 | 63031..=63033 => Meaning::Permanent,
        21602 | 21605 | 21617..=21620 | 21654..=21656 | 30007 => Meaning::Permanent,
        63005 | 63013 | 63016 | 63021 | 63027..=63030 | 63040..=63042 | 63049 => Meaning::Permanent,
        _ => return None,
    })
}

/// Whether the code says that its recipient's number must not be written to any more: they have opted out.
///
/// A number out of service (30005) or without a mobile phone behind it (30006) is not among them: networks say so of numbers
/// that work again the next day, and nobody could take it back.
#[must_use]
pub const fn is_gone(code: u32) -> bool {
    matches!(meaning(code), Some(Meaning::Gone))
}

/// What an error code says, in a few words, for those that come with a failed message in a status callback.
#[must_use]
pub const fn describe(code: u32) -> Option<&'static str> {
    Some(match code {
        21610 => "the recipient has opted out",
        30001 => "Twilio's queue was full",
        30002 => "the account is suspended",
        30003 => "the recipient's phone can't be reached",
        30004 => "the message is blocked for this recipient",
        30005 => "the recipient's number is unknown or out of service",
        30006 => "the recipient's number is a landline, or its network can't be reached",
        30007 => "filtered out as spam by Twilio or the network",
        30008 => "the network gave no reason",
        30032 | 30034 => "the sender is not registered for this country",
        63016 => "outside of the 24-hour window: it needs a template",
        63024 => "the recipient can't be reached on WhatsApp",
        63049 => "WhatsApp chose not to deliver it",
        _ => return None,
    })
}

/// How Twilio says no.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: Option<u32>,
    message: Option<String>,
}

/// What is read of a message that Twilio took.
#[derive(Debug, Deserialize)]
struct Taken {
    sid: Option<String>,
}

/// The tables above.
pub(super) fn classify(result: &Result<HttpResponse, HttpError>) -> SendOutcome {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ HttpError::Unknown(_)) => return unknown(error.to_string()),
        Err(error) => {
            let reason = format!("Twilio can't be reached: {error}");
            return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason });
        }
    };
    let status = answer.status;
    if status.is_success() {
        let taken = serde_json::from_slice::<Taken>(&answer.body).ok().and_then(|taken| taken.sid);
        let sid = taken.filter(|sid| is_sid(sid, "SM") || is_sid(sid, "MM"));
        return SendOutcome::Sent { provider: Some(NAME.into()), provider_id: sid };
    }
    let refusal = serde_json::from_slice::<Refusal>(&answer.body).unwrap_or(Refusal { code: None, message: None });
    let reason = reason(status.as_u16(), &refusal);
    let by_status = match status.as_u16() {
        300..=399 | 401..=405 | 407 => Meaning::Unavailable,
        429 => Meaning::Throttled,
        408 => return unknown(reason),
        400..=499 => Meaning::Permanent,
        _ => return unknown(reason),
    };
    let by_code = refusal.code.filter(|_| status.is_client_error() && status != 429).and_then(meaning);
    let after = answer.retry_after();
    SendOutcome::NotSent(match by_code.unwrap_or(by_status) {
        Meaning::Permanent => NotSent::Permanent { reason },
        Meaning::Gone => NotSent::Gone { reason },
        Meaning::Throttled => NotSent::Throttled { after, reason },
        Meaning::Unavailable => NotSent::Unavailable { after, reason },
    })
}

fn unknown(reason: String) -> SendOutcome {
    SendOutcome::Unknown { provider: Some(NAME.into()), reason }
}

/// What Twilio said, without personal data.
fn reason(status: u16, refusal: &Refusal) -> String {
    let said = refusal.message.as_deref().map(scrub).unwrap_or_default();
    let hint = match refusal.code {
        Some(63016) => ": outside of the 24-hour window, where WhatsApp takes templates only",
        _ => "",
    };
    match refusal.code {
        Some(code) => format!("Twilio refused it with {code} (HTTP {status}){hint}: {said}"),
        None => format!("Twilio answered with HTTP {status} {said}").trim_end().to_owned(),
    }
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
        answer(status, &format!(r#"{{"code":{code},"message":"no","more_info":"https://x","status":{status}}}"#))
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
    fn each_code_means_what_the_table_says() {
        for (expected, codes) in [
            ('G', &[21610][..]),
            ('W', &[20429, 21611, 30001, 63017, 63018, 63038]),
            ('D', &[10001, 20003, 20404, 21212, 21603, 21606, 21703, 21704, 21730, 30034, 63007]),
            ('P', &[21211, 21408, 21614, 21617, 30005, 30006, 63016, 63024, 63049]),
            // Not in the table: by its status.
            ('P', &[1, 99999]),
        ] {
            for &code in codes {
                assert_eq!(letter(&refused(400, code)), expected, "{code}");
            }
        }
    }

    #[test]
    fn each_status_means_what_the_table_says() {
        for (expected, statuses) in [
            ('S', &[200, 201, 202][..]),
            ('D', &[301, 302, 307, 401, 402, 403, 404, 405, 407]),
            ('W', &[429]),
            ('P', &[400, 409, 410, 413, 414, 415, 422, 451]),
            ('U', &[408, 500, 502, 503, 504, 599]),
        ] {
            for &status in statuses {
                assert_eq!(letter(&answer(status, "<html>")), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_code_does_not_overrule_a_status_that_says_more() {
        assert_eq!(letter(&refused(500, 21610)), 'U', "a 5xx is no refusal");
        assert_eq!(letter(&refused(429, 21211)), 'W', "a 429 was never looked at");
        assert_eq!(letter(&refused(401, 21610)), 'G');
    }

    #[test]
    fn a_message_that_was_taken_has_its_sid_if_that_can_be_read() {
        let sid = "SM0123456789abcdef0123456789abcdef";
        for (body, expected) in [
            (format!(r#"{{"sid":"{sid}","status":"queued"}}"#), Some(sid.to_owned())),
            (r#"{"sid":"<script>"}"#.to_owned(), None),
            (r#"{"sid":7}"#.to_owned(), None),
            (String::new(), None),
            ("<html>".to_owned(), None),
        ] {
            let sent = SendOutcome::Sent { provider: Some("twilio".into()), provider_id: expected };
            assert_eq!(answer(201, &body), sent, "{body}");
        }
    }

    #[test]
    fn who_asks_to_wait_is_heard() {
        for outcome in [refused(429, 20429), answer(429, "")] {
            let SendOutcome::NotSent(NotSent::Throttled { after, .. }) = outcome else { unreachable!("{outcome:?}") };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn the_reason_names_the_code_and_not_the_recipient() {
        let body = r#"{"code":21211,"message":"The 'To' number +4930123456 is not a valid phone number."}"#;
        let SendOutcome::NotSent(NotSent::Permanent { reason }) = answer(400, body) else { unreachable!() };
        assert!(reason.contains("21211") && !reason.contains("4930123456"), "{reason}");
        let SendOutcome::NotSent(NotSent::Permanent { reason }) = refused(400, 63016) else { unreachable!() };
        assert!(reason.contains("templates"), "{reason}");
    }

    #[test]
    fn without_a_connection_nothing_left_and_without_an_answer_nothing_is_known() {
        assert_eq!(letter(&classify(&Err(HttpError::NotSent("refused".into())))), 'D');
        assert_eq!(letter(&classify(&Err(HttpError::Invalid("no URL".into())))), 'D');
        assert_eq!(letter(&classify(&Err(HttpError::Unknown("reset".into())))), 'U');
    }

    #[test]
    fn only_an_opt_out_makes_an_address_useless() {
        assert!(is_gone(21610));
        assert!(![21211, 30003, 30005, 30006, 63016].into_iter().any(is_gone));
    }

    #[test]
    fn the_table_of_the_description_is_the_one_that_decides() {
        let decided = (0..70_000).filter_map(|code| Some((code, format!("{:?}", meaning(code)?).to_lowercase())));
        assert_eq!(decided.collect::<BTreeMap<_, _>>(), documented_codes(include_str!("classify.rs")));
    }
}
