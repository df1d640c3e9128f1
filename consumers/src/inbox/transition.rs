//! The rules of the inbox as pure functions: what every backend must do, and what the conformance suite checks.

use crate::{Claim, Claimed, InboxError, InboxRecord, Status, StepState, Steps};

/// Why a step is in doubt that a process was sending when it vanished.
pub(crate) const VANISHED: &str = "the process that was sending it vanished";

/// Decides a claim against the stored record. Gives the answer, and the record to store if it changes.
///
/// | stored | answer |
/// |---|---|
/// | nothing, or expired | won, first attempt |
/// | the same fence | won: our own claim, whose answer was lost |
/// | another payload | mismatch |
/// | claimed, lease running | busy |
/// | claimed, lease lapsed | won, one attempt more; what was *sending* is in doubt |
/// | the same, and the message was replayed since | won, attempts from 1, failed steps forgotten |
/// | in doubt, and the claim is to reconcile | won, still in doubt, as many attempts as before (one more if the last who looked into it vanished); busy while another such lease runs |
/// | done, in doubt | settled |
/// | failed | settled, unless the message was replayed since: then won, attempts from 1, failed steps forgotten |
#[must_use]
pub fn claim(stored: Option<InboxRecord>, claim: &Claim) -> (Claimed, Option<InboxRecord>) {
    let stored = match stored {
        Some(record) if record.expires_at.is_none_or(|at| at > claim.now) => record,
        _ => return won(fresh(claim)),
    };
    if stored.payload_hash != claim.payload_hash {
        return (Claimed::Mismatch, None);
    }
    match stored.status {
        Status::Claimed if stored.fence == claim.fence => (Claimed::Won(stored), None),
        Status::Claimed if stored.lease_until > claim.now => (Claimed::Busy { until: stored.lease_until }, None),
        Status::Claimed if claim.replay > stored.replay => won(replayed(stored, claim)),
        Status::Claimed => {
            let attempts = stored.attempts + 1;
            won(taken_over(stored, claim, attempts))
        }
        Status::InDoubt if claim.reconcile && stored.lease_until > claim.now => {
            let until = stored.lease_until;
            (if stored.fence == claim.fence { Claimed::Won(stored) } else { Claimed::Busy { until } }, None)
        }
        // Our own claim, which has found nothing out since.
        Status::InDoubt if claim.reconcile && stored.fence == claim.fence => (Claimed::Settled(stored), None),
        // It stays in doubt until it is settled: its message may be a dead letter, and whoever looks into it may vanish.
        Status::InDoubt if claim.reconcile => {
            // Who vanished while looking into it counts: that must end, too.
            let vanished = stored.lease_until > stored.updated_at;
            let attempts = stored.attempts + u32::from(vanished);
            won(InboxRecord { status: Status::InDoubt, ..taken_over(stored, claim, attempts) })
        }
        Status::Failed if claim.replay > stored.replay => won(replayed(stored, claim)),
        Status::Done | Status::InDoubt | Status::Failed => (Claimed::Settled(stored), None),
    }
}

/// Decides a write: whether to store it.
///
/// # Errors
///
/// [`InboxError::Lost`] when the stored record is gone or carries another fence.
pub fn write(stored: Option<&InboxRecord>, record: &InboxRecord) -> Result<bool, InboxError> {
    match stored {
        Some(stored) if stored.fence == record.fence => Ok(stored.revision < record.revision),
        _ => Err(InboxError::Lost),
    }
}

fn won(record: InboxRecord) -> (Claimed, Option<InboxRecord>) {
    (Claimed::Won(record.clone()), Some(record))
}

fn fresh(claim: &Claim) -> InboxRecord {
    InboxRecord {
        key: claim.key.clone(),
        status: Status::Claimed,
        fence: claim.fence,
        revision: 1,
        lease_until: claim.lease_until,
        attempts: 1,
        replay: claim.replay,
        payload_hash: claim.payload_hash,
        steps: Steps::new(),
        history: Vec::new(),
        first_at: claim.now,
        updated_at: claim.now,
        expires_at: None,
    }
}

/// Whoever replays a message wants to have tried again what had failed.
fn replayed(record: InboxRecord, claim: &Claim) -> InboxRecord {
    let mut record = taken_over(record, claim, 1);
    record.steps.retain(|_, step| step.state != StepState::Failed);
    record
}

fn taken_over(mut record: InboxRecord, claim: &Claim, attempts: u32) -> InboxRecord {
    for step in record.steps.values_mut().filter(|s| s.state == StepState::Sending) {
        step.state = StepState::InDoubt;
        // Its moment stays: whoever looks for what was sent has to begin there.
        step.doubted = true;
        step.reason = Some(VANISHED.into());
    }
    record.status = Status::Claimed;
    record.fence = claim.fence;
    record.revision += 1;
    record.lease_until = claim.lease_until;
    record.attempts = attempts;
    record.replay = record.replay.max(claim.replay);
    record.updated_at = claim.now;
    record.expires_at = None;
    record
}
