//! What a failure means, by how far the mail had come and by what the server said.
//!
//! | stage | what happened | outcome | why |
//! |---|---|---|---|
//! | any | `421` | throttled | the server closes its doors for now (RFC 5321 § 3.8) |
//! | connect | all our connections are busy | throttled | our own limit |
//! | connect, TLS, AUTH | anything else | **unavailable** | an outage or a wrong configuration, the same for every mail |
//! | MAIL, RCPT, DATA, body | `530`, `534`, `535`, `538`, `5.7.8`, `5.7.9`, `5.7.11` | **unavailable** | authentication: configuration |
//! | MAIL | other `5xx` | **unavailable** | our own sender address is refused: configuration |
//! | MAIL, RCPT, DATA, body | `454`, `4.3.1`, `4.3.2`, `4.4.5`, `4.5.3` | throttled | too fast, or the server is overloaded |
//! | MAIL, RCPT, DATA, body | other `4xx` | transient | greylisting, a full mailbox, a lock |
//! | RCPT | `5xx` with `5.1.1`, `5.1.10` | gone | there is no such mailbox, or its domain takes no mail (RFC 3463 § 3.2, RFC 7505 § 4.2) |
//! | RCPT, DATA, body | other `5xx` | permanent | refused content, or a refusal that may pass |
//! | MAIL, RCPT, DATA | lost, timed out, unreadable reply | transient | without the final dot a server must not deliver (RFC 5321 § 4.1.1.4) |
//! | body | lost, timed out, unreadable reply | **unknown** | the server may have taken it |
//!
//! *Body* begins with the first byte after the reply to DATA. All but *unknown* mean that the mail was definitely not sent.
//! Throttled mails wait and use up no attempt; so do those that find the server unavailable, and their consumer pauses.

use std::{fmt, time::Duration};

use lettre::transport::smtp::Error;

use crate::{NotSent, SendOutcome};

/// How far a mail had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Tls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Body,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server said no.
    Reply { code: u16, text: String },
    /// The connection broke, or what came over it was no SMTP.
    Lost(String),
    /// The server didn't answer within this time.
    TimedOut(Duration),
    /// We stopped by ourselves.
    Declined(String),
    /// All our connections are in use.
    Busy,
}

/// A mail that didn't go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) fault: Fault,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        let text = || std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => Self::Reply { code: code.into(), text: text() },
            None if error.is_client() => Self::Declined(text()),
            None => Self::Lost(error.to_string()),
        }
    }
}

