//! What is sent when a letter is replayed.

use sendoff_consumers::{DeadLetter, DeadLetterQueue};
use sendoff_events::{Blobs, BoxFuture, EventId};

use crate::letter::{self, Original};

/// What letters were before, and what they are about.
pub trait Originals: Send + Sync {
    /// The message as it was first sent, or why it can't be sent again.
    fn original<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<Original, String>>;

    /// The event that a letter carries, and how often it was replayed.
    fn event(&self, letter: &DeadLetter) -> Option<(EventId, u32)>;
}

/// The letters of a queue, whose bodies may stand elsewhere.
pub struct OfQueue<'a> {
    /// The queue.
    pub queue: &'a DeadLetterQueue,
    /// Where large bodies stand.
    pub blobs: &'a dyn Blobs,
}

impl Originals for OfQueue<'_> {
    fn original<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<Original, String>> {
        Box::pin(letter::restore(letter, self.queue, self.blobs))
    }

    fn event(&self, letter: &DeadLetter) -> Option<(EventId, u32)> {
        let facts = letter::decode(letter, self.queue);
        Some((facts.event?.id, facts.replays))
    }
}
