//! Waiting for the ends, and counting them. Everything is read back: events and outcomes from the backend, the timeline from
//! the API, the mail from where the mail server put it.

use std::collections::BTreeMap;

use sendoff_consumers::RunStatus;
use sendoff_embedded::program::Stopped;
use sendoff_events::{Clock as _, EventId, Timestamp};
use sendoff_host::SystemClock;
use serde_json::Value;

use super::{
    client::Client,
    fate::{Fate, Ledger, Standing},
    report::{DeadLetters, EventReport, OutcomeReport, Report, TimelineEntry},
    scenario::APPS,
};
use crate::cli::{
    outcome::State,
    runs::{self, RunTold},
};

/// Waits until every consumer has come to an end with every event that it subscribes to, and reports.
pub(super) async fn report(client: &Client, ledger: &dyn Ledger) -> Result<Report, Stopped> {
    let wait = Wait { ledger, deadline: SystemClock.now() + ledger.pace().patience };
    let (mut fates, mut lost) = (Vec::new(), 0);
    for &id in &client.events {
        let fate = wait.fate(id).await?;
        lost += usize::from(!fate.as_ref().is_some_and(|fate| fate.is_settled(ledger.consumers())));
        fates.extend(fate);
    }
    Ok(Report {
        events: fates.iter().map(event_report).collect(),
        mails: Vec::new(),
        messages: Vec::new(),
        dead_letters: dead_letters(&fates),
        lost,
        requests: client.changes,
        timeline: wait.timeline(client).await?,
        runs: wait.runs(&fates).await?,
    })
}

/// Looks again and again until something has come to its end, or until the deadline: then it is told as it stands.
struct Wait<'a> {
    ledger: &'a dyn Ledger,
    deadline: Timestamp,
}

impl Wait<'_> {
    /// Whether it is worth looking again, after a pause.
    async fn again(&self) -> bool {
        let in_time = SystemClock.now() < self.deadline;
        if in_time {
            SystemClock.sleep(self.ledger.pace().tick).await;
        }
        in_time
    }

    async fn fate(&self, id: EventId) -> Result<Option<Fate>, Stopped> {
        loop {
            let fate = self.ledger.fate(id).await?;
            let settled = fate.as_ref().is_some_and(|fate| fate.is_settled(self.ledger.consumers()));
            if settled || !self.again().await {
                return Ok(fate);
            }
        }
    }

    /// The workflow runs that the consumers have started: a step that starts one records the run's name.
    async fn runs(&self, fates: &[Fate]) -> Result<Vec<RunTold>, Stopped> {
        let workflows = self.ledger.workflows();
        let mut found = Vec::new();
        for name in fates.iter().flat_map(|fate| &fate.standings).flat_map(|standing| &standing.told) {
            found.extend(loop {
                let told = runs::told(&*workflows, name).await?;
                let runs_on = told.as_ref().is_some_and(|told| told.run.status == RunStatus::Running);
                if !runs_on || !self.again().await {
                    break told;
                }
            });
        }
        Ok(found)
    }

    /// The timelines of the apps, once they tell of every change that was made.
    async fn timeline(&self, client: &Client) -> Result<Vec<TimelineEntry>, Stopped> {
        let mut entries = Vec::new();
        for app in APPS {
            let changes = client.app_changes.get(app).copied().unwrap_or(0);
            let items = loop {
                let page = client.read(&format!("/v1/apps/{app}/timeline")).await?;
                let items = page["items"].as_array().cloned().unwrap_or_default();
                if items.len() >= changes || !self.again().await {
                    break items;
                }
            };
            entries.extend(items.iter().map(|item| entry(app, item)));
        }
        Ok(entries)
    }
}

fn event_report(fate: &Fate) -> EventReport {
    let outcome = |s: &Standing| OutcomeReport {
        consumer: s.consumer.clone(),
        outcome: s.state.word(),
        attempts: s.attempts,
        latency_ms: s.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        shown: s.state.to_string(),
        steps: s.steps.clone(),
    };
    let outcomes = fate.standings.iter().map(outcome).collect();
    EventReport { id: fate.id, r#type: fate.event_type.to_string(), outcomes }
}

fn dead_letters(fates: &[Fate]) -> Vec<DeadLetters> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for standing in fates.iter().flat_map(|fate| &fate.standings) {
        if let State::DeadLettered(reason) = &standing.state {
            *counts.entry((&standing.consumer, reason)).or_default() += 1;
        }
    }
    let letters = |((consumer, reason), count): ((&str, &str), usize)| DeadLetters {
        consumer: consumer.to_owned(),
        reason: reason.to_owned(),
        count,
    };
    counts.into_iter().map(letters).collect()
}

fn entry(app: &str, item: &Value) -> TimelineEntry {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    TimelineEntry { app: app.to_owned(), actor: text("actor"), action: text("action"), user: text("user_id") }
}
