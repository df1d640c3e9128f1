//! The port for "later": a message that goes into a queue at a time, however far away.

use sendoff_events::{BoxFuture, Timestamp};

use crate::NewMessage;

/// A message with a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name. Putting a schedule with the same name again replaces it.
    pub name: String,
    /// When the message goes into the queue; the past means now.
    pub due: Timestamp,
    /// Which queue.
    pub queue: String,
    /// The message. Its own delay is ignored.
    pub message: NewMessage,
}

/// A schedule couldn't be put or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum SchedulesError {
    /// There is no such queue.
    #[error("there is no queue `{0}`")]
    NoSuchQueue(String),
    /// The schedules can't be reached; trying again later may help.
    #[error("the schedules can't be reached: {0}")]
    Unavailable(String),
}

/// Messages for later. Each is delivered at least once, not before it is due.
pub trait Schedules: Send + Sync {
    /// Puts a schedule, or replaces the one of the same name that isn't delivered yet.
    fn put<'a>(&'a self, schedule: &'a Schedule) -> BoxFuture<'a, Result<(), SchedulesError>>;

    /// Cancels a schedule. Gives whether it was still there to be cancelled.
    fn cancel<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, SchedulesError>>;
}
