//! Settling a doubt from outside of any attempt: by a provider's callback, or by a person.

use sendoff_events::{Rng, Timestamp};

use super::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, Status, StepState};
use crate::{Attempt, Class, scrub};

/// How long the claim lasts that settles a doubt.
const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// How often the write is tried that settles it. Before it, giving up changes nothing; without it, the record stays claimed.
const WRITES: u32 = 3;

/// What is known now of a step that was in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It happened: it is done. Also settles a step that is to be tried again, having been taken for not done: it must not be
    /// done twice.
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
    /// The step was open and isn't any more. The rest of the job goes on when its message is delivered, or replayed.
    Now,
    /// The step isn't open: nothing was changed.
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
/// While another of its steps is in doubt, a record that waits for a decision goes on waiting. `because` says who knows it and
/// how, and stays in the record's history.
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
    match stored.steps.get(step).ok_or_else(unknown)?.state {
        // Its attempt runs, and gets an answer of its own.
        StepState::Sending if stored.lease_until > now => return Err(ResolveError::Busy(stored.lease_until)),
        // Its attempt has vanished: the claim finds that out.
        StepState::Sending => {}
        state if resolution.settles(state) => {}
        _ => return Ok(Resolved::NotInDoubt),
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
        // It has ended, or somebody else settled it in between.
        Claimed::Settled(_) | Claimed::Mismatch => return Ok(Resolved::NotInDoubt),
    };
    let settled = settle(&mut record, step, resolution, because, now);
    reopen(&mut record, &stored, settled, now);
    let mut written = inbox.write(&record).await;
    for _ in 1..WRITES {
        match written {
            // The same write twice is the same as once.
            Err(InboxError::Unavailable(_)) => written = inbox.write(&record).await,
            Ok(()) | Err(InboxError::Lost) => break,
        }
    }
    written?;
    Ok(if settled { Resolved::Now } else { Resolved::NotInDoubt })
}

impl Resolution {
    /// Whether it changes anything for a step in this state.
    fn settles(&self, state: StepState) -> bool {
        state == StepState::InDoubt || (state == StepState::Pending && matches!(self, Self::Sent { .. }))
    }
}

/// Changes the step of the claimed record. Gives whether it was open.
fn settle(record: &mut InboxRecord, step: &str, resolution: &Resolution, because: &str, now: Timestamp) -> bool {
    let Some(step) = record.steps.get_mut(step).filter(|step| resolution.settles(step.state)) else { return false };
    (step.doubted, step.at, step.reason) = (false, now, Some(scrub(because)));
    step.state = match resolution {
        Resolution::Sent { provider_id } => {
            if provider_id.is_some() {
                step.provider_id.clone_from(provider_id);
            }
            StepState::Done
        }
        Resolution::SendAgain => {
            (step.provider, step.provider_id) = (None, None);
            StepState::Pending
        }
        Resolution::Failed => StepState::Failed,
    };
    let (reason, fingerprint) = ("resolved".to_owned(), "resolved".to_owned());
    record.remember(Attempt { at: now, class: Class::Resolved, reason, fingerprint, error: scrub(because) });
    true
}

/// Gives the claimed record back.
fn reopen(record: &mut InboxRecord, before: &InboxRecord, settled: bool, now: Timestamp) {
    record.revision += 1;
    record.updated_at = now;
    record.lease_until = now;
    let doubted = record.is_doubted();
    // Its message may be a dead letter already, and then nobody but a person looks at what is still in doubt.
    if !doubted {
        record.status = Status::Claimed;
    }
    record.attempts = if settled && !doubted { 0 } else { record.attempts.min(before.attempts) };
}
