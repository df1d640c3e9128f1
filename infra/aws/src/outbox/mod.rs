//! What was committed and isn't known to be published.

mod aside;
mod index;
mod item;
mod pending;

use std::{collections::HashSet, sync::Arc, time::Duration};

pub(crate) use aside::put_aside;
use futures::{StreamExt as _, stream};
pub(crate) use item::{Stored, TENANT, item, place, tenant, type_and_commit};
use sendoff_events::{Blobs, BoxFuture, Clock, EventId, Outgoing, Timestamp};
use sendoff_producers::{Outbox, OutboxError, Pending};

use crate::{
    CallError, Store,
    item::{Attribute, Item},
    table::Table,
    tables::records::{EXPIRES, PENDING, PK},
};

/// How long a published event can still be looked up.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// When it was published, in milliseconds since 1970.
const PUBLISHED: &str = "published";
/// How many marks are made at the same time.
const AT_ONCE: usize = 16;

/// [`Outbox`] over the table of records.
pub(crate) struct DynamoOutbox {
    table: Table,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// What was committed and isn't known to be published.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.dynamo_outbox())
    }

    /// The same with what only the relay of the stream needs.
    pub(crate) fn dynamo_outbox(&self) -> DynamoOutbox {
        DynamoOutbox { table: self.table(), blobs: self.blobs(), clock: Arc::clone(&self.clock) }
    }
}

impl DynamoOutbox {
    /// Those of the events that aren't marked as published, in the same order. The relay of the stream comes after the fast
    /// path, so most of what it is given needs no publishing any more.
    ///
    /// # Errors
    ///
    /// [`OutboxError`] when the table can't be read.
    pub(crate) async fn still_pending(&self, ids: &[EventId]) -> Result<Vec<EventId>, OutboxError> {
        let places = distinct(ids).map(place).collect();
        let found = self.table.read_all(places, &[PK, PENDING]).await.map_err(|e| OutboxError(e.to_string()))?;
        let waiting = found.iter().filter(|item| item.has(PENDING)).filter_map(|item| item::id_of(item).ok());
        let waiting: HashSet<EventId> = waiting.collect();
        Ok(distinct(ids).filter(|id| waiting.contains(id)).collect())
    }

    /// The event in an item that is waiting, with its body.
    ///
    /// # Errors
    ///
    /// [`OutboxError`] when a body that was put aside can't be fetched now.
    pub(crate) async fn outgoing(&self, stored: Stored) -> Result<Outgoing, OutboxError> {
        stored.into_outgoing(&*self.blobs).await.map_err(|error| OutboxError(error.to_string()))
    }

    async fn mark(&self, id: EventId, now: Timestamp) -> Result<(), OutboxError> {
        let expires = Item::default().with_expiry(EXPIRES, now.checked_add(KEPT).unwrap_or(Timestamp::MAX));
        let mut values = expires.with_moment(PUBLISHED, now).into_sdk();
        let mut value = |name| values.remove(name).unwrap_or_else(|| Attribute::N("0".to_owned()).into());
        let marked = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(place(id).into_sdk()))
            .update_expression("REMOVE #pending SET #published = :published, #expires = :expires")
            .condition_expression("attribute_exists(#pending)")
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_names("#published", PUBLISHED)
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":published", value(PUBLISHED))
            .expression_attribute_values(":expires", value(EXPIRES))
            .send()
            .await;
        match marked {
            Ok(_) => Ok(()),
            // It is marked already, or isn't there.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(OutboxError(CallError::of("dynamodb:UpdateItem", self.table.name(), &error).to_string())),
        }
    }
}

impl Outbox for DynamoOutbox {
    fn pending(&self, committed_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
        Box::pin(self.oldest(committed_before, limit))
    }

    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let marks: Vec<_> = distinct(ids).map(|id| self.mark(id, now)).collect();
            // All are tried, whatever becomes of one.
            let marked: Vec<_> = stream::iter(marks).buffer_unordered(AT_ONCE).collect().await;
            marked.into_iter().collect()
        })
    }
}

/// The ids, each once, in their order.
fn distinct(ids: &[EventId]) -> impl Iterator<Item = EventId> {
    let mut seen = HashSet::new();
    ids.iter().copied().filter(move |id| seen.insert(*id))
}
