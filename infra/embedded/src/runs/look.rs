//! Looking at runs.

use rusqlite::{Connection, params};
use sendoff_consumers::{HistoryPage, Run, RunEntry, RunFilter, RunPage, RunsOf, StoredRun, Stranded};

use super::{
    keys,
    row::{columns, number, run, stored},
};
use crate::db::{
    columns::{count, from_json, int},
    statements::{Run as _, statements},
};

/// A listing: the last ones first, from before an id on.
macro_rules! list {
    ($which:literal) => {
        concat!("SELECT ", columns!(), ", id FROM runs WHERE ", $which, " AND id < ?1 ORDER BY id DESC LIMIT ?2")
    };
}

statements! {
    LOAD = concat!("SELECT ", columns!(), ", state, revision FROM runs WHERE name = ?1");
    HISTORY = "SELECT h.number, h.entry FROM runs r JOIN run_history h ON h.run = r.id
        WHERE r.name = ?1 AND h.number > ?2 ORDER BY h.number LIMIT ?3";
    ALL = list!("tenant = ?3");
    OF_APP = list!("tenant = ?3 AND app = ?4");
    OF_WORKFLOW = list!("tenant = ?3 AND app = ?4 AND workflow = ?5");
    ALL_BY_STATUS = list!("tenant = ?3 AND status = ?4");
    OF_APP_BY_STATUS = list!("tenant = ?3 AND app = ?4 AND status = ?5");
    OF_WORKFLOW_BY_STATUS = list!("tenant = ?3 AND app = ?4 AND workflow = ?5 AND status = ?6");
    RUNNING = "SELECT id, name FROM runs WHERE status = 0 AND id > ?1 ORDER BY id LIMIT ?2";
    HAS_MESSAGE = "SELECT EXISTS (SELECT 1 FROM messages WHERE key >= ?1 AND key < ?2)";
}

/// The most that is given at once.
const MAX_PAGE: usize = 1000;

pub(super) fn load(db: &Connection, name: &str) -> rusqlite::Result<Option<StoredRun>> {
    db.one(LOAD, [name], stored)
}

pub(super) fn history(db: &Connection, name: &str, after: u64, limit: usize) -> rusqlite::Result<HistoryPage> {
    let limit = limit.clamp(1, MAX_PAGE);
    let mut entries = db.all(HISTORY, params![name, int(after), int(limit as u64 + 1)], |row| {
        Ok(RunEntry { number: count(row.get(0)?), entry: from_json(1, row.get_ref(1)?.as_str()?)? })
    })?;
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_more).map(|last| last.number);
    Ok(HistoryPage { entries, next })
}

pub(super) fn list(
    db: &Connection,
    filter: &RunFilter,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<RunPage> {
    let limit = limit.clamp(1, MAX_PAGE);
    let (before, more, tenant) = (before.unwrap_or(i64::MAX), int(limit as u64 + 1), filter.tenant.as_str());
    let read = |row: &rusqlite::Row<'_>| Ok((run(row)?, row.get(10)?));
    let mut found: Vec<(Run, i64)> = match (&filter.of, filter.status.map(number)) {
        (RunsOf::Tenant, None) => db.all(ALL, params![before, more, tenant], read),
        (RunsOf::Tenant, Some(status)) => db.all(ALL_BY_STATUS, params![before, more, tenant, status], read),
        (RunsOf::App(app), None) => db.all(OF_APP, params![before, more, tenant, app.as_str()], read),
        (RunsOf::App(app), Some(status)) => {
            db.all(OF_APP_BY_STATUS, params![before, more, tenant, app.as_str(), status], read)
        }
        (RunsOf::Workflow(app, workflow), None) => {
            db.all(OF_WORKFLOW, params![before, more, tenant, app.as_str(), workflow.as_str()], read)
        }
        (RunsOf::Workflow(app, workflow), Some(status)) => {
            db.all(OF_WORKFLOW_BY_STATUS, params![before, more, tenant, app.as_str(), workflow.as_str(), status], read)
        }
    }?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|(_, id)| id.to_string());
    Ok(RunPage { runs: found.into_iter().map(|(run, _)| run).collect(), next })
}

/// Running runs without a message, among the `limit` that were started first after `after`.
pub(super) fn stranded(db: &Connection, after: i64, limit: usize) -> rusqlite::Result<Stranded> {
    let limit = limit.clamp(1, MAX_PAGE);
    let running: Vec<(i64, String)> =
        db.all(RUNNING, params![after, int(limit as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let next = running.last().filter(|_| running.len() == limit).map(|(id, _)| id.to_string());
    let mut runs = Vec::new();
    for (_, name) in running {
        if db.one(HAS_MESSAGE, keys(&name), |row| row.get(0))? != Some(true) {
            runs.push(name);
        }
    }
    Ok(Stranded { runs, next })
}
