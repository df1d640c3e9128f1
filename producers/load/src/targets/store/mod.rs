//! What is looked up in a data folder: the same whether the system runs in this process or another one serves it.

use std::collections::BTreeMap;

use sendoff_consumers::{Depth, Status};
use sendoff_embedded::{LoadTest, Place, Standing, Store, StoreError};
use sendoff_events::EventId;

use crate::{
    RunId,
    target::{Cleaned, Fate, Seen, TargetError},
};

/// The events of the run that began a chain, by their numbers.
pub(super) async fn find(store: &Store, run: &RunId, numbers: &[u64]) -> Result<Vec<(u64, EventId)>, TargetError> {
    let correlations = numbers.iter().map(|number| run.correlation(*number)).collect();
    let found = store.roots_of(correlations).await.map_err(|e| failed("looking for events of the run", &e))?;
    Ok(found.into_iter().filter_map(|(correlation, event)| Some((run.number(&correlation)?, event))).collect())
}

/// What the consumers have made of the events.
pub(super) async fn look(store: &Store, pairs: &[(EventId, String)]) -> Result<Vec<Seen>, TargetError> {
    let standings = store.standings(pairs.to_vec()).await.map_err(|e| failed("looking events up", &e))?;
    Ok(pairs.iter().zip(standings).map(|((event, consumer), standing)| seen(*event, consumer, &standing)).collect())
}

fn seen(event: EventId, consumer: &str, standing: &Standing) -> Seen {
    let record = standing.record.as_ref();
    Seen {
        event,
        consumer: consumer.to_owned(),
        fate: fate(record.map(|record| record.status), standing.place),
        attempts: record.map_or(0, |record| record.attempts),
        claimed_at: record.map(|record| record.first_at),
        updated_at: record.map(|record| record.updated_at),
    }
}

/// A record alone isn't believed: what failed has to stand among the dead letters, and what is to be done in the queue.
fn fate(status: Option<Status>, place: Place) -> Fate {
    match (status, place) {
        (Some(Status::Done), _) => Fate::Done,
        (Some(Status::InDoubt), _) => Fate::InDoubt,
        (_, Place::Queue) => Fate::InFlight,
        (_, Place::DeadLetters) => Fate::DeadLettered,
        (_, Place::Nowhere) => Fate::Missing,
    }
}

/// How many poisonous messages of the run stand among the dead letters, by consumer.
pub(super) async fn dead_poison(store: &Store, run: &RunId) -> Result<BTreeMap<String, u64>, TargetError> {
    let found = store.dead_of_tenants(format!("load-{run}-")).await;
    found.map_err(|e| failed("counting the dead letters", &e))
}

/// The events of the run among the dead letters, by consumer.
pub(super) async fn dead_events(store: &Store, run: &RunId) -> Result<BTreeMap<String, Vec<EventId>>, TargetError> {
    let found = store.dead_roots_of(run.prefix()).await;
    found.map_err(|e| failed("looking through the dead letters", &e))
}

/// How full the consumers' queues are.
pub(super) async fn depths(store: &Store) -> Result<BTreeMap<String, Depth>, TargetError> {
    let queues = store.queues().await.map_err(|e| failed("measuring the queues", &e))?;
    Ok(queues.into_iter().map(|queue| (queue.name, queue.depth)).collect())
}

/// Bytes that the data takes on disk.
pub(super) fn stored(store: &Store) -> Option<u64> {
    size(store.file().parent()?)
}

fn size(folder: &std::path::Path) -> Option<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        // What is gone since was counted as nothing.
        let Ok(facts) = entry.metadata() else { continue };
        total += if facts.is_dir() { size(&entry.path()).unwrap_or(0) } else { facts.len() };
    }
    Some(total)
}

/// Bytes of memory that a process has resident, where the system tells.
pub(super) fn resident(process: &str) -> Option<u64> {
    let facts = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = facts.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

pub(super) fn failed(what: &str, error: &StoreError) -> TargetError {
    TargetError::unreachable(what, error)
}

/// Removes what the run has left.
pub(super) async fn clean(store: &Store, run: &RunId, dry: bool) -> Result<Cleaned, TargetError> {
    let test = LoadTest { correlations: run.prefix(), names: run.names() };
    let mut cleaned = Cleaned::new();
    for _ in 0..PASSES {
        let cleared = store.clear_load_test(&test, dry).await.map_err(|e| failed("cleaning up after the run", &e))?;
        let mut found = 0;
        for (kind, rows) in cleared {
            found += rows;
            *cleaned.entry(kind.to_owned()).or_default() += rows;
        }
        if dry || found == 0 {
            break;
        }
    }
    Ok(cleaned)
}

/// How often it is looked whether anything is left: commits may still be on their way, and a reaction at work on what was taken away.
const PASSES: usize = 5;
