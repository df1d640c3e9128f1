//! How letters are moved, and what came of it.

use sendoff_consumers::{DeadLetter, DeadLetters, OutgoingLetter};
use sendoff_events::Clock;

/// Where letters come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Out of an archive: nothing is deleted anywhere.
    Archive,
    /// Out of this queue, which they leave.
    Queue(&'a str),
}

/// How letters are moved.
#[derive(Clone, Copy)]
pub struct Mover<'a> {
    /// The queues.
    pub letters: &'a dyn DeadLetters,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where they come from.
    pub source: Source<'a>,
    /// The queue that they go into.
    pub to: &'a str,
    /// The queue that they are copies of, if it is one of this deployment.
    pub copy_of: Option<&'a str>,
    /// What stands behind a message's id in its deduplication id: another text for each kind of move.
    pub dedup: &'a str,
}

/// What came of the letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Sent by this call.
    pub sent: u64,
    /// Sent before, by a call that broke off or by an earlier one.
    pub sent_before: u64,
    /// Deleted where they were.
    pub deleted: u64,
    /// Of those sent by this call, how many a call that broke off may have sent already: they may be there twice.
    pub sent_again: u64,
    /// Nobody knows whether they were sent.
    pub unknown: u64,
    /// The queue doesn't take them.
    pub refused: u64,
    /// Sent, but still in the queue that they are to leave, as far as can be seen.
    pub left: u64,
    /// Gone from there before they could be sent, or held by somebody else.
    pub missing: u64,
    /// Not seen among those that could be leased: whether they are there, nobody knows.
    pub not_seen: u64,
    /// With another body than when they were chosen: not touched.
    pub changed: u64,
}

impl Moved {
    /// Whether nothing is left to do for a later call.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.unknown == 0 && self.left == 0
    }
}

impl Mover<'_> {
    /// The letter as it is, its failure and all attributes included.
    pub(super) fn outgoing(&self, letter: &DeadLetter) -> OutgoingLetter {
        let DeadLetter { message_id, body, attributes, types, group, .. } = letter.clone();
        let dedup = format!("{message_id}-{}", self.dedup);
        let copy_of = self.copy_of.map(|queue| (queue.to_owned(), message_id));
        OutgoingLetter { body, attributes, types, group, dedup, copy_of }
    }
}
