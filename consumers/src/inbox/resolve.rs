//! Settling a doubt from outside of any attempt: by a provider's callback, or by a person.

use sendoff_events::{Rng, Timestamp};

use super::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, Status, StepState};
use crate::{Attempt, Class, scrub};

/// How long the claim lasts that settles a doubt.
const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// What is known now of a step that was in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It happened: it is done.
    Sent {
        /// The provider's name for it.
        provider_id: Option<String>,
    },
    /// It didn't, and is to be tried again.
    SendAgain,
    /// It didn't, and never will: the provider gave it up.
    Failed,
}

/// What became of a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// The step was in doubt and isn't any more. The rest of the job goes on when its message is delivered, or replayed.
    Now,
    /// The step isn't in doubt: nothing was changed.
    NotInDoubt,
}

/// A doubt could not be resolved. Nothing was changed, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such record, or it has no such step.
    #[error("nothing is known of `{0}`")]
    Unknown(String),
    /// An attempt is running, and may be finding it out itself.
    #[error("it is being worked on until {0}: try again after that")]
    Busy(Timestamp),
    /// The inbox failed.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// Settles the step of `key` that is in doubt, and opens its record, so that the rest of the job can go on: attempts count anew.
/// `because` says who knows it and how, and stays in the record's history.
///
/// The record is claimed as any attempt claims it: whoever works on it meanwhile loses nothing and overwrites nothing.
///
/// # Errors
///
/// [`ResolveError`].
pub async fn resolve(
    inbox: &dyn Inbox,
    key: &IdempotencyKey,
    step: &str,
    resolution: &Resolution,
    because: &str,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Resolved, ResolveError> {
    let unknown = || ResolveError::Unknown(key.step(step));
    let stored = inbox.get(key).await?.ok_or_else(unknown)?;
    let found = stored.steps.get(step).ok_or_else(unknown)?;
    let vanished = stored.status == Status::Claimed && found.state == StepState::Sending && stored.lease_until <= now;
    if found.state != StepState::InDoubt && !vanished {
        return match (stored.status, found.state) {
            (Status::Claimed, StepState::Sending) => Err(ResolveError::Busy(stored.lease_until)),
            _ => Ok(Resolved::NotInDoubt),
        };
    }
    let claim = Claim {
        key: key.clone(),
        fence: rng.next_u64() >> 1,
        payload_hash: stored.payload_hash,
        replay: stored.replay,
        now,
        lease_until: now.checked_add(LEASE).unwrap_or(Timestamp::MAX),
        reconcile: true,
    };
    let mut record = match inbox.claim(&claim).await? {
        Claimed::Won(record) => record,
        Claimed::Busy { until } => return Err(ResolveError::Busy(until)),
        // Somebody else settled it in between.
        Claimed::Settled(_) | Claimed::Mismatch => return Ok(Resolved::NotInDoubt),
    };
    let open = settle(&mut record, step, resolution, because, now);
    inbox.write(&record).await?;
    Ok(if open { Resolved::Now } else { Resolved::NotInDoubt })
}

/// Changes the claimed record. Gives whether the step was in doubt.
fn settle(record: &mut InboxRecord, step: &str, resolution: &Resolution, because: &str, now: Timestamp) -> bool {
    let found = record.steps.get_mut(step).filter(|step| step.state == StepState::InDoubt);
    let was_in_doubt = found.is_some();
    if let Some(step) = found {
        (step.doubted, step.at, step.reason) = (false, now, Some(scrub(because)));
        step.state = match resolution {
            Resolution::Sent { provider_id } => {
                if provider_id.is_some() {
                    step.provider_id.clone_from(provider_id);
                }
                StepState::Done
            }
            Resolution::SendAgain => StepState::Pending,
            Resolution::Failed => StepState::Failed,
        };
        let fingerprint = "resolved".to_owned();
        let error = scrub(because);
        record.remember(Attempt { at: now, class: Class::Resolved, reason: "resolved".into(), fingerprint, error });
    }
    record.revision += 1;
    record.updated_at = now;
    record.lease_until = now;
    // What else is in doubt stays so: the next delivery finds it among the steps, and holds the message again.
    (record.status, record.attempts) = (Status::Claimed, 0);
    was_in_doubt
}
