//! Looking at dead letters.

use std::path::Path;

use sendoff_consumers::Depth;
use sendoff_embedded::{
    DeadLetter, QueueInfo, Store,
    program::{Exit, Stopped, print},
};
use sendoff_events::{AnyEnvelope, Header};
use serde_json::{Value, json};

use crate::args::Output;

/// How many dead letters are read at a time.
const PAGE: usize = 500;

/// All queues with their dead letters.
pub(crate) async fn ls(data: &Path, output: Output) -> Result<Exit, Stopped> {
    let store = Store::open_read_only(data)?;
    let mut rows = Vec::new();
    for queue in store.queues().await? {
        let reasons = store.failures(queue.name.trim_end_matches("-dlq")).await?;
        let top = reasons.first().map(|r| (r.reason.clone().unwrap_or_else(|| "unknown".into()), r.count));
        rows.push((queue, top));
    }
    match output {
        Output::Json => {
            let queue = |(queue, top): &(QueueInfo, Option<(String, u64)>)| {
                let Depth { visible, in_flight, delayed, dead } = queue.depth;
                let top = top.as_ref().map(|(reason, _)| reason);
                json!({
                    "queue": queue.name, "visible": visible, "in_flight": in_flight, "delayed": delayed, "dead": dead,
                    "top_reason": top,
                })
            };
            print::json_line(&json!({ "queues": rows.iter().map(queue).collect::<Vec<_>>() }))?;
        }
        Output::Table => {
            let row = |(queue, top): &(QueueInfo, Option<(String, u64)>)| {
                let Depth { visible, in_flight, delayed, dead } = queue.depth;
                let [visible, in_flight, delayed, dead] = [visible, in_flight, delayed, dead].map(|n| n.to_string());
                let top = top.as_ref().map(|(reason, count)| format!("{reason} ({count})")).unwrap_or_default();
                [queue.name.clone(), visible, in_flight, delayed, dead, top]
            };
            let heading = ["QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "DEAD", "TOP REASON"];
            print::data(print::table(heading, rows.iter().map(row)))?;
        }
    }
    Ok(Exit::Done)
}

/// The dead letters of one queue.
pub(crate) async fn show(
    data: &Path,
    queue: &str,
    reason: Option<&str>,
    limit: usize,
    output: Output,
) -> Result<Exit, Stopped> {
    let store = Store::open_read_only(data)?;
    let letters = select(&store, queue, reason, limit).await?;
    match output {
        Output::Json => {
            let letters: Vec<Value> = letters.iter().map(as_json).collect();
            print::json_line(&json!({ "dead_letters": letters }))?;
        }
        Output::Table => {
            let heading = ["MESSAGE", "EVENT", "TYPE", "REASON", "ATTEMPTS", "LAST FAILED", "ERROR"];
            print::data(print::table(heading, letters.iter().map(as_row)))?;
        }
    }
    Ok(if letters.is_empty() { Exit::NothingMatched } else { Exit::Done })
}

/// The dead letters with this reason, or all, at most `limit`.
pub(crate) async fn select(
    store: &Store,
    queue: &str,
    reason: Option<&str>,
    limit: usize,
) -> Result<Vec<DeadLetter>, Stopped> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    while found.len() < limit {
        let page = store.dead_letters(queue, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.message.message_id.clone());
        let fits = |letter: &DeadLetter| {
            reason.is_none_or(|wanted| letter.failure.as_ref().is_some_and(|failure| failure.reason == wanted))
        };
        found.extend(page.into_iter().filter(fits));
    }
    found.truncate(limit);
    Ok(found)
}

/// The context of a dead letter and its failure. Not its data, which may be personal.
fn as_json(letter: &DeadLetter) -> Value {
    let envelope = AnyEnvelope::decode(&letter.message.body).ok();
    let event = envelope.map(|e| {
        let header = e.header;
        json!({ "id": header.id, "type": header.event_type, "tenant": header.tenant, "subject": header.subject })
    });
    json!({
        "message_id": letter.message.message_id, "receive_count": letter.message.receive_count,
        "sent_at": letter.message.sent_at, "event": event, "failure": letter.failure,
    })
}

fn as_row(letter: &DeadLetter) -> [String; 7] {
    let header = AnyEnvelope::decode(&letter.message.body).ok().map(|envelope| envelope.header);
    let of_event = |f: fn(&Header) -> String| header.as_ref().map(f).unwrap_or_default();
    let (reason, attempts, last_at, error) = match &letter.failure {
        Some(f) => (f.reason.clone(), f.attempts.to_string(), f.last_at.to_string(), f.error.clone()),
        None => ("unknown".into(), String::new(), String::new(), String::new()),
    };
    let (event, event_type) = (of_event(|h| h.id.to_string()), of_event(|h| h.event_type.to_string()));
    [letter.message.message_id.clone(), event, event_type, reason, attempts, last_at, error]
}
