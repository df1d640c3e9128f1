//! Waiting for the ends, and counting them. Everything is read back: events and outcomes from the store, the timeline from
//! the API, the mail from where the mail server put it.

use sendoff_host::SystemClock;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_consumers::Consumer;
use sendoff_embedded::{EventSummary, Store};
use sendoff_events::{Clock as _, EventId, Timestamp};
use serde_json::Value;

use super::{
    client::Client,
    report::{DeadLetters, EventReport, OutcomeReport, Report, TimelineEntry},
    scenario::APPS,
};
use sendoff_embedded::program::Stopped;

use crate::cli::{
    outcome::{Outcome, State, of_event},
    trace::runs,
};

/// How long everything may take to come to its end before the demo tells what hasn't.
const PATIENCE: Duration = Duration::from_secs(60);

const TICK: Duration = Duration::from_millis(10);

/// Waits until every consumer has come to an end with every event that it subscribes to, and reports.
pub(super) async fn report(client: &Client, store: &Store, consumers: &[Arc<Consumer>]) -> Result<Report, Stopped> {
    let deadline = SystemClock.now() + PATIENCE;
    let (mut ends, mut lost) = (Vec::new(), 0);
    for &id in &client.events {
        let (event, outcomes) = end_of(id, store, consumers, deadline).await?;
        let accounted_for = event.as_ref().is_some_and(|event| is_settled(event, &outcomes, consumers));
        lost += usize::from(!accounted_for);
        ends.extend(event.map(|event| (event, outcomes)));
    }
    let mut report = Report {
        events: ends.iter().map(|(event, outcomes)| event_report(event, outcomes)).collect(),
        mails: Vec::new(),
        dead_letters: dead_letters(&ends),
        lost,
        requests: client.changes,
        runs: Vec::new(),
        timeline: timeline(client, deadline).await?,
    };
    for (_, outcomes) in &ends {
        report.runs.extend(runs(store, outcomes).await?);
    }
    Ok(report)
}

type End = (EventSummary, Vec<Outcome>);

/// The event and its outcomes, once they are all ends, or as they stand at the deadline. No event if it isn't stored.
async fn end_of(
    id: EventId,
    store: &Store,
    consumers: &[Arc<Consumer>],
    deadline: Timestamp,
) -> Result<(Option<EventSummary>, Vec<Outcome>), Stopped> {
    loop {
        let event = store.event(id).await?.map(|found| found.summary);
        let outcomes = of_event(store, id).await?;
        let settled = event.as_ref().is_some_and(|event| is_settled(event, &outcomes, consumers));
        if settled || SystemClock.now() >= deadline {
            return Ok((event, outcomes));
        }
        SystemClock.sleep(TICK).await;
    }
}

/// Whether every consumer that subscribes to the event has come to an end with it.
fn is_settled(event: &EventSummary, outcomes: &[Outcome], consumers: &[Arc<Consumer>]) -> bool {
    let subscribes = |c: &&Arc<Consumer>| c.event_names().any(|name| name == event.event_type.name());
    consumers
        .iter()
        .filter(subscribes)
        .all(|consumer| outcomes.iter().any(|o| o.consumer == consumer.name() && o.state.is_settled()))
}

fn event_report(event: &EventSummary, outcomes: &[Outcome]) -> EventReport {
    let outcome = |o: &Outcome| OutcomeReport {
        consumer: o.consumer.clone(),
        outcome: o.state.word(),
        attempts: o.attempts,
        latency_ms: o.latency(event).map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        shown: o.state.to_string(),
    };
    EventReport { id: event.id, r#type: event.event_type.to_string(), outcomes: outcomes.iter().map(outcome).collect() }
}

fn dead_letters(ends: &[End]) -> Vec<DeadLetters> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for outcome in ends.iter().flat_map(|(_, outcomes)| outcomes) {
        if let State::DeadLettered(reason) = &outcome.state {
            *counts.entry((&outcome.consumer, reason)).or_default() += 1;
        }
    }
    let letters = |((consumer, reason), count): ((&str, &str), usize)| DeadLetters {
        consumer: consumer.to_owned(),
        reason: reason.to_owned(),
        count,
    };
    counts.into_iter().map(letters).collect()
}

/// The timelines of the apps, once they tell of every change that was made, or as they stand at the deadline.
async fn timeline(client: &Client, deadline: Timestamp) -> Result<Vec<TimelineEntry>, Stopped> {
    let mut entries = Vec::new();
    for app in APPS {
        let changes = client.app_changes.get(app).copied().unwrap_or(0);
        let items = loop {
            let page = client.read(&format!("/v1/apps/{app}/timeline")).await?;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            if items.len() >= changes || SystemClock.now() >= deadline {
                break items;
            }
            SystemClock.sleep(TICK).await;
        };
        entries.extend(items.iter().map(|item| entry(app, item)));
    }
    Ok(entries)
}

fn entry(app: &str, item: &Value) -> TimelineEntry {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    TimelineEntry { app: app.to_owned(), actor: text("actor"), action: text("action"), user: text("user_id") }
}
