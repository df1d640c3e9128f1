//! What belongs to the tenants of a load test.

use std::collections::BTreeSet;

use rusqlite::params_from_iter;

use super::{Clearing, LoadTest};
use crate::{
    StoreError,
    db::{
        Db,
        columns::count,
        statements::{Run as _, statements},
    },
};

statements! {
    NEXT = "SELECT tenant FROM records WHERE tenant > ?1 ORDER BY tenant LIMIT 1";
    LAST_MESSAGE = "SELECT coalesce(max(id), 0) FROM messages";
    COUNT_MESSAGES = "SELECT count(*) FROM messages WHERE id > ?1 AND id <= ?2 AND event IS NULL
        AND attributes ->> 'tenant' GLOB ?3 || '[0-9]*' AND NOT attributes ->> 'tenant' GLOB ?3 || '*[^0-9]*'";
    MESSAGES = "DELETE FROM messages WHERE id > ?1 AND id <= ?2 AND event IS NULL
        AND attributes ->> 'tenant' GLOB ?3 || '[0-9]*' AND NOT attributes ->> 'tenant' GLOB ?3 || '*[^0-9]*'";
    LAST_CHANGE = "SELECT coalesce(max(seq), 0) FROM changes";
    COUNT_CHANGES = "SELECT count(*) FROM changes WHERE seq > ?1 AND seq <= ?2
        AND tenant GLOB ?3 || '[0-9]*' AND NOT tenant GLOB ?3 || '*[^0-9]*'";
    CHANGES = "DELETE FROM changes WHERE seq > ?1 AND seq <= ?2
        AND tenant GLOB ?3 || '[0-9]*' AND NOT tenant GLOB ?3 || '*[^0-9]*'";
    COUNT_RUNS = "SELECT count(*) FROM runs WHERE tenant = ?1";
    RUNS = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE tenant = ?1 LIMIT 1000)";
    COUNT_REQUESTS = "SELECT count(*) FROM requests WHERE tenant = ?1";
    REQUESTS = "DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE tenant = ?1 LIMIT 1000)";
    COUNT_RECORDS = "SELECT count(*) FROM records WHERE tenant = ?1";
    RECORDS = "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE tenant = ?1 LIMIT 1000)";
    COUNT_APPS = "SELECT count(*) FROM records WHERE tenant = ?1 AND collection IN ('apps', 'assignments', 'submissions', 'timeline')
        AND id >= ?2 || '0' AND id < ?2 || ':' AND NOT substr(id, 1, instr(id || '/', '/') - 1) GLOB ?2 || '*[^0-9]*'";
    APPS = "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE tenant = ?1
        AND collection IN ('apps', 'assignments', 'submissions', 'timeline')
        AND id >= ?2 || '0' AND id < ?2 || ':' AND NOT substr(id, 1, instr(id || '/', '/') - 1) GLOB ?2 || '*[^0-9]*' LIMIT 1000)";
}

/// Rows for each transaction.
const STEP: i64 = 1000;

/// The test's tenants that have records.
pub(super) async fn with_records(db: &Db, test: &LoadTest) -> Result<BTreeSet<String>, StoreError> {
    let test = test.clone();
    db.read(move |db| {
        let (mut found, mut after) = (BTreeSet::new(), test.names.clone());
        while let Some(tenant) = db.one(NEXT, [&after], |row| row.get::<_, String>(0))? {
            if !tenant.starts_with(&test.names) {
                break;
            }
            after.clone_from(&tenant);
            found.extend(Some(tenant).filter(|tenant| test.owns(tenant)));
        }
        Ok(found)
    })
    .await
}

/// Takes it away: what carries work on first, so that nothing makes anew what is gone, and the records last, by which the tenants
/// are found if it is broken off.
pub(super) async fn clear(db: &Db, test: &LoadTest, clearing: &mut Clearing) -> Result<(), StoreError> {
    walk(db, test, clearing, "messages", [LAST_MESSAGE, COUNT_MESSAGES, MESSAGES]).await?;
    walk(db, test, clearing, "changes", [LAST_CHANGE, COUNT_CHANGES, CHANGES]).await?;
    for tenant in clearing.own.clone() {
        all(db, clearing, [tenant.clone()], "runs", [COUNT_RUNS, RUNS]).await?;
        all(db, clearing, [tenant.clone()], "answers", [COUNT_REQUESTS, REQUESTS]).await?;
        all(db, clearing, [tenant], "records", [COUNT_RECORDS, RECORDS]).await?;
    }
    for tenant in clearing.others.clone() {
        all(db, clearing, [tenant, test.names.clone()], "records", [COUNT_APPS, APPS]).await?;
    }
    Ok(())
}

/// Looks at all rows of a table in the order of their numbers: `[last, count, delete]`.
async fn walk(
    db: &Db,
    test: &LoadTest,
    clearing: &mut Clearing,
    kind: &'static str,
    [last, counting, delete]: [&'static str; 3],
) -> Result<(), StoreError> {
    let last: i64 = db.read(move |db| db.one(last, [], |row| row.get(0))).await?.unwrap_or(0);
    let mut after = 0;
    while after < last {
        let (dry, prefix, until) = (clearing.dry, test.names.clone(), after + STEP);
        let range = (after, until, prefix);
        let counted = db.read(move |db| db.one(counting, range, |row| row.get(0))).await?.map_or(0, count);
        // Most steps of a file that others use hold none: they cost the writer nothing.
        let gone = if dry || counted == 0 {
            counted
        } else {
            let range = (after, until, test.names.clone());
            db.write(move |tx| tx.run(delete, range)).await? as u64
        };
        clearing.add(kind, gone);
        after = until;
    }
    Ok(())
}

/// Takes away all that the statements find by this, a thousand rows at a time: `[count, delete]`.
async fn all<const N: usize>(
    db: &Db,
    clearing: &mut Clearing,
    by: [String; N],
    kind: &'static str,
    [counting, delete]: [&'static str; 2],
) -> Result<(), StoreError> {
    if clearing.dry {
        let counted = db.read(move |db| db.one(counting, params_from_iter(by), |row| row.get(0))).await?;
        clearing.add(kind, counted.map_or(0, count));
        return Ok(());
    }
    loop {
        let by = by.clone();
        let deleted = db.write(move |tx| tx.run(delete, params_from_iter(by))).await?;
        clearing.add(kind, deleted as u64);
        if deleted == 0 {
            return Ok(());
        }
    }
}
