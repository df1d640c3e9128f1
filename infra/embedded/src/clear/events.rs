//! The events of a load test, and what hangs on them: messages, dead letters, inbox records, news of providers, answers to requests.

use rusqlite::{Row, params};
use sendoff_events::Pointer;

use super::{Clearing, LoadTest};
use crate::{
    Store, StoreError,
    db::{
        Tx,
        folder::BLOBS,
        statements::{Run as _, statements},
    },
};

statements! {
    PAGE = "SELECT seq, id, tenant, correlation, first_change, last_change, CASE WHEN payload_bytes IS NULL THEN NULL ELSE body END
        FROM events INDEXED BY events_by_correlation
        WHERE (correlation, seq) > (?1, ?2) AND correlation < ?3 ORDER BY correlation, seq LIMIT ?4";
    NEWS = "DELETE FROM deliveries WHERE event = ?1";
    INBOX = "DELETE FROM inbox WHERE event = ?1";
    MESSAGES = "DELETE FROM messages WHERE event = ?1";
    EVENT = "DELETE FROM events WHERE seq = ?1";
    REQUEST = "DELETE FROM requests WHERE tenant = ?1 AND key = ?2";
    CHANGES = "DELETE FROM changes WHERE seq BETWEEN ?1 AND ?2";
    RUNS = "SELECT id, name FROM runs INDEXED BY runs_by_tenant WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
}

/// Events for each transaction: with all that hangs on them they are about a thousand rows.
const STEP: i64 = 100;

struct Found {
    seq: i64,
    id: [u8; 16],
    tenant: String,
    correlation: String,
    changes: Option<(i64, i64)>,
    pointer: Option<Vec<u8>>,
}

/// What one transaction has taken away.
#[derive(Default)]
struct Gone {
    counts: [usize; 6],
    found: Vec<Found>,
}

const KINDS: [&str; 6] = ["deliveries", "inbox records", "messages", "events", "answers", "changes"];

/// Takes away the events of the test, and those of the runs that they have started.
pub(super) async fn clear(store: &Store, test: &LoadTest, clearing: &mut Clearing) -> Result<(), StoreError> {
    between(store, test, clearing, test.correlations.clone(), after_all(&test.correlations)).await?;
    for tenant in clearing.own.clone() {
        let mut after: i64 = 0;
        loop {
            let asked = tenant.clone();
            let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
            let runs = store.db.read(move |db| db.all(RUNS, params![asked, after, STEP], row)).await?;
            let Some((last, _)) = runs.last() else { break };
            after = *last;
            for (_, run) in runs {
                let correlation = sendoff_consumers::run_correlation(&run).into_owned();
                let end = format!("{correlation}\0");
                between(store, test, clearing, correlation, end).await?;
            }
        }
    }
    Ok(())
}

/// What follows on all texts that begin with `prefix`, which ends with a character before the last of ASCII.
fn after_all(prefix: &str) -> String {
    let mut end: Vec<u8> = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    String::from_utf8_lossy(&end).into_owned()
}

/// Those whose correlation ids stand from `first` on and before `end`.
async fn between(
    store: &Store,
    test: &LoadTest,
    clearing: &mut Clearing,
    first: String,
    end: String,
) -> Result<(), StoreError> {
    // Before all of the first text's own.
    let mut after = (first, -1);
    loop {
        let (start, end, test_, dry) = (after.clone(), end.clone(), test.clone(), clearing.dry);
        let gone = store.db.write_isolated(move |tx| page(tx, &test_, &start, &end, dry)).await?;
        let Some(last) = gone.found.last() else { return Ok(()) };
        after = (last.correlation.clone(), last.seq);
        KINDS.into_iter().zip(gone.counts).for_each(|(kind, rows)| clearing.add(kind, rows as u64));
        for event in gone.found {
            if let Some(pointer) = event.pointer.and_then(|body| Pointer::parse(&body, &[BLOBS]).ok().flatten()) {
                clearing.files.push(store.blobs.path(&pointer.key));
            }
            clearing.saw(test, event.tenant);
        }
    }
}

fn page(tx: &Tx<'_>, test: &LoadTest, after: &(String, i64), end: &str, dry: bool) -> rusqlite::Result<Gone> {
    let found = tx.all(PAGE, params![after.0, after.1, end, STEP], found)?;
    let mut gone = Gone { found, ..Gone::default() };
    if dry {
        tx.execute_batch("SAVEPOINT counted")?;
    }
    for event in &gone.found {
        let counts = [
            tx.run(NEWS, [event.id])?,
            tx.run(INBOX, [event.id])?,
            tx.run(MESSAGES, [event.seq])?,
            tx.run(EVENT, [event.seq])?,
            // What belongs to its own tenants is taken away, and counted, with these.
            if test.owns(&event.tenant) { 0 } else { tx.run(REQUEST, params![event.tenant, event.correlation])? },
            event.others(test).map_or(Ok(0), |changes| tx.run(CHANGES, changes))?,
        ];
        gone.counts.iter_mut().zip(counts).for_each(|(total, rows)| *total += rows);
    }
    if dry {
        tx.execute_batch("ROLLBACK TO counted; RELEASE counted")?;
    }
    Ok(gone)
}

impl Found {
    /// The changes of somebody else's records that were committed with it.
    fn others(&self, test: &LoadTest) -> Option<(i64, i64)> {
        self.changes.filter(|_| !test.owns(&self.tenant))
    }
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
    Ok(Found {
        seq: row.get(0)?,
        id: row.get(1)?,
        tenant: row.get(2)?,
        correlation: row.get(3)?,
        changes: first.zip(last),
        pointer: row.get(6)?,
    })
}
