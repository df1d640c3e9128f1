use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sendoff_consumers::{
    HistoryPage, NewRun, Run, RunChange, RunEntry, RunFilter, RunPage, RunStatus, Runs, RunsError, StoredRun, Stranded,
    WORKFLOW_STEPS,
};
use sendoff_events::{BoxFuture, Timestamp};

use super::{NoAnswer, QueuesState, Remote, lock};

/// The runs, and the queues that their messages go into.
#[derive(Default)]
pub struct RunsState {
    /// In the order of their starts.
    runs: Vec<Kept>,
    queues: Arc<Mutex<QueuesState>>,
}

struct Kept {
    stored: StoredRun,
    history: Vec<RunEntry>,
}

impl RunsState {
    /// No runs yet, over these queues.
    #[must_use]
    pub const fn over(queues: Arc<Mutex<QueuesState>>) -> Self {
        Self { runs: Vec::new(), queues }
    }

    fn find(&mut self, name: &str) -> Option<&mut Kept> {
        self.runs.iter_mut().find(|kept| kept.stored.run.started.name == name)
    }

    /// Puts the messages of a run into its queue, or takes them back when the run has ended.
    fn deal(&self, run: &str, change: RunChange, now: Timestamp) {
        let steps = lock(&self.queues).entry(WORKFLOW_STEPS.to_owned()).or_default().clone();
        let mut steps = lock(&steps);
        for message in change.messages {
            let name = format!("{}{}", prefix(run), message.name);
            if !steps.holds(&name) {
                steps.push_at(message.due.max(now), message.message, now, Some(name));
            }
        }
        if change.status != RunStatus::Running {
            steps.take_back_unheld(&prefix(run));
        }
    }
}

/// What the names of a run's messages begin with.
fn prefix(run: &str) -> String {
    format!("step/{run}/")
}

fn note(history: &mut Vec<RunEntry>, change: &RunChange) {
    for entry in &change.history {
        history.push(RunEntry { number: history.len() as u64 + 1, entry: entry.clone() });
    }
}

/// Runs in memory.
pub struct MemoryRuns(pub Remote<RunsState>);

fn unavailable(_: NoAnswer) -> RunsError {
    RunsError::Unavailable("no answer".into())
}

fn ended(status: RunStatus, now: Timestamp) -> Option<Timestamp> {
    (status != RunStatus::Running).then_some(now)
}

impl Runs for MemoryRuns {
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let new = run.clone();
        let answer = self.0.call(move |state, now| {
            if state.find(&new.name).is_some() {
                return false;
            }
            let name = new.name.clone();
            let (status, ended_at, failure) = (change.status, ended(change.status, now), change.failure.clone());
            let run = Run { started: new, started_at: now, status, ended_at, failure };
            let mut history = Vec::new();
            note(&mut history, &change);
            let stored = StoredRun { run, state: change.state.clone(), revision: 1 };
            state.runs.push(Kept { stored, history });
            state.deal(&name, change, now);
            true
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |state, _| state.find(&name).map(|kept| kept.stored.clone()));
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |state, now| {
            let Some(kept) = state.find(&name).filter(|kept| kept.stored.revision == expected) else { return false };
            kept.stored.revision += 1;
            kept.stored.state.clone_from(&change.state);
            kept.stored.run.status = change.status;
            kept.stored.run.failure.clone_from(&change.failure);
            kept.stored.run.ended_at = ended(change.status, now);
            note(&mut kept.history, &change);
            state.deal(&name, change, now);
            true
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn history<'a>(&'a self, name: &'a str, after: u64, limit: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |state, _| {
            let all = state.find(&name).map(|kept| kept.history.clone()).unwrap_or_default();
            let left: Vec<RunEntry> = all.into_iter().filter(|entry| entry.number > after).collect();
            let is_more = left.len() > limit;
            let entries: Vec<RunEntry> = left.into_iter().take(limit).collect();
            let next = entries.last().filter(|_| is_more).map(|last| last.number);
            HistoryPage { entries, next }
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, RunsError>> {
        let (filter, before) = (filter.clone(), after.and_then(|after| after.parse().ok()).unwrap_or(usize::MAX));
        let answer = self.0.call(move |state, _| {
            let all = state.runs.iter().enumerate().rev().filter(|(place, _)| *place < before);
            let mut wanted = all.filter(|(_, kept)| filter.lets_through(&kept.stored.run)).peekable();
            let (mut runs, mut last) = (Vec::new(), None);
            while runs.len() < limit
                && let Some((place, kept)) = wanted.next()
            {
                runs.push(kept.stored.run.clone());
                last = Some(place.to_string());
            }
            RunPage { runs, next: last.filter(|_| wanted.peek().is_some()) }
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn stranded<'a>(&'a self, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Stranded, RunsError>> {
        let after: usize = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let answer = self.0.call(move |state, _| {
            let steps = lock(&state.queues).entry(WORKFLOW_STEPS.to_owned()).or_default().clone();
            let looked_at: BTreeMap<usize, &Kept> = state.runs.iter().enumerate().skip(after).take(limit).collect();
            let next = looked_at.len() == limit && after + limit < state.runs.len();
            let running = looked_at.values().filter(|kept| kept.stored.run.status == RunStatus::Running);
            let names = running.map(|kept| kept.stored.run.started.name.clone());
            let runs = names.filter(|name| !lock(&steps).holds_any(&prefix(name))).collect();
            Stranded { runs, next: next.then(|| (after + limit).to_string()) }
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
