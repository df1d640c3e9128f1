//! Workflow runs: what the engine has made of them, what they did, and the messages that carry them on.

mod change;
mod look;
mod row;

use std::sync::Arc;

use sendoff_consumers::{HistoryPage, NewRun, RunChange, RunFilter, RunPage, Runs, RunsError, StoredRun, Stranded};
use sendoff_events::BoxFuture;

use crate::db::{Db, StoreError};

#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static str> {
    [change::STATEMENTS, look::STATEMENTS].concat()
}

/// [`Runs`] over the data file.
pub(crate) struct SqliteRuns {
    pub(crate) db: Arc<Db>,
}

impl Runs for SqliteRuns {
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let run = run.clone();
        Box::pin(async move {
            self.db.write_isolated(move |tx| change::create(tx, &run, &change)).await.map_err(unavailable)
        })
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>> {
        let name = name.to_owned();
        Box::pin(async move { self.db.read(move |db| look::load(db, &name)).await.map_err(unavailable) })
    }

    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let changed = self.db.write_isolated(move |tx| change::commit(tx, &name, expected, &change));
            changed.await.map_err(unavailable)
        })
    }

    fn history<'a>(&'a self, name: &'a str, after: u64, limit: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>> {
        let name = name.to_owned();
        Box::pin(
            async move { self.db.read(move |db| look::history(db, &name, after, limit)).await.map_err(unavailable) },
        )
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, RunsError>> {
        let (filter, after) = (filter.clone(), after.and_then(|after| after.parse().ok()));
        Box::pin(
            async move { self.db.read(move |db| look::list(db, &filter, after, limit)).await.map_err(unavailable) },
        )
    }

    fn stranded<'a>(&'a self, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Stranded, RunsError>> {
        let after = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        Box::pin(async move { self.db.read(move |db| look::stranded(db, after, limit)).await.map_err(unavailable) })
    }
}

/// The keys of a run's messages lie between these two, the second one not included. Names of runs hold no `/`.
fn keys(run: &str) -> (String, String) {
    // What follows on `/` is `0`.
    (format!("step/{run}/"), format!("step/{run}0"))
}

fn unavailable(error: StoreError) -> RunsError {
    RunsError::Unavailable(error.to_string())
}
