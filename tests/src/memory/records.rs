use std::collections::BTreeMap;

use sendoff_events::{BoxFuture, EventId, Outgoing, TenantId, Timestamp};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, Outbox, OutboxError, Page, Pending, ReadError, Record, RecordKey,
    Records, UnitOfWork,
};

use super::{ChangesState, DeadState, NoAnswer, Remote};

/// Records, request keys and the outbox: what one transaction covers.
#[derive(Default)]
pub struct RecordsState {
    records: BTreeMap<RecordKey, Slot>,
    requests: BTreeMap<(TenantId, String), ([u8; 32], Answer)>,
    outbox: Vec<OutboxEntry>,
    pub(super) changes: ChangesState,
}

struct Slot {
    version: u64,
    /// `None`: deleted. The version goes on counting.
    record: Option<Record>,
}

struct OutboxEntry {
    event: Outgoing,
    at: Timestamp,
    published: bool,
}

impl RecordsState {
    /// All events that were ever committed.
    pub fn committed(&self) -> impl Iterator<Item = &Outgoing> {
        self.outbox.iter().map(|entry| &entry.event)
    }

    /// How many events aren't marked as published.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.outbox.iter().filter(|entry| !entry.published).count()
    }

    /// The changes that a reaction has put aside.
    pub fn parked(&mut self, reaction: &str) -> Option<&mut DeadState> {
        self.changes.parked.get_mut(reaction)
    }

    /// The reactions that have put changes aside.
    #[must_use]
    pub fn reactions(&self) -> Vec<String> {
        self.changes.parked.keys().cloned().collect()
    }

    fn answered(&self, tenant: &TenantId, key: &str, fingerprint: &[u8; 32]) -> Result<Option<Answer>, CommitError> {
        match self.requests.get(&(tenant.clone(), key.to_owned())) {
            None => Ok(None),
            Some((stored, answer)) if stored == fingerprint => Ok(Some(answer.clone())),
            Some(_) => Err(CommitError::RequestMismatch { key: key.to_owned() }),
        }
    }

    fn commit(&mut self, work: UnitOfWork, now: Timestamp) -> Result<Committed, CommitError> {
        work.validate()?;
        if let Some(request) = &work.request
            && let Some(answer) = self.answered(&work.tenant, &request.key, &request.fingerprint)?
        {
            return Ok(Committed::Repeated { answer });
        }
        for write in &work.writes {
            let found = self.records.get(&write.key).and_then(|slot| slot.record.as_ref()).map(|r| r.version);
            let fits = match write.expected {
                Expected::Any => true,
                Expected::Absent => found.is_none(),
                Expected::Version(version) => found == Some(version),
            };
            if !fits {
                return Err(CommitError::Conflict { key: write.key.clone(), expected: write.expected, found });
            }
        }
        let mut versions = Vec::new();
        for write in work.writes {
            let slot = self.records.entry(write.key.clone()).or_insert(Slot { version: 0, record: None });
            slot.version += 1;
            versions.push(slot.version);
            let old = slot.record.take().map(|record| record.data);
            self.changes.push(write.key.clone(), slot.version, &work.actor, work.at, old, write.data.clone());
            slot.record =
                write.data.map(|data| Record { key: write.key, version: slot.version, data, updated_at: work.at });
        }
        self.outbox.extend(work.events.into_iter().map(|event| OutboxEntry { event, at: now, published: false }));
        if let Some(request) = work.request {
            self.requests.insert((work.tenant, request.key), (request.fingerprint, request.answer));
        }
        Ok(Committed::Applied { versions })
    }
}

/// Records in memory.
pub type MemoryRecords = Remote<RecordsState>;

/// The outbox of the same state.
pub struct MemoryOutbox(pub Remote<RecordsState>);

fn no_read(_: NoAnswer) -> ReadError {
    ReadError::Unavailable("no answer".into())
}

fn no_commit(_: NoAnswer) -> CommitError {
    CommitError::Unavailable("no answer".into())
}

impl Lookup for MemoryRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        let key = key.clone();
        let answer = self.call(move |state, _| state.records.get(&key).and_then(|slot| slot.record.clone()));
        Box::pin(async move { answer.await.map_err(no_read) })
    }
}

impl Records for MemoryRecords {
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        let (tenant, collection, prefix) = (tenant.clone(), collection.to_owned(), prefix.to_owned());
        let after = after.map(str::to_owned);
        let answer = self.call(move |state, _| {
            let records = state.records.values().filter_map(|slot| slot.record.as_ref());
            let mut records = records
                .filter(|r| r.key.tenant == tenant && r.key.collection == collection && r.key.id.starts_with(&prefix))
                .filter(|r| after.as_ref().is_none_or(|after| r.key.id > *after))
                .peekable();
            let (mut page, mut bytes) = (Vec::new(), 0);
            let mut fits = |record: &Record, before: usize| {
                bytes += record.data.to_string().len();
                before < limit && (bytes <= Page::BYTES || before == 0)
            };
            while let Some(record) = records.next_if(|record| fits(record, page.len())) {
                page.push(record.clone());
            }
            let next = records.peek().and(page.last()).map(|record: &Record| record.key.id.clone());
            Page { records: page, next }
        });
        Box::pin(async move { answer.await.map_err(no_read) })
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        let (tenant, key, fingerprint) = (tenant.clone(), key.to_owned(), *fingerprint);
        let answer = self.call(move |state, _| state.answered(&tenant, &key, &fingerprint));
        Box::pin(async move { answer.await.map_err(no_commit)? })
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        let answer = self.call(move |state, now| state.commit(work, now));
        Box::pin(async move { answer.await.map_err(no_commit)? })
    }
}

impl Outbox for MemoryOutbox {
    fn pending(&self, committed_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
        let answer = self.0.call(move |state, _| {
            let open = state.outbox.iter().filter(|entry| !entry.published && entry.at < committed_before);
            Pending { events: open.take(limit).map(|entry| entry.event.clone()).collect(), stuck: Vec::new() }
        });
        Box::pin(async move { answer.await.map_err(|NoAnswer| OutboxError("no answer".into())) })
    }

    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let ids = ids.to_vec();
        let answer = self.0.call(move |state, _| {
            for entry in state.outbox.iter_mut().filter(|entry| ids.contains(&entry.event.id())) {
                entry.published = true;
            }
        });
        Box::pin(async move { answer.await.map_err(|NoAnswer| OutboxError("no answer".into())) })
    }
}
