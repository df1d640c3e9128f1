//! Looking at what became of events, without changing anything.

use sendoff_events::{EventId, Timestamp};

use crate::{
    CallError, Cause, Store,
    outbox::{place, type_and_commit},
};

/// An event as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedEvent {
    /// Its id.
    pub id: EventId,
    /// Its type, as it was written.
    pub event_type: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

impl Store {
    /// An event in the outbox, whether it is published or not. Published ones are kept for 30 days.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the table can't be read, or holds something else in its place.
    pub async fn event(&self, id: EventId) -> Result<Option<CommittedEvent>, CallError> {
        let table = self.table();
        let Some(item) = table.read(place(id)).await? else { return Ok(None) };
        let (event_type, committed_at) = type_and_commit(&item).map_err(|damage| CallError {
            call: "dynamodb:GetItem",
            resource: table.name().to_owned(),
            cause: Cause::Refused,
            code: None,
            message: format!("the item of event {id} is damaged: {damage}"),
        })?;
        Ok(Some(CommittedEvent { id, event_type, committed_at }))
    }
}
