//! A letter in full, for people.

use std::fmt::Write as _;

use sendoff_embedded::program::print::{lines, one_line, word};
use sendoff_events::Timestamp;

use super::{counted, envelope, sha256, standing, steps};
use crate::{
    letter::{FailureFacts, LedgerFacts, Letter},
    redact::{Redact, outline},
};

/// Bodies that aren't JSON are shown up to here, in characters.
const BODY: usize = 4000;

/// The letter as text, each part under its name.
#[must_use]
pub fn full(letter: &Letter, lost_at: Option<Timestamp>, redact: &Redact) -> String {
    let mut text = format!("letter {}\n", one_line(&letter.message.message_id));
    head(&mut text, letter, lost_at, redact);
    if let Some(failure) = &letter.facts.failure {
        failed(&mut text, failure, redact);
    }
    row(&mut text, "ledger", standing(letter));
    if let Some(ledger) = &letter.ledger {
        recorded(&mut text, ledger, redact);
    }
    for (name, value) in &letter.message.attributes {
        // Told already, under "failed".
        if name != sendoff_consumers::FAILURE_ATTRIBUTE {
            row(&mut text, "attribute", format!("{} = {}", redact.name(name), redact.attribute(name, value)));
        }
    }
    content(&mut text, letter, redact);
    if let Some(edit) = &letter.edit {
        row(&mut text, "edited", format!("by {} at {}, as the new event {}", edit.by, edit.at, edit.event));
        for how in &edit.how {
            row(&mut text, "", redact.typed(how));
        }
        block(&mut text, &pretty(edit.body.as_bytes(), redact).unwrap_or_default());
    }
    text
}

fn head(text: &mut String, letter: &Letter, lost_at: Option<Timestamp>, redact: &Redact) {
    let Letter { message, facts, .. } = letter;
    if let Some(event) = &facts.event {
        row(text, "event", format!("{} {} of {}", event.r#type, event.id, redact.name(&event.tenant)));
        row(text, "subject", redact.name(&event.subject));
    }
    if let Some(why) = &facts.unreadable {
        row(text, "unreadable", redact.text(why));
    }
    row(text, "consumer", facts.consumer.as_deref().unwrap_or("unknown"));
    if let Some(claims) = &facts.claims {
        row(text, "", format!("but its failure claims consumer {claims}"));
    }
    row(text, "shape", word(&facts.shape));
    row(text, "group", redact.text(letter.fingerprint()));
    row(text, "lost", lost_at.map_or_else(|| "never".to_owned(), |at| at.to_string()));
    let counts = format!(
        "{} since {}, replayed {}",
        counted(message.receive_count, "time"),
        facts.first_sent_at,
        counted(facts.replays, "time")
    );
    row(text, "received", counts);
    if let Some(source) = &message.source {
        row(text, "from", source);
    }
    if let Some(group) = &message.group {
        row(text, "fifo group", redact.name(group));
    }
    if let Some(place) = &facts.claim_check {
        row(text, "claim check", place);
    }
}

fn failed(text: &mut String, failure: &FailureFacts, redact: &Redact) {
    let class = failure.class.map(|class| format!(" ({})", word(&class))).unwrap_or_default();
    let attempts = failure.attempts.map(|attempts| format!(", {}", counted(attempts, "attempt"))).unwrap_or_default();
    let from = failure.first_at.map(|at| format!(", from {at}")).unwrap_or_default();
    let to = failure.last_at.map(|at| format!(" to {at}")).unwrap_or_default();
    row(text, "failed", format!("{}{class}{attempts}{from}{to}", redact.text(&failure.reason)));
    row(text, "", redact.text(&failure.error));
}

fn recorded(text: &mut String, ledger: &LedgerFacts, redact: &Redact) {
    let doubt = if ledger.doubted { ", an effect may have happened" } else { "" };
    let LedgerFacts { attempts, replay, first_at, updated_at, .. } = ledger;
    row(
        text,
        "",
        format!("{} in replay {replay}, from {first_at} to {updated_at}{doubt}", counted(*attempts, "attempt")),
    );
    for (name, step) in steps(ledger, redact) {
        let doubted = if step.doubted { " (doubted)" } else { "" };
        let mut told = format!("step {name}: {}{doubted} at {}", word(&step.state), step.at);
        for (before, part) in [(" by ", &step.provider), (" as ", &step.provider_id)] {
            if let Some(part) = part {
                let _ = write!(told, "{before}{}", redact.name(part));
            }
        }
        if let Some(reason) = &step.reason {
            let _ = write!(told, ": {}", redact.text(reason));
        }
        row(text, "", told);
    }
    for attempt in &ledger.history {
        let (class, reason) = (word(&attempt.class), redact.text(&attempt.reason));
        row(text, "", format!("attempt until {}: {reason} ({class}): {}", attempt.at, redact.text(&attempt.error)));
    }
}

fn content(text: &mut String, letter: &Letter, redact: &Redact) {
    let body = &letter.message.body;
    row(text, "body", format!("{}, SHA-256 {}", counted(body.len() as u64, "byte"), sha256(body)));
    let shown = pretty(letter.content(), redact).unwrap_or_else(|| match std::str::from_utf8(letter.content()) {
        _ if redact.hides() => format!("looks like: {}", outline(letter.content())),
        Ok(whole) => {
            let mut start: String = whole.chars().take(BODY).collect();
            if start.len() < whole.len() {
                start.push_str("\n… (--output json shows all)");
            }
            start
        }
        Err(_) => format!("no text: {} (--output json shows it as base64)", outline(letter.content())),
    });
    block(text, &shown);
}

/// The envelope, laid out.
fn pretty(content: &[u8], redact: &Redact) -> Option<String> {
    serde_json::to_string_pretty(&envelope(content, redact)?).ok()
}

/// A line under a name.
fn row(text: &mut String, name: &str, value: impl AsRef<str>) {
    let _ = writeln!(text, "  {name:<12}{}", one_line(value.as_ref()));
}

fn block(text: &mut String, value: &str) {
    for line in lines(value).lines() {
        let _ = writeln!(text, "    {line}");
    }
}
