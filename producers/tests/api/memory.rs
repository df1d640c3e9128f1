//! Records in memory that can be told to fail.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::Mutex,
    task::Poll,
};

use sendoff_events::{BoxFuture, Outgoing, TenantId, Timestamp};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
};
use serde_json::Value;

/// What goes wrong at the next commit.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is committed, but the answer gets lost.
    LostAnswer,
    /// It isn't committed, and nobody knows.
    LostRequest,
    /// There is no room for it.
    NoRoom,
    /// Somebody else writes this record first.
    OthersFirst(RecordKey, Value),
}

#[derive(Default)]
struct Rows {
    /// With tombstones, so that a version goes on counting.
    records: BTreeMap<RecordKey, (u64, Option<Value>)>,
    answers: BTreeMap<(TenantId, String), ([u8; 32], Answer)>,
    committed: Vec<UnitOfWork>,
    faults: VecDeque<Fault>,
    reads_fail: bool,
    reads_panic: bool,
}

#[derive(Default)]
pub(crate) struct MemoryRecords(Mutex<Rows>);

impl MemoryRecords {
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.0.lock().unwrap().faults.push_back(fault);
    }

    pub(crate) fn fail_reads(&self, fail: bool) {
        self.0.lock().unwrap().reads_fail = fail;
    }

    pub(crate) fn panic_on_reads(&self) {
        self.0.lock().unwrap().reads_panic = true;
    }

    pub(crate) fn write(&self, key: RecordKey, data: Value) {
        self.0.lock().unwrap().write(&key, Some(data));
    }

    pub(crate) fn version(&self, key: &RecordKey) -> Option<u64> {
        self.0.lock().unwrap().version(key)
    }

    pub(crate) fn committed(&self) -> Vec<UnitOfWork> {
        self.0.lock().unwrap().committed.clone()
    }

    pub(crate) fn events(&self) -> Vec<Outgoing> {
        self.committed().into_iter().flat_map(|work| work.events).collect()
    }
}

impl Rows {
    fn version(&self, key: &RecordKey) -> Option<u64> {
        self.records.get(key).filter(|(_, data)| data.is_some()).map(|(version, _)| *version)
    }

    fn write(&mut self, key: &RecordKey, data: Option<Value>) -> u64 {
        let row = self.records.entry(key.clone()).or_insert((0, None));
        *row = (row.0 + 1, data);
        row.0
    }

    fn read(&self) -> Result<(), ReadError> {
        assert!(!self.reads_panic, "a planted panic with a secret in it");
        if self.reads_fail { Err(ReadError::Unavailable("planted".into())) } else { Ok(()) }
    }

    fn commit(&mut self, work: UnitOfWork) -> Result<Committed, CommitError> {
        work.validate()?;
        let fault = self.faults.pop_front();
        match &fault {
            Some(Fault::LostRequest) => return Err(CommitError::Unavailable("planted".into())),
            Some(Fault::NoRoom) => return Err(CommitError::NotCommitted("planted".into())),
            Some(Fault::OthersFirst(key, data)) => {
                self.write(key, Some(data.clone()));
            }
            Some(Fault::LostAnswer) | None => {}
        }
        if let Some(request) = &work.request
            && let Some(answer) = self.answered(&work.tenant, &request.key, &request.fingerprint)?
        {
            return Ok(Committed::Repeated { answer });
        }
        for write in &work.writes {
            let found = self.version(&write.key);
            let met = match write.expected {
                Expected::Any => true,
                Expected::Absent => found.is_none(),
                Expected::Version(version) => found == Some(version),
            };
            if !met {
                return Err(CommitError::Conflict { key: write.key.clone(), expected: write.expected, found });
            }
        }
        let versions = work.writes.iter().map(|write| self.write(&write.key, write.data.clone())).collect();
        if let Some(request) = &work.request {
            let key = (work.tenant.clone(), request.key.clone());
            self.answers.insert(key, (request.fingerprint, request.answer.clone()));
        }
        self.committed.push(work);
        match fault {
            Some(Fault::LostAnswer) => Err(CommitError::Unavailable("planted".into())),
            _ => Ok(Committed::Applied { versions }),
        }
    }

    fn answered(&self, tenant: &TenantId, key: &str, fingerprint: &[u8; 32]) -> Result<Option<Answer>, CommitError> {
        match self.answers.get(&(tenant.clone(), key.to_owned())) {
            None => Ok(None),
            Some((first, answer)) if first == fingerprint => Ok(Some(answer.clone())),
            Some(_) => Err(CommitError::RequestMismatch { key: key.to_owned() }),
        }
    }
}

/// Lets others run first, so that requests that are joined interleave at every call of a port.
async fn step_back() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Lookup for MemoryRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            step_back().await;
            let rows = self.0.lock().unwrap();
            rows.read()?;
            let row = rows.records.get(key).and_then(|(version, data)| Some((*version, data.clone()?)));
            Ok(row.map(|(version, data)| Record { key: key.clone(), version, data, updated_at: Timestamp::UNIX_EPOCH }))
        })
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
        Box::pin(async move {
            step_back().await;
            let rows = self.0.lock().unwrap();
            rows.read()?;
            let mut records = rows.records.iter().filter_map(|(key, (version, data))| {
                let listed = key.tenant == *tenant
                    && key.collection == collection
                    && key.id.starts_with(prefix)
                    && after.is_none_or(|after| key.id.as_str() > after);
                let data = data.clone().filter(|_| listed)?;
                Some(Record { key: key.clone(), version: *version, data, updated_at: Timestamp::UNIX_EPOCH })
            });
            let page: Vec<_> = records.by_ref().take(limit).collect();
            let more = records.next().is_some();
            let next = page.last().filter(|_| more).map(|record| record.key.id.clone());
            Ok(Page { records: page, next })
        })
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        Box::pin(async move {
            step_back().await;
            self.0.lock().unwrap().answered(tenant, key, fingerprint)
        })
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move {
            step_back().await;
            self.0.lock().unwrap().commit(work)
        })
    }
}
