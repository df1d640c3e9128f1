//! Records, inbox and deliveries.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use sendoff_events::{BoxFuture, Outgoing, TenantId, Timestamp};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
};
use serde_json::Value;

use crate::{
    Claim, Claimed, Deliveries, DeliveriesError, DeliveryId, DeliveryNews, DeliveryRecord, IdempotencyKey, Inbox,
    InboxError, InboxRecord, merge, transition,
};

/// Records as a map.
#[derive(Default)]
pub(crate) struct MemoryRecords {
    pub(crate) records: Mutex<BTreeMap<RecordKey, Record>>,
    /// What was committed with them.
    pub(crate) events: Mutex<Vec<Outgoing>>,
    pub(crate) down: AtomicBool,
    pub(crate) read_only: AtomicBool,
}

impl MemoryRecords {
    pub(crate) fn put(&self, key: RecordKey, data: Value) {
        let record = Record { key: key.clone(), version: 1, data, updated_at: Timestamp::UNIX_EPOCH };
        self.records.lock().unwrap().insert(key, record);
    }

    /// All records, by id.
    pub(crate) fn all(&self) -> Vec<(String, Value)> {
        self.records.lock().unwrap().values().map(|r| (r.key.to_string(), r.data.clone())).collect()
    }
}

impl Lookup for MemoryRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(ReadError::Unavailable("down".into()));
            }
            Ok(self.records.lock().unwrap().get(key).cloned())
        })
    }
}

impl Records for MemoryRecords {
    fn list<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable("no handler lists".into())) })
    }

    fn answered<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        Box::pin(async { Ok(None) })
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) || self.read_only.load(Ordering::Relaxed) {
                return Err(CommitError::Unavailable("down".into()));
            }
            work.validate()?;
            let mut records = self.records.lock().unwrap();
            let mut versions = Vec::new();
            for write in work.writes {
                let found = records.get(&write.key).map(|r| r.version);
                let fits = match write.expected {
                    Expected::Absent => found.is_none(),
                    Expected::Version(version) => found == Some(version),
                    Expected::Any => true,
                };
                if !fits {
                    return Err(CommitError::Conflict { key: write.key, expected: write.expected, found });
                }
                let version = found.unwrap_or(0) + 1;
                versions.push(version);
                match write.data {
                    Some(data) => {
                        let record = Record { key: write.key.clone(), version, data, updated_at: work.at };
                        records.insert(write.key, record);
                    }
                    None => {
                        records.remove(&write.key);
                    }
                }
            }
            self.events.lock().unwrap().extend(work.events);
            Ok(Committed::Applied { versions })
        })
    }
}

/// The inbox as a map.
#[derive(Default)]
pub(crate) struct MemoryInbox(pub(crate) Mutex<BTreeMap<IdempotencyKey, InboxRecord>>);

impl Inbox for MemoryInbox {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            let (answer, changed) = transition::claim(records.get(&claim.key).cloned(), claim);
            if let Some(record) = changed {
                records.insert(claim.key.clone(), record);
            }
            Ok(answer)
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            if transition::write(records.get(&record.key), record)? {
                records.insert(record.key.clone(), record.clone());
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(key).cloned()) })
    }
}

/// News of messages as a map.
#[derive(Default)]
pub(crate) struct MemoryDeliveries(pub(crate) Mutex<BTreeMap<DeliveryId, DeliveryRecord>>);

impl Deliveries for MemoryDeliveries {
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            let newer = merge(records.get(id), news, since);
            let changed = newer.is_some();
            newer.into_iter().for_each(|newer| drop(records.insert(id.clone(), newer)));
            Ok(changed)
        })
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(id).cloned()) })
    }
}
