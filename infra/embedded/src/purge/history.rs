//! Forgetting what runs have done, and the inbox records of calls that they have given up: nobody calls again, so such a record is
//! never settled and gets no date of its own.

use rusqlite::{Row, params};
use sendoff_consumers::{
    IdempotencyKey, InboxRecord, Status,
    action::{approval_record_keys, approval_time, record_keys},
};
use sendoff_events::TenantId;
use sendoff_producers::model::{Approval, approval_key};
use sendoff_workflows::engine::{Entry, What};

use super::STEP;
use crate::{
    db::{
        Db, StoreError, Tx,
        columns::{millis, tenant},
        statements::{Run as _, statements},
    },
    inbox,
};

statements! {
    ENDED = "SELECT h.run, h.number, r.tenant, r.name, h.entry FROM runs r JOIN run_history h ON h.run = r.id
        WHERE r.ended_at < ?1 AND r.ended_at IS NOT NULL LIMIT ?2";
    DELETE = "DELETE FROM run_history WHERE run = ?1 AND number = ?2";
    ASKED = "SELECT data FROM records WHERE tenant = ?1 AND collection = ?2 AND id = ?3";
}

struct Done {
    run: i64,
    number: i64,
    /// What was called; `None` where nothing was, or where it can't be read.
    called: Option<Called>,
}

struct Called {
    tenant: TenantId,
    run: String,
    entry: Entry,
}

/// Forgets what runs have done that ended before `date`. Gives how many inbox records of their calls went along.
pub(super) async fn forget(db: &Db, date: i64) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let step = db.write_isolated(move |tx| {
            let entries = tx.all(ENDED, (date, STEP), done)?;
            let mut forgotten = 0;
            for Done { run, number, called } in &entries {
                for key in called.as_ref().map_or_else(|| Ok(Vec::new()), |called| called.keys(tx))? {
                    if inbox::find(tx, &key)?.is_some_and(|record| is_given_up(&record, tx.now)) {
                        forgotten += inbox::delete(tx, &key)? as u64;
                    }
                }
                tx.run(DELETE, params![run, number])?;
            }
            Ok((entries.len(), forgotten))
        });
        let (entries, forgotten) = step.await?;
        total += forgotten;
        if entries < STEP as usize {
            return Ok(total);
        }
    }
}

fn done(row: &Row<'_>) -> rusqlite::Result<Done> {
    let called = || {
        let entry: Entry = serde_json::from_slice(row.get_ref(4).ok()?.as_bytes().ok()?).ok()?;
        // What it was called with may be large, and isn't needed.
        let entry = Entry { input: None, ..entry };
        let is_call = matches!(entry.what, What::Attempted | What::Asked);
        is_call.then_some(Called { tenant: tenant(2, row.get(2).ok()?).ok()?, run: row.get(3).ok()?, entry })
    };
    Ok(Done { run: row.get(0)?, number: row.get(1)?, called: called() })
}

/// Whether the record is one of work that is neither done nor in doubt, and that nobody is at.
fn is_given_up(record: &InboxRecord, now: i64) -> bool {
    record.status == Status::Claimed && millis(record.lease_until) <= now && !record.is_doubted()
}

impl Called {
    /// The keys that it may have been done under.
    fn keys(&self, tx: &Tx<'_>) -> rusqlite::Result<Vec<IdempotencyKey>> {
        let Self { tenant, run, entry } = self;
        let Some(instance) = &entry.instance else { return Ok(Vec::new()) };
        let call = instance.idempotency_key(run);
        if entry.what == What::Attempted {
            return Ok(record_keys(tenant, &call).collect());
        }
        let asked = approval_key(tenant, run, &instance.to_string());
        let asked: Option<Option<String>> =
            tx.one(ASKED, params![tenant.as_str(), asked.collection, asked.id], |row| row.get(0))?;
        let Some(asked) = asked.flatten().and_then(|data| serde_json::from_str::<Approval>(&data).ok()) else {
            return Ok(Vec::new());
        };
        let mut keys = approval_record_keys(tenant, &call, &asked);
        // Of its mails those are called otherwise that went before it got new time.
        let end = entry.output.as_ref().and_then(|end| end.as_str()?.parse().ok());
        if let Some(deadline) = end.and_then(|end| approval_time(end, entry.at)).filter(|at| *at != asked.deadline) {
            keys.extend(approval_record_keys(tenant, &call, &Approval { deadline, ..asked }));
        }
        Ok(keys)
    }
}
