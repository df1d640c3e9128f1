//! State, committed in one transaction with the events that tell of it.

mod attempt;
mod batch;
mod commit;
mod item;
mod limits;
mod list;
mod request;
mod standing;
mod transaction;
mod verdict;

use std::sync::Arc;

pub(crate) use item::{FACTS, Image, hushed, partition, sort_key};
pub(crate) use request::place as answer_of;
use sendoff_events::{Blobs, BoxFuture, Clock, Rng, TenantId};
use sendoff_producers::{
    Answer, CommitError, Committed, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
};

use crate::{Store, table::Table};
use item::Place;
use request::Asked;

/// [`Records`] over the table. A commit writes records, events and request key in one transaction.
pub(crate) struct DynamoRecords {
    table: Table,
    blobs: Arc<dyn Blobs>,
    /// The largest body of an event that stands in the table; larger ones are put aside.
    inline: usize,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Store {
    /// The state.
    #[must_use]
    pub fn records(&self) -> Arc<dyn Records> {
        Arc::new(DynamoRecords {
            table: self.table(),
            blobs: self.blobs(),
            inline: self.resources.topic_limit,
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
        })
    }

    /// The table of records.
    pub(crate) fn table(&self) -> Table {
        Table::new(self.aws.clone(), &self.resources.table, Arc::clone(&self.clock), Arc::clone(&self.rng))
    }
}

impl DynamoRecords {
    /// The answer that was given to a request, if it was asked before.
    async fn answer(
        &self,
        tenant: &TenantId,
        key: &str,
        fingerprint: &[u8; 32],
    ) -> Result<Option<Answer>, CommitError> {
        let stored = self.table.read(request::place(tenant, key)).await;
        let stored = stored.map_err(|error| CommitError::Unavailable(error.to_string()))?;
        match request::asked(stored.as_ref(), fingerprint, self.clock.now()).map_err(|damage| self.damaged(&damage))? {
            Asked::Never => Ok(None),
            Asked::Before(answer) => Ok(Some(answer)),
            Asked::Otherwise => Err(CommitError::RequestMismatch { key: key.to_owned() }),
        }
    }
}

impl Lookup for DynamoRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            let Some(place) = Place::of(key) else { return Ok(None) };
            let found = self.table.read(place.item()).await;
            match found.map_err(|error| ReadError::Unavailable(error.to_string()))? {
                Some(item) => list::live(&item),
                None => Ok(None),
            }
        })
    }
}

impl Records for DynamoRecords {
    fn get_all<'a>(&'a self, keys: &'a [RecordKey]) -> BoxFuture<'a, Result<Vec<Option<Record>>, ReadError>> {
        Box::pin(self.all_of(keys))
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(self.page(tenant, collection, prefix, after, limit))
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        Box::pin(self.answer(tenant, key, fingerprint))
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move { self.transact(&work).await })
    }
}
