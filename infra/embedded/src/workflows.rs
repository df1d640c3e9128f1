//! Workflow runs. A run takes all its steps as it starts, in one transaction, and records each with its time.

use std::sync::Arc;

use rusqlite::{Row, params};
use sendoff_consumers::{NewRun, Run, RunStatus, RunStep, Started, WorkflowError, Workflows};
use sendoff_events::BoxFuture;

use crate::db::{
    Db, StoreError, Tx,
    columns::{from_json, json, moment, tenant},
    statements::{Run as _, statements},
};

statements! {
    START = "INSERT INTO runs (name, tenant, workflow, version, steps, input, status, taken, started_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (name) DO NOTHING";
    SAME = "SELECT workflow = ?2 AND version = ?3 AND input = ?4 FROM runs WHERE name = ?1";
    GET = "SELECT name, tenant, workflow, version, steps, input, status, taken, started_at FROM runs WHERE name = ?1";
    STOP = "UPDATE runs SET status = ?2 WHERE name = ?1 AND status = ?3";
}

/// [`Workflows`] over the data file.
pub(crate) struct SqliteWorkflows {
    pub(crate) db: Arc<Db>,
}

impl Workflows for SqliteWorkflows {
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        let new = run.clone();
        Box::pin(async move {
            let started = self.db.write(move |tx| start(tx, &new)).await.map_err(unavailable)?;
            started.ok_or_else(|| WorkflowError::Conflict { name: run.name.clone() })
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        let name = name.to_owned();
        Box::pin(async move { self.db.read(move |db| db.one(GET, [name], run)).await.map_err(unavailable) })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let change = (name, word(RunStatus::Stopped), word(RunStatus::Running));
            let stopped = self.db.write(move |tx| tx.run(STOP, change)).await.map_err(unavailable)?;
            Ok(stopped > 0)
        })
    }
}

/// Starts the run, or finds it started; `None` when another run has its name.
fn start(tx: &Tx<'_>, new: &NewRun) -> rusqlite::Result<Option<Started>> {
    let NewRun { name, tenant, workflow, version, steps, input } = new;
    let input = json(input)?;
    let taken: Vec<RunStep> = steps.iter().map(|id| RunStep { id: id.clone(), at: moment(tx.now) }).collect();
    let (steps, taken, done) = (json(steps)?, json(&taken)?, word(RunStatus::Succeeded));
    let row = params![name, tenant.as_str(), workflow, version, steps, input, done, taken, tx.now];
    if tx.run(START, row)? == 1 {
        return Ok(Some(Started::New));
    }
    let same = tx.one(SAME, params![name, workflow, version, input], |row| row.get(0))?;
    Ok((same == Some(true)).then_some(Started::Already))
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    Ok(Run {
        started: NewRun {
            name: row.get(0)?,
            tenant: tenant(1, row.get(1)?)?,
            workflow: row.get(2)?,
            version: row.get(3)?,
            steps: from_json(4, text(4)?)?,
            input: from_json(5, text(5)?)?,
        },
        status: from_json(6, &format!("\"{}\"", text(6)?))?,
        taken: from_json(7, text(7)?)?,
        started_at: moment(row.get(8)?),
    })
}

/// The status as it stands in the column, and in JSON.
fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Stopped => "stopped",
        RunStatus::Failed => "failed",
    }
}

fn unavailable(error: StoreError) -> WorkflowError {
    WorkflowError::Unavailable(error.to_string())
}
