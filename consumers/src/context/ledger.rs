//! The claimed record while its attempt runs: what earlier attempts have left in it, and what this one writes.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::Context;
use crate::{
    Doubt, Effect, HandlerError, InboxError, InboxRecord, NotSent, Once, SendOutcome, Status, Step, StepState,
    inbox::insist, moments::later,
};

/// The claimed record as this attempt knows it.
pub(super) struct Ledger {
    pub(super) record: InboxRecord,
    /// The revision that the inbox is known to hold.
    stored: u64,
    lost: bool,
    /// The steps that are being run right now.
    running: BTreeSet<String>,
    /// The steps whose effects this attempt has begun and not heard of since, each as often as it did.
    begun: Vec<String>,
}

impl Ledger {
    /// Of a record as it was claimed.
    pub(super) const fn new(record: InboxRecord) -> Self {
        Self { stored: record.revision, record, lost: false, running: BTreeSet::new(), begun: Vec::new() }
    }

    /// Whether nobody knows what became of an effect of this attempt.
    fn is_unknown(&self) -> bool {
        let state = |step: &String| self.record.steps.get(step).map(|step| step.state);
        self.begun.iter().any(|step| matches!(state(step), Some(StepState::InDoubt | StepState::Sending)))
    }

    /// It is known what became of the effect that was begun last: what is in doubt of the step is something earlier.
    fn know(&mut self, step: &str) {
        if let Some(begun) = self.begun.iter().rposition(|begun| begun == step) {
            self.begun.remove(begun);
        }
    }
}

/// What earlier attempts mean for a step.
pub(super) enum Known {
    /// It is to be run.
    New,
    /// There is nothing left to do.
    Done,
    /// It may have happened.
    Doubt(Doubt),
}

/// Who did something, and what they call it.
#[derive(Default)]
pub(super) struct By {
    pub(super) provider: Option<Cow<'static, str>>,
    pub(super) provider_id: Option<String>,
}

/// A step while it runs. Whoever drops it half way leaves it *sending*: in doubt.
pub(super) struct Running<'a> {
    context: &'a Context,
    step: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.context.ledger().running.remove(self.step);
    }
}
impl Context {
    /// Whether a step in doubt is done again.
    pub(super) fn resends(&self) -> bool {
        self.policy.on_doubt.resends_after(self.ledger().record.unknowns())
    }

    /// Marks the step as running. Two at once could each believe that the other one isn't there.
    pub(super) fn enter<'a>(&'a self, step: &'a str) -> Result<Running<'a>, HandlerError> {
        if self.ledger().running.insert(step.to_owned()) {
            return Ok(Running { context: self, step });
        }
        let why = format!("step `{step}` was begun twice at once: give each part of the job a name of its own");
        Err(HandlerError::Reject { reason: "step-repeated".into(), source: why.into() })
    }

    /// What earlier attempts mean for this one.
    pub(super) fn look_up(&self, step: &str) -> Result<Known, HandlerError> {
        let ledger = self.ledger();
        let Some(known) = ledger.record.steps.get(step) else { return Ok(Known::New) };
        match known.state {
            StepState::Done | StepState::Skipped => Ok(Known::Done),
            StepState::Failed => Err(refused(known.reason.clone().unwrap_or_default())),
            StepState::Pending => Ok(Known::New),
            StepState::InDoubt | StepState::Sending if self.policy.effect == Effect::Repeatable => Ok(Known::New),
            StepState::InDoubt | StepState::Sending => Ok(Known::Doubt(Doubt {
                idempotency_key: self.key.step(step),
                provider: known.provider.clone(),
                since: known.at,
                moved: false,
            })),
        }
    }

    /// Whether the step was begun for another place. What was begun without one may have been.
    pub(super) fn has_moved(&self, step: &str, mark: Option<&str>) -> bool {
        let ledger = self.ledger();
        let known = ledger.record.steps.get(step).and_then(|step| step.mark.as_deref());
        mark.is_some() && known != mark
    }

