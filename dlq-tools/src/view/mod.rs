//! A letter as it is shown: in a line, as JSON, and in full for people. All of them hide what [`Redact`] hides.

mod full;
mod line;

use base64::{Engine as _, engine::general_purpose::STANDARD};
pub use full::full;
pub use line::{HEADING, Line};
use sendoff_embedded::program::print::{one_line, word};
use sendoff_events::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    letter::{LedgerFacts, Letter},
    redact::{Redact, outline},
};

/// The ledger's word for where a letter stands: `none` when there is no record.
#[must_use]
pub fn standing(letter: &Letter) -> String {
    letter.ledger.as_ref().map_or_else(|| "none".to_owned(), |ledger| word(&ledger.status))
}

/// A moment as tables show it: to the second.
#[must_use]
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When the broker forgets a letter, as tables show it.
#[must_use]
pub fn loss(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), second)
}

/// A text on one line of at most so many characters: its beginning and its end, where the cause of an error stands.
#[must_use]
pub fn short(text: &str, most: usize) -> String {
    let line: Vec<char> = one_line(text).chars().collect();
    if line.len() <= most {
        return line.into_iter().collect();
    }
    let end = most / 2;
    let begin = most.saturating_sub(end + 1);
    line[..begin].iter().chain(['…'].iter()).chain(&line[line.len() - end..]).collect()
}

/// `1 attempt`, `2 attempts`.
#[must_use]
pub fn counted(count: impl Into<u64>, what: &str) -> String {
    match count.into() {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// All that is known of a letter, and the letter itself.
#[must_use]
pub fn json(letter: &Letter, lost_at: Option<Timestamp>, redact: &Redact) -> Value {
    let Letter { message, facts, ledger, edit, .. } = letter;
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|(name, value)| (redact.name(name).into_owned(), redact.attribute(name, value).into()))
        .collect();
    let failure = facts.failure.as_ref().map(|failure| {
        json!({
            "reason": redact.text(&failure.reason), "class": failure.class, "fingerprint": redact.text(&failure.fingerprint),
            "attempts": failure.attempts, "first_at": failure.first_at, "last_at": failure.last_at,
            "error": redact.text(&failure.error),
        })
    });
    let edit = edit.as_ref().map(|edit| {
        let how: Vec<_> = edit.how.iter().map(|how| redact.typed(how)).collect();
        json!({
            "event": edit.event, "by": edit.by, "at": edit.at, "how": how,
            "envelope": envelope(edit.body.as_bytes(), redact),
        })
    });
    json!({
        "message_id": message.message_id,
        "shape": facts.shape,
        "consumer": facts.consumer,
        "group": redact.text(letter.fingerprint()),
        "receive_count": message.receive_count,
        "replays": facts.replays,
        "enqueued_at": message.enqueued_at,
        "first_sent_at": facts.first_sent_at,
        "lost_at": lost_at,
        "message_group": message.group.as_deref().map(|group| redact.name(group)),
        "source": message.source,
        "attributes": attributes,
        "types": message.types,
        "claim_check": facts.claim_check,
        "failure": failure,
        "ledger": ledger.as_ref().map(|facts| ledger_json(facts, redact)),
        "edit": edit,
        "unreadable": facts.unreadable.as_deref().map(|why| redact.text(why)),
        "envelope": envelope(letter.content(), redact),
        "body": body(letter, redact),
    })
}

/// The envelope; `None` when the content isn't a JSON object.
fn envelope(content: &[u8], redact: &Redact) -> Option<Value> {
    let envelope: Value = serde_json::from_slice(content).ok()?;
    envelope.is_object().then(|| redact.envelope(envelope))
}

/// The body by its size and hash, and with what it holds where that isn't in the envelope already.
fn body(letter: &Letter, redact: &Redact) -> Value {
    let bytes = &letter.message.body;
    let mut body = json!({"size": bytes.len(), "sha256": sha256(bytes)});
    let is_in_the_envelope = letter.payload.is_none() && envelope(bytes, redact).is_some();
    if is_in_the_envelope {
        return body;
    }
    let (name, value) = match std::str::from_utf8(bytes) {
        _ if redact.hides() => ("outline", outline(bytes)),
        Ok(text) => ("text", text.to_owned()),
        Err(_) => ("base64", STANDARD.encode(bytes)),
    };
    body[name] = value.into();
    body
}

/// 64 hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn ledger_json(facts: &LedgerFacts, redact: &Redact) -> Value {
    let mut ledger = json!({
        "status": facts.status, "attempts": facts.attempts, "replay": facts.replay, "doubted": facts.doubted,
        "first_at": facts.first_at, "updated_at": facts.updated_at,
    });
    ledger["steps"] = steps(facts, redact)
        .into_iter()
        .map(|(name, step)| {
            let value = json!({
                "state": step.state, "doubted": step.doubted, "at": step.at, "provider": step.provider,
                "provider_id": step.provider_id.as_deref().map(|id| redact.name(id)),
                "reason": step.reason.as_deref().map(|reason| redact.text(reason)),
            });
            (name, value)
        })
        .collect::<Map<_, _>>()
        .into();
    ledger["history"] = facts
        .history
        .iter()
        .map(|attempt| {
            json!({
                "at": attempt.at, "class": attempt.class, "reason": redact.text(&attempt.reason),
                "fingerprint": redact.text(&attempt.fingerprint), "error": redact.text(&attempt.error),
            })
        })
        .collect();
    ledger
}

/// The steps by the names that may be shown. Those that are hidden are told apart by their number.
fn steps<'a>(facts: &'a LedgerFacts, redact: &Redact) -> Vec<(String, &'a sendoff_consumers::Step)> {
    let name = |(place, (name, step)): (usize, (&'a String, &'a sendoff_consumers::Step))| {
        let shown = redact.name(name);
        let shown = if shown == *name { shown.into_owned() } else { format!("<hidden step {}>", place + 1) };
        (shown, step)
    };
    facts.steps.iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_keeps_its_end() {
        assert_eq!(short("the provider\nfailed: no such user", 80), "the provider failed: no such user");
        let cut = short(&format!("request {} failed: no such user", "x".repeat(200)), 41);
        assert!(cut.starts_with("request xx") && cut.contains('…') && cut.ends_with("no such user"), "{cut}");
        assert_eq!(cut.chars().count(), 41);
    }

    #[test]
    fn moments_in_tables_have_one_precision() {
        assert_eq!(second("2026-11-26T03:00:00.123Z".parse().unwrap()), "2026-11-26T03:00:00Z");
        assert_eq!(loss(None), "never");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([1_u32, 2].map(|count| counted(count, "time")), ["1 time", "2 times"]);
    }
}
