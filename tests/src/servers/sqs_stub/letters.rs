//! The letters, each made from its number.

use std::io;

use sendoff_consumers::{Class, Failure};
use sendoff_events::{AppAssigned, Clock as _, Envelope, Origin, Timestamp};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::json;

use super::Stocked;

/// Stands for the number in what letters are made from. No JSON escapes it.
const MARK: &str = "@NUMBER@";
/// What every event id begins with; the number follows, in twelve hexadecimal digits.
const EVENT: &str = "01980000-0000-7000-8000-";
/// The same of message ids.
const MESSAGE: &str = "5fea7756-0ea4-451a-a703-";
/// Letters of a receipt handle beside the numbers in it.
const RECEIPT: usize = 150;
/// Bytes of each event's body, roughly.
const BODY: usize = 1024;

/// What letters are made from.
pub(super) struct Letters {
    /// The event of a letter, in pieces between which its number stands.
    message: Vec<String>,
    /// The same of its inbox record.
    record: Vec<String>,
    receipt: String,
    /// When the first of them was put into its queue, in milliseconds.
    first: i64,
}

impl Letters {
    pub(super) fn new() -> io::Result<Self> {
        let now = SystemClock.now();
        let first = now - std::time::Duration::from_secs(24 * 3600);
        let body = body(&format!("{EVENT}{MARK}")).map_err(io::Error::other)?;
        let failure = failure(first).to_attribute();
        let failure = failure.trim_end_matches('}');
        let failure = format!(r#"{failure},"sent_at":"{first}","message_id":"{MESSAGE}{MARK}"}}"#);
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let message = json!({
            "MessageId": format!("{MESSAGE}{MARK}"),
            "MD5OfBody": "fafb00f5732ab283681e124bf8747ed1",
            "Body": body,
            "MD5OfMessageAttributes": "295c5fa15a51aae6884d1d7c1d99ca50",
            "MessageAttributes": { "type": text("app.assigned.v1"), "tenant": text("bench"), "failure": text(&failure) },
        });
        let record = json!({
            "id": { "S": format!("{}/{EVENT}{MARK}", Stocked::CONSUMER) },
            "status": { "S": "INPROGRESS" },
            "validation": { "S": "0".repeat(64) },
            "fence": { "N": "4611686018427387904" },
            "revision": { "N": "12" },
            "state": { "S": "failed" },
            "lease_until": { "N": first.as_millisecond().to_string() },
            "attempts": { "N": "5" },
            "replay": { "N": "0" },
            "history": { "S": history(first) },
            "first_at": { "N": first.as_millisecond().to_string() },
            "updated_at": { "N": first.as_millisecond().to_string() },
            "expires_at": { "N": (now.as_millisecond() + 80 * 86_400_000).to_string() },
            "expiration": { "N": (now.as_second() + 80 * 86_400).to_string() },
        });
        let pieces = |value: &serde_json::Value| value.to_string().split(MARK).map(str::to_owned).collect();
        Ok(Self {
            message: pieces(&message),
            record: pieces(&record),
            receipt: "A".repeat(RECEIPT),
            first: first.as_millisecond(),
        })
    }

    /// Writes the message as SQS gives it out, with a receipt that names this lease of it, and of the system attributes those two that
    /// everybody asks for.
    pub(super) fn write(&self, out: &mut String, number: u64, lease: u32, received: u32) {
        write_pieces(out, &self.message, number);
        // The pieces end with the brace.
        out.pop();
        let sent = self.first + i64::try_from(number).unwrap_or_default();
        out.push_str(&format!(
            r#","ReceiptHandle":"{number}-{lease}-{}","Attributes":{{"ApproximateReceiveCount":"{received}","SentTimestamp":"{sent}"}}}}"#,
            self.receipt
        ));
    }

    /// Writes the inbox record of the letter's event as DynamoDB gives it out.
    pub(super) fn write_record(&self, out: &mut String, number: u64) {
        write_pieces(out, &self.record, number);
    }
}

fn write_pieces(out: &mut String, pieces: &[String], number: u64) {
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            out.push_str(&format!("{number:012x}"));
        }
        out.push_str(piece);
    }
}

/// The number of the letter whose event this text names first.
pub(super) fn number_in(text: &str) -> Option<u64> {
    let digits = text.split_once(EVENT)?.1.get(..12)?;
    u64::from_str_radix(digits, 16).ok()
}

/// The number of the letter and the lease that a receipt names.
pub(super) fn named(receipt: &str) -> Option<(u64, u32)> {
    let mut parts = receipt.splitn(3, '-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn failure(at: Timestamp) -> Failure {
    let error = "the template `welcome` has no field `app_name` in the locale `de`".to_owned();
    Failure {
        reason: "bad-template".into(),
        class: Class::Rejected,
        fingerprint: "bad-template-3f2a90cd".into(),
        consumer: Stocked::CONSUMER.into(),
        attempts: 5,
        first_at: at,
        last_at: at,
        error,
    }
}

fn history(at: Timestamp) -> String {
    let attempt = json!({
        "at": at, "class": "rejected", "reason": "bad-template", "fingerprint": "bad-template-3f2a90cd",
        "error": "the template `welcome` has no field `app_name` in the locale `de`",
    });
    json!([attempt]).to_string()
}

/// An envelope with this id, of about [`BODY`] bytes.
fn body(id: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let data = AppAssigned { app_id: "bench".parse()?, user_id: "ada".parse()?, assigned_by: "grace".parse()? };
    let origin = Origin {
        source: "/bench".into(),
        tenant: "bench".parse()?,
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let event = Envelope::new(data, origin, Some(1), &SystemClock, &SystemRng::new()).encode()?;
    // Each tells of a record of its own, as those of a real outage would.
    let user = format!("ada-{MARK}\"");
    let text = std::str::from_utf8(event.body())?.replace(&event.id().to_string(), id).replace("ada\"", &user);
    let filled = format!(r#""note":"{}","#, "x".repeat(BODY.saturating_sub(text.len())));
    Ok(text.replacen(r#""data":{"#, &format!(r#""data":{{{filled}"#), 1))
}