    /// Takes a doubt back: it was found out that nothing had happened.
    pub(super) fn clear(&self, step: &str, reason: String) {
        let at = self.now();
        let mut ledger = self.ledger();
        ledger.record.revision += 1;
        if let Some(step) = ledger.record.steps.get_mut(step) {
            (step.state, step.doubted, step.at) = (StepState::Pending, false, at);
            // Who is asked next is whoever it is sent through next.
            (step.provider, step.provider_id) = (None, None);
            step.reason = Some(crate::scrub(&reason));
        }
    }

    /// Tells the inbox that the step begins. Nothing is sent unless the inbox has confirmed it.
    pub(super) async fn announce(&self, step: &str, mark: Option<String>) -> Result<(), HandlerError> {
        let before = self.set(step, StepState::Sending, By::default(), None);
        let was_in_doubt = {
            let mut ledger = self.ledger();
            if let (Some(step), Some(mark)) = (ledger.record.steps.get_mut(step), mark) {
                step.mark = Some(mark);
            }
            // What began as a look into a doubt is an attempt now.
            let was_in_doubt = ledger.record.status == Status::InDoubt;
            if was_in_doubt {
                ledger.record.status = Status::Claimed;
                ledger.record.attempts += 1;
            }
            was_in_doubt
        };
        match self.store().await {
            Ok(()) => {
                self.ledger().begun.push(step.to_owned());
                Ok(())
            }
            Err(error) => {
                // Nothing was sent, so the record must not say so when it is written next.
                let mut ledger = self.ledger();
                ledger.record.revision += 1;
                if was_in_doubt {
                    ledger.record.status = Status::InDoubt;
                    ledger.record.attempts -= 1;
                }
                match before {
                    Some(before) => ledger.record.steps.insert(step.to_owned(), before),
                    None => ledger.record.steps.remove(step),
                };
                Err(HandlerError::Snooze { until: None, source: error.into() })
            }
        }
    }

    pub(super) fn conclude(&self, step: &str, outcome: SendOutcome) -> Result<Once, HandlerError> {
        let doubted = self.ledger().record.steps.get(step).is_some_and(|s| s.doubted);
        if !matches!(outcome, SendOutcome::Unknown { .. }) {
            self.ledger().know(step);
        }
        // A definite failure of this attempt says nothing about an earlier one that is in doubt.
        let unless_doubted = |state| if doubted { StepState::InDoubt } else { state };
        match outcome {
            SendOutcome::Sent { provider, provider_id } => {
                self.set(step, StepState::Done, By { provider, provider_id }, None);
                Ok(Once::Ran)
            }
            SendOutcome::Skipped { reason } => {
                self.set(step, unless_doubted(StepState::Skipped), By::default(), Some(reason));
                Ok(Once::Ran)
            }
            SendOutcome::NotSent(NotSent::Permanent { reason } | NotSent::Gone { reason }) => {
                self.set(step, unless_doubted(StepState::Failed), By::default(), Some(reason.clone()));
                if doubted { Err(HandlerError::InDoubt { source: reason.into() }) } else { Err(refused(reason)) }
            }
            SendOutcome::NotSent(NotSent::Transient { reason }) => {
                self.set(step, unless_doubted(StepState::Pending), By::default(), Some(reason.clone()));
                Err(HandlerError::Retry { after: None, source: reason.into() })
            }
            SendOutcome::NotSent(NotSent::Throttled { after, reason }) => {
                self.set(step, unless_doubted(StepState::Pending), By::default(), Some(reason.clone()));
                let until =
                    after.map(|after| later(self.now(), self.policy.patience(after, self.deliveries, &*self.rng)));
                Err(HandlerError::Snooze { until, source: reason.into() })
            }
            SendOutcome::NotSent(NotSent::NotYet { after, reason }) => {
                self.set(step, unless_doubted(StepState::Pending), By::default(), Some(reason.clone()));
                Err(HandlerError::Snooze { until: Some(later(self.now(), after)), source: reason.into() })
            }
            SendOutcome::NotSent(NotSent::Unavailable { after, reason }) => {
                self.set(step, unless_doubted(StepState::Pending), By::default(), Some(reason.clone()));
                let until = after.map(|after| later(self.now(), after));
                Err(HandlerError::Pause { until, source: reason.into() })
            }
            SendOutcome::Unknown { reason, .. } if self.policy.effect == Effect::Repeatable => {
                self.set(step, StepState::Pending, By::default(), Some(reason.clone()));
                Err(HandlerError::Retry { after: None, source: reason.into() })
            }
            SendOutcome::Unknown { provider, reason } => {
                self.set(step, StepState::InDoubt, By { provider, provider_id: None }, Some(reason.clone()));
                Err(HandlerError::InDoubt { source: reason.into() })
            }
        }
    }

