//! What people did by hand: who, when, what, and why. It can only be added to; the tables see to it, and the chain of digests shows
//! whether somebody got around them.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use sendoff_consumers::{Audit, AuditDigest, AuditEntry, AuditError, AuditNote};
use sendoff_events::{BoxFuture, EventId, Timestamp};

use crate::{
    Store, StoreError,
    db::{
        Db, Tx,
        columns::{count, damaged, event_id, int, moment},
        statements::{Run as _, statements},
    },
};

macro_rules! columns {
    () => {
        "seq, at, who, action, event, target, because, previous, digest"
    };
}

statements! {
    ADD = concat!("INSERT INTO audit (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    LAST = concat!("SELECT ", columns!(), " FROM audit WHERE seq > 0 ORDER BY seq DESC LIMIT 1");
    AFTER = concat!("SELECT ", columns!(), " FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    FIRST_SEALED = "SELECT seq FROM audit WHERE (digest IS NOT NULL OR previous IS NOT NULL) AND seq > 0 ORDER BY seq LIMIT 1";
    OF_EVENT = concat!("SELECT ", columns!(), " FROM audit WHERE event = ?1 ORDER BY seq");
}

impl Store {
    /// What people did by hand.
    #[must_use]
    pub fn audit(&self) -> Arc<dyn Audit> {
        Arc::new(SqliteAudit { db: Arc::clone(&self.db) })
    }

    /// What people did about one event, the oldest first.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn decisions(&self, event: EventId) -> Result<Vec<(Timestamp, AuditNote)>, StoreError> {
        let rows = self.db.read(move |db| db.all(OF_EVENT, [event.as_bytes()], Stored::of)).await?;
        Ok(rows.into_iter().map(|row| (moment(row.at), row.note)).collect())
    }
}

/// [`Audit`] over the data file.
pub(crate) struct SqliteAudit {
    db: Arc<Db>,
}

impl Audit for SqliteAudit {
    fn append<'a>(&'a self, note: &'a AuditNote) -> BoxFuture<'a, Result<AuditEntry, AuditError>> {
        let note = note.clone();
        Box::pin(async move { self.db.write_isolated(move |tx| add(tx, note)).await.map_err(failed) })
    }

    fn entries(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, AuditError>> {
        Box::pin(async move { self.db.read(move |db| entries(db, int(after), max)).await.map_err(failed) })
    }
}

/// Adds an entry behind the last one, as of now. The transaction keeps everybody else from adding one meanwhile.
pub(crate) fn add(tx: &Tx<'_>, note: AuditNote) -> rusqlite::Result<AuditEntry> {
    let (previous, seq) = match tx.one(LAST, [], Stored::of)? {
        None => (AuditDigest::NONE, 0),
        Some(Stored { seq, link: Some((_, digest)), .. }) => (digest, seq),
        Some(Stored { seq, link: None, .. }) => (folded(tx, seq)?, seq),
    };
    let entry = AuditEntry::after(previous, count(seq) + 1, moment(tx.now), note);
    let AuditNote { who, action, event, target, because } = &entry.note;
    let event = event.as_ref().map(EventId::as_bytes);
    let links = (entry.previous.0, entry.digest.0);
    tx.run(ADD, params![int(entry.seq), tx.now, who, action, event, target, because, links.0, links.1])?;
    Ok(entry)
}

fn entries(db: &Connection, after: i64, max: usize) -> rusqlite::Result<Vec<AuditEntry>> {
    let rows = db.all(AFTER, params![after, int(max as u64)], Stored::of)?;
    let sealed_from = sealed_from(db)?;
    let mut previous = match rows.first() {
        // Only the entries before it tell what it follows on.
        Some(Stored { link: None, seq, .. }) if *seq < sealed_from => folded(db, after)?,
        _ => AuditDigest::NONE,
    };
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let entry = row.chained(previous, sealed_from)?;
        previous = entry.digest;
        entries.push(entry);
    }
    Ok(entries)
}

/// The place of the first entry that was written with its digests: from there on each has them.
fn sealed_from(db: &Connection) -> rusqlite::Result<i64> {
    Ok(db.one(FIRST_SEALED, [], |row| row.get(0))?.unwrap_or(i64::MAX))
}

/// The digest of the entry `last` from before there were any, or of the one before that, if it is gone.
fn folded(db: &Connection, last: i64) -> rusqlite::Result<AuditDigest> {
    let (mut previous, sealed_from) = (AuditDigest::NONE, sealed_from(db)?);
    for row in db.all(AFTER, params![0, last], Stored::of)?.into_iter().take_while(|row| row.seq <= last) {
        previous = row.chained(previous, sealed_from)?.digest;
    }
    Ok(previous)
}

/// An entry as it stands in its row.
struct Stored {
    seq: i64,
    at: i64,
    note: AuditNote,
    /// The digest before it, and its own.
    link: Option<(AuditDigest, AuditDigest)>,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let digest = |column| row.get::<_, Option<[u8; 32]>>(column).map(|bytes| bytes.map(AuditDigest));
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            note: AuditNote {
                who: row.get(2)?,
                action: row.get(3)?,
                event: row.get::<_, Option<[u8; 16]>>(4)?.map(event_id),
                target: row.get(5)?,
                because: row.get(6)?,
            },
            link: digest(7)?.zip(digest(8)?),
        })
    }

    /// The entry with the digests that it was written with; or, from before there were any, on `previous`. What has none from
    /// `sealed_from` on was put there by somebody else, and keeps none.
    fn chained(self, previous: AuditDigest, sealed_from: i64) -> rusqlite::Result<AuditEntry> {
        let Self { seq, at, note, link } = self;
        let (is_old, at) = (seq < sealed_from, moment(at));
        let seq = u64::try_from(seq).map_err(|e| damaged(0, e))?;
        Ok(match link {
            Some((previous, digest)) => AuditEntry { seq, at, note, previous, digest, is_sealed: true },
            None if is_old => AuditEntry { is_sealed: false, ..AuditEntry::after(previous, seq, at, note) },
            None => AuditEntry { seq, at, note, previous, digest: AuditDigest::NONE, is_sealed: false },
        })
    }
}

fn failed(error: StoreError) -> AuditError {
    match error {
        StoreError::Damaged { .. } => AuditError::Damaged(error.to_string()),
        other => AuditError::Unavailable(other.to_string()),
    }
}
