//! A run as it stands in its row.

use rusqlite::Row;
use sendoff_consumers::{NewRun, Run, RunStatus, StoredRun};
use sendoff_events::{AppId, WorkflowId};

use crate::db::columns::{count, damaged, from_json, moment, tenant};

/// The columns of [`run`], in order.
macro_rules! columns {
    () => {
        "name, tenant, app, workflow, version, input, status, failure, started_at, ended_at"
    };
}

pub(super) use columns;

/// A status as it stands in the column.
pub(super) const fn number(status: RunStatus) -> i64 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Succeeded => 1,
        RunStatus::Failed => 2,
        RunStatus::Stopped => 3,
    }
}

/// A run, of its columns.
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let status: i64 = row.get(6)?;
    let known = [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Stopped];
    let known = known.into_iter().find(|known| number(*known) == status);
    let failure: Option<String> = row.get(7)?;
    Ok(Run {
        started: NewRun {
            name: row.get(0)?,
            tenant: tenant(1, row.get(1)?)?,
            app: row.get_ref(2)?.as_str()?.parse::<AppId>().map_err(|error| damaged(2, error))?,
            workflow: row.get_ref(3)?.as_str()?.parse::<WorkflowId>().map_err(|error| damaged(3, error))?,
            version: row.get(4)?,
            input: from_json(5, row.get_ref(5)?.as_str()?)?,
        },
        status: known.ok_or_else(|| damaged(6, UnknownStatus(status)))?,
        failure: failure.map(|failure| from_json(7, &failure)).transpose()?,
        started_at: moment(row.get(8)?),
        ended_at: row.get::<_, Option<i64>>(9)?.map(moment),
    })
}

/// A run with what the engine knows of it: its columns, then `state` and `revision`.
pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    Ok(StoredRun { run: run(row)?, state: row.get(10)?, revision: count(row.get(11)?) })
}

#[derive(Debug, thiserror::Error)]
#[error("no run has the status {0}")]
struct UnknownStatus(i64);
