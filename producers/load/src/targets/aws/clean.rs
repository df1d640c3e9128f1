//! Taking away what a run has left: by the ids that its report knows, by its tenants, and among messages and dead letters by what
//! they say. Sinks tell nothing of deliveries, so none of those are recorded.

use std::{fs, io, path::Path};

use sendoff_consumers::Receipt;
use sendoff_events::{EventId, TenantId};
use sendoff_producers::{
    api::TIMELINE,
    model::{App, Assignment, Stored as _, Submission, User},
};
use serde::Deserialize;

use super::{
    OnAws, distinct,
    letters::{dead, each},
};
use crate::{
    RunId,
    target::{Cleaned, TargetError},
};

/// How many events are taken away in one step.
const STEP: usize = 1000;

/// So many tenants in a row without anything left, and there are no more.
const GAP: u64 = 20;

/// A line of the list of what was accepted.
#[derive(Deserialize)]
struct Line {
    number: u64,
    event: EventId,
}

impl OnAws {
    pub(super) async fn remove(&self, run: &RunId, dry: bool) -> Result<Cleaned, TargetError> {
        self.is_where_it_may().await?;
        let failed = |e: sendoff_aws::CallError| TargetError::unreachable("cleaning up after the run", e);
        let (lines, consumers) = (accepted(&self.runs.join(run.as_str()))?, self.consumers().await?);
        let mut cleaned = Cleaned::new();
        let events = distinct(lines.iter().map(|line| line.event));
        for some in events.chunks(STEP) {
            add(&mut cleaned, self.store.clear_events(some, &consumers, dry).await.map_err(failed)?);
            add(&mut cleaned, [("payloads", self.store.clear_payloads(some, dry).await.map_err(failed)?)]);
        }
        let requests: Vec<String> = distinct(lines.iter().map(|line| run.correlation(line.number)));
        let (mut number, mut empty) = (0, 0);
        while empty < GAP {
            let tenant = run.tenant(number).map_err(|e| TargetError::unusable("naming the run's tenants", e))?;
            let gone = self.tenant(&tenant, &requests, dry).await.map_err(failed)?;
            empty = if gone.values().all(|rows| *rows == 0) { empty + 1 } else { 0 };
            add(&mut cleaned, gone);
            number += 1;
        }
        let letters: Vec<String> = consumers.iter().map(|consumer| dead(consumer)).collect();
        // To look at what waits counts as a receive of each message, also of those that aren't the run's.
        let mut messages = consumers;
        messages.retain(|consumer| self.permit.queue(consumer));
        for (kind, queues) in [("dead letters", letters), ("messages", messages)] {
            let removed = each(queues, |queue| async move { self.remove_letters(run, &queue, dry).await }).await?;
            add(&mut cleaned, [(kind, removed.into_iter().sum())]);
        }
        cleaned.retain(|_, rows| *rows > 0);
        Ok(cleaned)
    }

    async fn tenant(
        &self,
        tenant: &TenantId,
        requests: &[String],
        dry: bool,
    ) -> Result<sendoff_aws::Cleared, sendoff_aws::CallError> {
        let collections = [User::COLLECTION, App::COLLECTION, Assignment::COLLECTION, Submission::COLLECTION, TIMELINE];
        self.store.clear_tenant(tenant, &collections, requests, dry).await
    }

    async fn remove_letters(&self, run: &RunId, queue: &str, dry: bool) -> Result<u64, TargetError> {
        let (own, others): (Vec<_>, Vec<_>) = self.take(queue).await?.into_iter().partition(|letter| letter.is_of(run));
        let receipts = |letters: Vec<super::letters::Letter>| -> Vec<Receipt> {
            letters.into_iter().map(|letter| letter.receipt).collect()
        };
        let (own, others) = (receipts(own), receipts(others));
        self.give_back(queue, &others).await;
        if dry {
            self.give_back(queue, &own).await;
            return Ok(own.len() as u64);
        }
        let deleted = self.ways.letters.delete(queue, &own).await;
        Ok(deleted.iter().filter(|deleted| deleted.is_ok()).count() as u64)
    }
}

fn add<K: Into<String>>(cleaned: &mut Cleaned, more: impl IntoIterator<Item = (K, u64)>) {
    for (kind, rows) in more {
        *cleaned.entry(kind.into()).or_default() += rows;
    }
}

/// What the run's folder says was accepted.
fn accepted(folder: &Path) -> Result<Vec<Line>, TargetError> {
    let file = folder.join("events.ndjson");
    let wrong = |why: String| TargetError::unusable(format!("reading {}", file.display()), why);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(wrong("it isn't there: run this where the load test was run, which wrote it".into()));
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(place, line)| serde_json::from_str(line).map_err(|e| wrong(format!("line {}: {e}", place + 1))))
        .collect()
}
