//! Ports that the process may die at: right before what they do, and right after it.

use std::sync::Arc;

use sendoff_consumers::{
    Claim, Claimed, HistoryPage, IdempotencyKey, Inbox, InboxError, InboxRecord, Limits, NewRun, RunChange, RunFilter,
    RunPage, Runs, RunsError, StoredRun, Stranded,
    action::{ActionError, ActionResult, Actions},
};
use sendoff_events::{BoxFuture, TenantId};
use sendoff_producers::{
    Answer, CommitError, Committed, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
};

use super::Death;

/// A port, and what kills.
pub(super) struct Mortal<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) death: Arc<Death>,
}

impl<T: ?Sized> Mortal<T> {
    pub(super) const fn new(inner: Arc<T>, death: Arc<Death>) -> Self {
        Self { inner, death }
    }

    /// Does it, unless the process dies before, and gives what came of it, unless it dies after.
    pub(super) async fn at<R>(&self, place: &str, doing: impl Future<Output = R>) -> R {
        self.death.point(format!("before {place}"));
        let done = doing.await;
        self.death.point(format!("after {place}"));
        done
    }
}

impl Runs for Mortal<dyn Runs> {
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        Box::pin(self.at("step 1", self.inner.create(run, change)))
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>> {
        self.inner.load(name)
    }

    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        Box::pin(async move {
            let place = format!("step {}", expected + 1);
            self.at(&place, self.inner.commit(name, expected, change)).await
        })
    }

    fn history<'a>(&'a self, name: &'a str, after: u64, limit: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>> {
        self.inner.history(name, after, limit)
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, RunsError>> {
        self.inner.list(filter, after, limit)
    }

    fn stranded<'a>(&'a self, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Stranded, RunsError>> {
        self.inner.stranded(after, limit)
    }
}

impl Inbox for Mortal<dyn Inbox> {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async move {
            let place = format!("claim {}", claim.key.consumer());
            self.at(&place, self.inner.claim(claim)).await
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(async move {
            let place = format!("write {}", record.key.consumer());
            self.at(&place, self.inner.write(record)).await
        })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        self.inner.get(key)
    }
}

impl Lookup for Mortal<dyn Records> {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        self.inner.get(key)
    }
}

impl Records for Mortal<dyn Records> {
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        self.inner.list(tenant, collection, prefix, after, limit)
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        self.inner.answered(tenant, key, fingerprint)
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move {
            let what = work.writes.first().map_or("", |write| &write.key.collection);
            let place = format!("commit {what}");
            self.at(&place, self.inner.commit(work)).await
        })
    }
}

/// An action under its name.
pub(super) struct MortalAction {
    pub(super) name: &'static str,
    pub(super) action: Mortal<dyn Actions>,
}

impl Actions for MortalAction {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let place = format!("action {}", self.name);
            self.action.at(&place, self.action.inner.act(call, limits)).await
        })
    }
}