impl Failure {
    /// Whether the connection can't be used any more.
    pub(super) const fn is_end_of_session(&self) -> bool {
        match self.fault {
            Fault::Reply { code, .. } => code == 421,
            Fault::Lost(_) | Fault::TimedOut(_) | Fault::Declined(_) | Fault::Busy => true,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = match self.stage {
            Stage::Connect => "connecting",
            Stage::Tls => "starting TLS",
            Stage::Auth => "logging in",
            Stage::Mail => "naming the sender",
            Stage::Rcpt => "naming the recipient",
            Stage::Data => "offering the message",
            Stage::Body => "handing over the message",
        };
        match &self.fault {
            Fault::Reply { code, text } => write!(f, "while {doing}, the mail server said {code} {text}"),
            Fault::Lost(why) => write!(f, "while {doing}, the mail server was lost: {why}"),
            Fault::TimedOut(after) => write!(f, "while {doing}, the mail server didn't answer within {after:?}"),
            Fault::Declined(why) => write!(f, "while {doing}: {why}"),
            Fault::Busy => f.write_str("all connections to the mail server are busy"),
        }
    }
}

/// The table above.
pub(super) fn classify(failure: &Failure) -> SendOutcome {
    let reason = failure.to_string();
    let unavailable = |reason| SendOutcome::NotSent(NotSent::Unavailable { after: None, reason });
    let throttled = |reason| SendOutcome::NotSent(NotSent::Throttled { after: None, reason });
    let transient = |reason| SendOutcome::NotSent(NotSent::Transient { reason });
    let permanent = |reason| SendOutcome::NotSent(NotSent::Permanent { reason });
    match (failure.stage, &failure.fault) {
        (_, Fault::Reply { code: 421, .. } | Fault::Busy) => throttled(reason),
        (Stage::Connect | Stage::Tls | Stage::Auth, _) => unavailable(reason),
        (_, Fault::Reply { code: 530 | 534 | 535 | 538, .. }) => unavailable(reason),
        (_, Fault::Reply { code: 454, .. }) => throttled(reason),
        (stage, Fault::Reply { code, text }) => match enhanced(text) {
            Some("5.7.8" | "5.7.9" | "5.7.11") => unavailable(reason),
            Some("4.3.1" | "4.3.2" | "4.4.5" | "4.5.3") => throttled(reason),
            _ if *code < 500 => transient(reason),
            Some("5.1.1" | "5.1.10") if stage == Stage::Rcpt => SendOutcome::NotSent(NotSent::Gone { reason }),
            _ if stage == Stage::Mail => unavailable(reason),
            _ => permanent(reason),
        },
        (Stage::Body, Fault::Lost(_) | Fault::TimedOut(_)) => {
            SendOutcome::Unknown { provider: Some(super::smtp::NAME.into()), reason }
        }
        (_, Fault::Lost(_) | Fault::TimedOut(_)) => transient(reason),
        (_, Fault::Declined(_)) => permanent(reason),
    }
}

/// The enhanced status code (RFC 3463) that a reply begins with: `5.1.1`.
fn enhanced(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.split('.');
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (parts.by_ref().take(3).filter(|part| number(part)).count() == 3 && parts.next().is_none()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per outcome: P(ermanent), G(one), T(ransient), W(ait: throttled), D(own: unavailable), U(nknown).
    fn letter(stage: Stage, fault: Fault) -> char {
        match classify(&Failure { stage, fault }) {
            SendOutcome::NotSent(NotSent::Permanent { .. }) => 'P',
            SendOutcome::NotSent(NotSent::Gone { .. }) => 'G',
            SendOutcome::NotSent(NotSent::Transient { .. }) => 'T',
            SendOutcome::NotSent(NotSent::Throttled { .. }) => 'W',
            SendOutcome::NotSent(NotSent::Unavailable { .. }) => 'D',
            SendOutcome::Unknown { .. } => 'U',
            other => unreachable!("a failure was taken for {other:?}"),
        }
    }

    #[test]
    fn each_reply_at_each_stage_means_what_the_table_says() {
        const STAGES: [Stage; 7] =
            [Stage::Connect, Stage::Tls, Stage::Auth, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body];
        for (code, text, expected) in [
            (421, "4.7.0 too many connections", "WWWWWWW"),
            (530, "5.7.0 authentication required", "DDDDDDD"),
            (534, "5.7.9 mechanism too weak", "DDDDDDD"),
            (535, "5.7.8 bad credentials", "DDDDDDD"),
            (538, "5.7.11 encryption required", "DDDDDDD"),
            (550, "5.7.8 log in first", "DDDDDDD"),
            (454, "Throttling failure: maximum sending rate exceeded", "DDDWWWW"),
            (452, "4.3.1 insufficient storage", "DDDWWWW"),
            (451, "4.3.2 not accepting messages", "DDDWWWW"),
            (451, "4.4.5 congestion", "DDDWWWW"),
            (452, "4.5.3 too many recipients", "DDDWWWW"),
            (450, "4.2.0 greylisted, come back later", "DDDTTTT"),
            (451, "4.2.2 mailbox full", "DDDTTTT"),
            (451, "local error", "DDDTTTT"),
            (550, "5.1.1 no such user", "DDDDGPP"),
            (556, "5.1.10 recipient address has null MX", "DDDDGPP"),
            (550, "no such user", "DDDDPPP"),
            (550, "5.1.0 address rejected", "DDDDPPP"),
            (550, "5.1.2 no such domain", "DDDDPPP"),
            (550, "5.1.6 mailbox has moved", "DDDDPPP"),
            (550, "5.7.1 relaying denied", "DDDDPPP"),
            (450, "5.1.1 no such user, perhaps", "DDDTTTT"),
            (552, "5.2.2 mailbox full for good", "DDDDPPP"),
            (554, "5.7.1 looks like spam", "DDDDPPP"),
            (503, "bad sequence", "DDDDPPP"),
        ] {
            let found: String =
                STAGES.iter().map(|&stage| letter(stage, Fault::Reply { code, text: text.into() })).collect();
            assert_eq!(found, expected, "{code} {text}");
        }
        let lost: String = STAGES.iter().map(|&stage| letter(stage, Fault::Lost("reset".into()))).collect();
        assert_eq!(lost, "DDDTTTU");
        let late: String = STAGES.iter().map(|&stage| letter(stage, Fault::TimedOut(Duration::ZERO))).collect();
        assert_eq!(late, "DDDTTTU");
    }

    #[test]
    fn an_enhanced_code_is_three_numbers_and_nothing_else() {
        assert_eq!(enhanced("5.1.1 no such user"), Some("5.1.1"));
        for text in ["", "no", "5.1 x", "5.1.1.1 x", "5.x.1", "127.0.0.1 refused", "5.1234.1"] {
            assert_eq!(enhanced(text), None, "{text}");
        }
    }
}
