//! Letting a job run once more that was done: what a person may want who knows that its effect is to happen twice.

use sendoff_events::Timestamp;

use super::{IdempotencyKey, Inbox, InboxError, Status, Steps};
use crate::{Attempt, Class, scrub};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReopenError {
    /// Nothing is known of it: it never ran, or was forgotten.
    #[error("nothing is known of `{0}`: there is nothing to run again")]
    Unknown(IdempotencyKey),
    /// It isn't done. What failed runs again when its message is replayed; what is in doubt has to be settled first.
    #[error("`{key}` isn't done: it is {status:?}")]
    NotDone {
        /// Which.
        key: IdempotencyKey,
        /// What it is instead.
        status: Status,
    },
    /// The inbox failed.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// Makes a record that is done one that has failed, without any of its steps, so that the next replay of its message runs all of
/// it again, from attempt 1. `because` says who wants it and why, and stays in its history. Doing it again before the replay changes nothing.
///
/// # Errors
///
/// [`ReopenError`].
pub async fn reopen(inbox: &dyn Inbox, key: &IdempotencyKey, because: &str, now: Timestamp) -> Result<(), ReopenError> {
    let mut record = inbox.get(key).await?.ok_or_else(|| ReopenError::Unknown(key.clone()))?;
    let was_reopened = record.history.last().is_some_and(|last| last.reason == REOPENED);
    match record.status {
        Status::Failed if was_reopened => return Ok(()),
        Status::Done => {}
        status => return Err(ReopenError::NotDone { key: key.clone(), status }),
    }
    (record.status, record.steps) = (Status::Failed, Steps::new());
    record.revision += 1;
    record.updated_at = now;
    let fingerprint = REOPENED.to_owned();
    let attempt =
        Attempt { at: now, class: Class::Resolved, reason: REOPENED.into(), fingerprint, error: scrub(because) };
    record.remember(attempt);
    Ok(inbox.write(&record).await?)
}

/// The reason of the last attempt of a record that [`reopen`] opened and that didn't run since.
pub const REOPENED: &str = "to-run-again";
