//! Changing runs: state, history and messages in one transaction.

use rusqlite::params;
use sendoff_consumers::{NewRun, RunChange, RunStatus, StepMessage, WORKFLOW_STEPS};

use super::{keys, row::number};
use crate::{
    db::{
        Tx,
        columns::{int, json, millis},
        statements::{Run as _, statements},
    },
    queue::{names, own},
};

statements! {
    CREATE = "INSERT INTO runs (name, tenant, app, workflow, version, input, status, revision, state, failure, entries,
            started_at, ended_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (name) DO NOTHING";
    CHANGE = "UPDATE runs SET status = ?3, revision = revision + 1, state = ?4, failure = ?5, entries = entries + ?6,
            ended_at = ?7
        WHERE name = ?1 AND revision = ?2 RETURNING id, entries";
    // An index that needs no change isn't touched: most changes leave the status as it is.
    GO_ON = "UPDATE runs SET revision = revision + 1, state = ?3, entries = entries + ?4
        WHERE name = ?1 AND revision = ?2 AND status = 0 RETURNING id, entries";
    NOTE = "INSERT INTO run_history (run, number, entry) VALUES (?1, ?2, ?3)";
    SEND = "INSERT INTO messages (queue, visible_at, sent_at, body, attributes, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING";
    // What is held is being dealt with, and what is dead is a person's.
    TAKE_BACK = "DELETE FROM messages WHERE key >= ?1 AND key < ?2 AND held = 0 AND failure IS NULL";
}

/// Stores a run that starts. Gives whether it is new.
pub(super) fn create(tx: &Tx<'_>, run: &NewRun, change: &RunChange) -> rusqlite::Result<bool> {
    let NewRun { name, tenant, app, workflow, version, input } = run;
    let (failure, entries) = (failure(change)?, int(change.history.len() as u64));
    let row = params![
        name,
        tenant.as_str(),
        app.as_str(),
        workflow.as_str(),
        version,
        json(input)?,
        number(change.status),
        change.state,
        failure,
        entries,
        tx.now,
        ended(tx, change)
    ];
    if tx.run(CREATE, row)? == 0 {
        return Ok(false);
    }
    follow(tx, name, tx.last_insert_rowid(), 0, change)?;
    Ok(true)
}

/// Changes a run that stands at the revision `expected`. Gives whether it did.
pub(super) fn commit(tx: &Tx<'_>, name: &str, expected: u64, change: &RunChange) -> rusqlite::Result<bool> {
    let (expected, more) = (int(expected), int(change.history.len() as u64));
    let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let goes_on = match change.status {
        RunStatus::Running => tx.one(GO_ON, params![name, expected, change.state, more], place)?,
        _ => None,
    };
    let changed: Option<(i64, i64)> = match goes_on {
        Some(place) => Some(place),
        None => {
            let (status, failure) = (number(change.status), failure(change)?);
            let row = params![name, expected, status, change.state, failure, more, ended(tx, change)];
            tx.one(CHANGE, row, place)?
        }
    };
    let Some((run, entries)) = changed else { return Ok(false) };
    follow(tx, name, run, entries - more, change)?;
    if change.status != RunStatus::Running {
        tx.run(TAKE_BACK, keys(name))?;
    }
    Ok(true)
}

/// Writes what belongs to the change: history after the entries that are there, and messages.
fn follow(tx: &Tx<'_>, name: &str, run: i64, entries: i64, change: &RunChange) -> rusqlite::Result<()> {
    for (number, entry) in (entries + 1..).zip(&change.history) {
        tx.run(NOTE, params![run, number, json(entry)?])?;
    }
    if change.messages.is_empty() {
        return Ok(());
    }
    let ids = match names::find(tx, WORKFLOW_STEPS)? {
        None => names::find_or_create(tx, WORKFLOW_STEPS)?,
        found => found,
    };
    let ids = ids.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    for StepMessage { name: step, due, message } in &change.messages {
        let (due, key) = (millis(*due).max(tx.now), format!("{}{step}", keys(name).0));
        tx.run(SEND, params![ids.queue, due, tx.now, &*message.body, own(&message.attributes)?, key])?;
    }
    tx.wake(ids.queue);
    Ok(())
}

fn failure(change: &RunChange) -> rusqlite::Result<Option<String>> {
    change.failure.as_ref().map(json).transpose()
}

fn ended(tx: &Tx<'_>, change: &RunChange) -> Option<i64> {
    (change.status != RunStatus::Running).then_some(tx.now)
}
