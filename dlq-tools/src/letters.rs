//! Looking at dead letters.

use std::{io::Write, path::Path};

use comfy_table::{Table, presets};
use sendoff_embedded::{DeadLetter, Store};
use sendoff_events::AnyEnvelope;
use serde_json::{Value, json};

use crate::{Exit, Stopped, args::Output};

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
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            let queues: Vec<Value> = rows
                .iter()
                .map(|(queue, top)| {
                    json!({
                        "queue": queue.name, "visible": queue.depth.visible, "in_flight": queue.depth.in_flight,
                        "delayed": queue.depth.delayed, "dead": queue.depth.dead,
                        "top_reason": top.as_ref().map(|(reason, _)| reason),
                    })
                })
                .collect();
            writeln!(out, "{}", json!({ "queues": queues }))?;
        }
        Output::Table => {
            let mut table = plain(["queue", "visible", "in flight", "delayed", "dead", "top reason"]);
            for (queue, top) in &rows {
                let depth = queue.depth;
                let top = top.as_ref().map(|(reason, count)| format!("{reason} ({count})")).unwrap_or_default();
                let numbers = [depth.visible, depth.in_flight, depth.delayed, depth.dead].map(|n| n.to_string());
                table.add_row([queue.name.clone()].into_iter().chain(numbers).chain([top]));
            }
            print(&mut out, &table)?;
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
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            let letters: Vec<Value> = letters.iter().map(as_json).collect();
            writeln!(out, "{}", json!({ "dead_letters": letters }))?;
        }
        Output::Table => {
            let mut table = plain(["message", "event", "type", "reason", "attempts", "last failed", "error"]);
            for letter in &letters {
                let envelope = AnyEnvelope::decode(&letter.message.body).ok().map(|envelope| envelope.header);
                let header = |f: fn(&sendoff_events::Header) -> String| envelope.as_ref().map(f).unwrap_or_default();
                let (event, event_type) = (header(|h| h.id.to_string()), header(|h| h.event_type.to_string()));
                let row = match &letter.failure {
                    Some(f) => [f.reason.clone(), f.attempts.to_string(), f.last_at.to_string(), f.error.clone()],
                    None => ["unknown".into(), String::new(), String::new(), String::new()],
                };
                table.add_row([letter.message.message_id.clone(), event, event_type].into_iter().chain(row));
            }
            print(&mut out, &table)?;
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

fn plain<const N: usize>(heading: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(heading);
    table
}

fn print(out: &mut impl Write, table: &Table) -> std::io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}
