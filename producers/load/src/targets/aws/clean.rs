//! Taking away what a run has left: by the ids that its report knows, by its tenants, and among messages and dead letters by what
//! they say. Sinks tell nothing of deliveries, so none of those are recorded.

use std::pin::pin;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_aws::{CallError, Cleared};
use sendoff_consumers::Receipt;
use sendoff_events::{EventId, TenantId};
use sendoff_producers::{
    api::TIMELINE,
    model::{App, Assignment, Stored as _, Submission, User},
};

use super::{
    OnAws, distinct,
    letters::{dead, each},
};
use crate::{
    RunId,
    target::{Cleaned, TargetError},
};

/// How many events are taken away in one step.
const STEP: usize = 1000;

/// So many tenants in a row without anything left, and there are no more.
const GAP: u64 = 20;

/// How many tenants are looked at at a time.
const AT_ONCE: usize = 8;

/// What holds apps, and what belongs to one: its id stands first in the ids of that.
const OF_APPS: [&str; 4] = [App::COLLECTION, Assignment::COLLECTION, Submission::COLLECTION, TIMELINE];

const CLEANING: &str = "cleaning up after the run";

impl OnAws {
    pub(super) async fn remove(&self, run: &RunId, dry: bool) -> Result<Cleaned, TargetError> {
        self.is_where_it_may().await?;
        let (folder, mut cleaned) = (self.folder(run), Cleaned::new());
        let (lines, consumers) = (folder.accepted()?, self.consumers().await?);
        let events = distinct(lines.iter().map(|line| line.event));
        let mut requests = Vec::new();
        if folder.may_have_asked()? {
            requests = distinct(lines.iter().map(|line| run.correlation(line.number)));
            // Its events tell of it, and so it goes before them.
            if let Some(tenant) = self.tenant_of(&events).await?.filter(|tenant| !run.owns(tenant.as_str())) {
                add(&mut cleaned, self.of_another(run, &tenant, &requests, dry).await.map_err(failed)?);
                // All of its requests were those of that one.
                requests.clear();
            }
        }
        for some in events.chunks(STEP) {
            add(&mut cleaned, self.store.clear_events(some, &consumers, dry).await.map_err(failed)?);
            add(&mut cleaned, [("payloads", self.store.clear_payloads(some, dry).await.map_err(failed)?)]);
        }
        let letters: Vec<String> = consumers.iter().map(|consumer| dead(consumer)).collect();
        // To look at what waits counts as a receive of each message, also of those that aren't the run's.
        let mut messages = consumers;
        messages.retain(|consumer| self.permit.queue(consumer));
        for (kind, queues) in [("dead letters", letters), ("messages", messages)] {
            let removed = each(queues, |queue| async move { self.remove_letters(run, &queue, dry).await }).await?;
            add(&mut cleaned, [(kind, removed.into_iter().sum())]);
        }
        self.tenants(run, &requests, dry, &mut cleaned).await?;
        cleaned.retain(|_, rows| *rows > 0);
        Ok(cleaned)
    }

    /// Takes away what belongs to the run's tenants: to the first of them at the very end, since a run of this name is known by it.
    async fn tenants(
        &self,
        run: &RunId,
        requests: &[String],
        dry: bool,
        cleaned: &mut Cleaned,
    ) -> Result<(), TargetError> {
        let of = async |number: u64| {
            let tenant = run.tenant(number).map_err(|e| TargetError::unusable("naming the run's tenants", e))?;
            self.tenant(&tenant, requests, dry).await.map_err(failed)
        };
        let mut others = pin!(stream::iter(1..).map(&of).buffered(AT_ONCE));
        let mut empty = 0;
        while empty < GAP
            && let Some(gone) = others.try_next().await?
        {
            empty = if gone.is_empty() { empty + 1 } else { 0 };
            add(cleaned, gone);
        }
        add(cleaned, of(0).await?);
        Ok(())
    }

    /// Takes away what belongs to one of the run's tenants; nothing is in it where nothing does. Its answers are looked for only if it
    /// has records, which go last.
    async fn tenant(&self, tenant: &TenantId, requests: &[String], dry: bool) -> Result<Cleared, CallError> {
        let of = [&OF_APPS[..], &[User::COLLECTION]].concat();
        let clear = |dry| self.store.clear_records(tenant, &of, "", &|_| true, dry);
        let records = clear(true).await?;
        if records == 0 {
            return Ok(Cleared::new());
        }
        let answers = self.store.clear_answers(tenant, requests, dry).await?;
        let records = if dry { records } else { clear(false).await? };
        Ok(Cleared::from([("records", records), ("answers", answers)]))
    }

    /// Whose the run's requests were: they all went by one token, or by those of its own tenants.
    async fn tenant_of(&self, events: &[EventId]) -> Result<Option<TenantId>, TargetError> {
        for some in events.chunks(STEP) {
            let found = self.store.tenant_of(some).await.map_err(failed)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Takes away what the run has made for the tenant of its token: its apps, with all that belongs to them, and the answers to its
    /// requests.
    async fn of_another(
        &self,
        run: &RunId,
        tenant: &TenantId,
        requests: &[String],
        dry: bool,
    ) -> Result<Cleared, CallError> {
        let is_own = |id: &str| id.split('/').next().is_some_and(|app| run.owns(app));
        let records = self.store.clear_records(tenant, &OF_APPS, &run.names(), &is_own, dry).await?;
        let answers = self.store.clear_answers(tenant, requests, dry).await?;
        Ok(Cleared::from([("records", records), ("answers", answers)]))
    }

    async fn remove_letters(&self, run: &RunId, queue: &str, dry: bool) -> Result<u64, TargetError> {
        let own = self.take(queue, |letter| letter.is_of(run)).await?;
        let own: Vec<Receipt> = own.into_iter().map(|letter| letter.receipt).collect();
        if dry {
            self.give_back(queue, &own).await;
            return Ok(own.len() as u64);
        }
        let deleted = self.ways.letters.delete(queue, &own).await;
        Ok(deleted.iter().filter(|deleted| deleted.is_ok()).count() as u64)
    }
}

fn failed(error: CallError) -> TargetError {
    TargetError::unreachable(CLEANING, error)
}

fn add<K: Into<String>>(cleaned: &mut Cleaned, more: impl IntoIterator<Item = (K, u64)>) {
    for (kind, rows) in more {
        *cleaned.entry(kind.into()).or_default() += rows;
    }
}
