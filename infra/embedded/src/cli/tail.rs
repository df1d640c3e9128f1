//! `sendoff tail`: events and outcomes as they happen. It reads the data file, so it works beside a running server.

use std::{collections::BTreeMap, time::Duration};

use sendoff_embedded::{
    EventSummary, Store,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{Clock as _, EventId, Timestamp};
use sendoff_host::{Signals, SystemClock};
use serde::Serialize;

use super::{
    args::TableOrNdjson,
    outcome::{self, Outcome, State},
    reading,
};

/// How often it looks.
const TICK: Duration = Duration::from_millis(100);

/// How many events it reads at once, and how many of the latest it watches for outcomes when it starts.
const PAGE: u64 = 1000;

/// One thing that happened.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    /// `event` when it was committed, else what became of it.
    what: &'a str,
    event: EventId,
    r#type: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The error in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// An event that hasn't ended everywhere, and what was told of it: attempts that failed, and the end, by consumer.
struct Open {
    event: EventSummary,
    told: BTreeMap<String, (usize, bool)>,
}

struct Tail {
    store: Store,
    output: TableOrNdjson,
    /// What happened before isn't told.
    from: Timestamp,
    seq: u64,
    open: Vec<Open>,
}

pub(super) async fn run(config: &Config, since: Option<Duration>, output: TableOrNdjson) -> Result<Exit, Stopped> {
    let mut signals = Signals::listen().map_err(Stopped::failed)?;
    let store = reading::open(config)?;
    let from = SystemClock.now().saturating_sub(since.unwrap_or_default()).map_err(Stopped::failed)?;
    let seq = start(&store, from).await?;
    let mut tail = Tail { store, output, from, seq, open: Vec::new() };
    if output == TableOrNdjson::Table {
        print::prose("following; Ctrl-C ends it");
    }
    loop {
        tail.look().await?;
        tokio::select! {
            _ = signals.next() => return Ok(Exit::Done),
            () = SystemClock.sleep(TICK) => {}
        }
    }
}

/// The place after which events have to be watched: those committed since `from`, and the latest ones before, whose outcomes
/// may still come.
async fn start(store: &Store, from: Timestamp) -> Result<u64, Stopped> {
    let mut seq = store.last_event().await?.saturating_sub(PAGE);
    while seq > 0 {
        let first = store.events(seq, 1).await?;
        if first.first().is_none_or(|event| event.committed_at < from) {
            break;
        }
        seq = seq.saturating_sub(PAGE);
    }
    Ok(seq)
}

impl Tail {
    /// Tells everything that has happened since it looked last.
    async fn look(&mut self) -> Result<(), Stopped> {
        loop {
            let page = self.store.events(self.seq, PAGE as usize).await?;
            let Some(last) = page.last() else { break };
            self.seq = last.seq;
            for event in page {
                if event.committed_at >= self.from {
                    self.committed(&event)?;
                }
                self.open.push(Open { event, told: BTreeMap::new() });
            }
        }
        let mut still_open = Vec::new();
        for mut open in std::mem::take(&mut self.open) {
            let outcomes = outcome::of_event(&self.store, open.event.id).await?;
            for outcome in &outcomes {
                self.news(&mut open, outcome)?;
            }
            if outcomes.iter().any(|outcome| !outcome.state.is_settled()) {
                still_open.push(open);
            }
        }
        self.open = still_open;
        Ok(())
    }

    fn committed(&self, event: &EventSummary) -> Result<(), Stopped> {
        self.tell(&Line {
            at: event.committed_at,
            what: "event",
            event: event.id,
            r#type: &event.event_type,
            subject: &event.subject,
            consumer: None,
            attempts: None,
            latency_ms: None,
            reason: None,
            error: None,
        })
    }

    /// Tells what is new about an event at one consumer.
    fn news(&self, open: &mut Open, outcome: &Outcome) -> Result<(), Stopped> {
        let (told_failures, told_end) = open.told.entry(outcome.consumer.clone()).or_default();
        let event = &open.event;
        let line = |at, what, reason, error| Line {
            at,
            what,
            event: event.id,
            r#type: &event.event_type,
            subject: &event.subject,
            consumer: Some(&outcome.consumer),
            attempts: Some(outcome.attempts),
            latency_ms: None,
            reason,
            error,
        };
        let history = outcome.record.as_ref().map_or(&[][..], |record| &record.history);
        if !outcome.state.is_settled() {
            for attempt in history.iter().skip(*told_failures).filter(|a| a.at >= self.from) {
                self.tell(&line(attempt.at, "failed", Some(&attempt.reason), Some(&attempt.error)))?;
            }
            *told_failures = history.len();
        } else if !*told_end {
            *told_end = true;
            let at = outcome.at.unwrap_or(event.committed_at);
            if at >= self.from {
                let (reason, error) = match &outcome.state {
                    State::DeadLettered(reason) => (Some(reason.as_str()), history.last().map(|last| &*last.error)),
                    _ => (None, None),
                };
                let latency_ms = outcome.latency(event).map(|latency| latency.as_millis());
                self.tell(&Line { latency_ms, ..line(at, outcome.state.word(), reason, error) })?;
            }
        }
        Ok(())
    }

    fn tell(&self, line: &Line<'_>) -> Result<(), Stopped> {
        match self.output {
            TableOrNdjson::Ndjson => print::json_line(line)?,
            TableOrNdjson::Table => {
                let consumer = line.consumer.unwrap_or("-");
                let why = [line.reason, line.error].into_iter().flatten();
                let what = [line.what].into_iter().chain(why).collect::<Vec<_>>().join(": ");
                let latency = line.latency_ms.map_or_else(String::new, |ms| format!("  {ms}ms"));
                print::data(format_args!(
                    "{at:.3}  {id}  {kind:<22}  {consumer:<18}  {what}{latency}\n",
                    at = line.at,
                    id = line.event,
                    kind = print::one_line(line.r#type),
                ))?;
            }
        }
        Ok(())
    }
}
