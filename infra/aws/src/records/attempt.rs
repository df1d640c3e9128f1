//! A unit of work on its way into the table: what each of its parts is tried on, and the transaction that tries it.

use aws_sdk_dynamodb::{error::BuildError, types::TransactWriteItem};
use sendoff_events::{Outgoing, Pointer, Timestamp};
use sendoff_producers::{UnitOfWork, Write};

use super::{
    item::{self, Place},
    request,
    standing::Standing,
    transaction::{Condition, check, put},
};
use crate::{item::Item, outbox};

/// The whole of it.
pub(super) struct Attempt<'a> {
    pub(super) work: &'a UnitOfWork,
    pub(super) writes: Vec<Planned<'a>>,
    pub(super) events: Vec<Leaving<'a>>,
}

/// A write, and what it is tried on.
pub(super) struct Planned<'a> {
    pub(super) write: &'a Write,
    pub(super) place: Place,
    /// What the record will hold, as text; `None` deletes it.
    pub(super) data: Option<String>,
    pub(super) standing: Standing,
}

/// An event on its way into the outbox.
pub(super) struct Leaving<'a> {
    pub(super) event: &'a Outgoing,
    /// Where its body is, if it was put aside.
    pub(super) pointer: Option<Pointer>,
    /// Whether it is in the outbox already: a unit of work without a request key may be repeated.
    pub(super) is_there: bool,
}

impl Planned<'_> {
    /// Whether it deletes what isn't there. Then nothing is written, and nothing counts.
    fn is_idle(&self) -> bool {
        self.data.is_none() && self.standing.found().is_none()
    }

    /// The version after the commit.
    pub(super) fn version(&self) -> u64 {
        if self.is_idle() { self.standing.version() } else { self.standing.version().saturating_add(1) }
    }

    pub(super) fn item(&self, work: &UnitOfWork) -> Item {
        item::item(&self.place, self.version(), self.data.as_deref(), &work.actor, work.at)
    }
}

impl Attempt<'_> {
    /// The actions of the transaction: the request key, the writes, the events.
    pub(super) fn actions(&self, table: &str, now: Timestamp) -> Result<Vec<TransactWriteItem>, BuildError> {
        let work = self.work;
        let mut actions = Vec::with_capacity(1 + self.writes.len() + self.events.len());
        if let Some(request) = &work.request {
            let item = request::item(&work.tenant, request, now);
            actions.push(put(table, item, Condition::new_or_expired(now))?);
        }
        for planned in &self.writes {
            let condition = Condition::still(planned.standing);
            actions.push(match planned.is_idle() {
                true => check(table, planned.place.item(), condition)?,
                false => put(table, planned.item(work), condition)?,
            });
        }
        for Leaving { event, pointer, is_there } in &self.events {
            actions.push(match is_there {
                true => check(table, outbox::place(event.id()), Condition::same_item())?,
                false => put(table, outbox::item(event, pointer.as_ref(), work.at), Condition::new_item())?,
            });
        }
        Ok(actions)
    }
}