    /// Changes a step in the ledger and gives what it was before.
    pub(super) fn set(&self, step: &str, state: StepState, by: By, reason: Option<String>) -> Option<Step> {
        let at = self.now();
        let mut ledger = self.ledger();
        ledger.record.revision += 1;
        let before = ledger.record.steps.get(step).cloned();
        // Found sending, it was given up half way by its own handler.
        let doubts = |b: &Step| b.doubted || (b.state, state) == (StepState::Sending, StepState::Sending);
        let doubted = state == StepState::InDoubt || before.as_ref().is_some_and(doubts);
        // A doubt is as old as the first attempt that left it: what is looked for may have been sent then.
        let begun = before.as_ref().filter(|b| b.doubted || b.state == StepState::Sending).map(|b| b.at);
        let open = doubted && matches!(state, StepState::InDoubt | StepState::Sending);
        let at = begun.filter(|_| open).unwrap_or(at);
        let reason = reason.map(|r| crate::scrub(&r));
        // Who may have acted in an attempt that is in doubt stays known until somebody has for sure.
        let known = before.as_ref().filter(|before| before.doubted).and_then(|before| before.provider.clone());
        let provider = by.provider.map(Cow::into_owned).or(known);
        let provider_id = by.provider_id;
        let mark = before.as_ref().and_then(|before| before.mark.clone());
        ledger
            .record
            .steps
            .insert(step.to_owned(), Step { state, doubted, at, provider, provider_id, reason, mark, result: None });
        before
    }

    /// Writes the ledger to the inbox. One write carries the steps of all who wait for it.
    pub(super) async fn store(&self) -> Result<(), InboxError> {
        let wanted = self.ledger().record.revision;
        let _turn = self.writing.lock().await;
        let record = {
            let ledger = self.ledger();
            if ledger.lost {
                return Err(InboxError::Lost);
            }
            if ledger.stored >= wanted {
                return Ok(());
            }
            ledger.record.clone()
        };
        let result = insist(&*self.clock, &*self.rng, || self.inbox.write(&record)).await;
        let mut ledger = self.ledger();
        match &result {
            Ok(()) => ledger.stored = record.revision,
            Err(InboxError::Lost) => ledger.lost = true,
            Err(InboxError::Unavailable(_)) => {}
        }
        result
    }

    /// Lets `judge` end the attempt in the ledger and writes it to the inbox.
    pub(crate) async fn settle<T>(&self, judge: impl FnOnce(&mut InboxRecord, bool) -> T) -> Result<T, InboxError> {
        let judgement = {
            let mut ledger = self.ledger();
            ledger.record.revision += 1;
            let is_unknown = ledger.is_unknown();
            judge(&mut ledger.record, is_unknown)
        };
        self.store().await.map(|()| judgement)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing that holds the lock can leave the ledger half changed.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two bytes of a hash of a place; none of no place.
pub(super) fn mark(place: &str) -> Option<String> {
    let hash = Sha256::digest(place);
    (!place.is_empty()).then(|| format!("{:02x}{:02x}", hash[0], hash[1]))
}

/// The provider said no for good.
pub(super) fn refused(reason: String) -> HandlerError {
    HandlerError::Reject { reason: "refused-by-provider".into(), source: reason.into() }
}
