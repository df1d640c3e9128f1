//! What a handler may use: time, randomness, and the guarded effect.

mod ledger;

use std::sync::{Arc, Mutex};

use sendoff_events::{Clock, Rng, Timestamp, at_millis};
use serde_json::Value;

use self::ledger::{By, Known, Ledger, mark, refused};
use crate::{
    Doubt, Effect, Found, HandlerError, IdempotencyKey, Inbox, InboxRecord, Meter, OnDoubt, Once, Policy, SendOutcome,
    Sending, Status, StepState, load,
};

/// One attempt at one message: what its handler may use.
pub struct Context {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    inbox: Arc<dyn Inbox>,
    policy: Policy,
    key: IdempotencyKey,
    attempt: u32,
    /// How often the message was delivered.
    deliveries: u32,
    /// Who counts what goes to the sink; of what is no load test nothing does.
    sink: Option<Arc<dyn Meter>>,
    ledger: Mutex<Ledger>,
    /// Held while a record is on its way to the inbox, so that writes arrive in order.
    writing: futures::lock::Mutex<()>,
}

impl Context {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        inbox: Arc<dyn Inbox>,
        policy: Policy,
        record: InboxRecord,
        deliveries: u32,
        sink: Option<Arc<dyn Meter>>,
    ) -> Self {
        Self {
            clock,
            rng,
            inbox,
            policy,
            key: record.key.clone(),
            attempt: record.attempts,
            deliveries,
            sink,
            ledger: Mutex::new(Ledger::new(record)),
            writing: futures::lock::Mutex::new(()),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        at_millis(self.clock.now())
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Randomness.
    #[must_use]
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.rng
    }

    /// The idempotency key of this job: `consumer/event-id`.
    #[must_use]
    pub const fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the message was replayed: it was dead-lettered before, and others may have acted since.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.ledger().record.replay > 0
    }

    /// Whether the message is of a load test. Then no effect that a policy calls [`Effect::Once`] is run: it goes to a sink, and
    /// the ledger says that it was done by [`LOAD_SINK`](crate::LOAD_SINK). A handler whose effects are repeatable and go beyond
    /// the system has to ask this itself.
    #[must_use]
    pub const fn is_of_load_test(&self) -> bool {
        self.sink.is_some()
    }

    /// What is known of a step, if it has begun.
    #[must_use]
    pub fn state_of(&self, step: &str) -> Option<StepState> {
        self.ledger().record.steps.get(step).map(|step| step.state)
    }

    /// Records that a step is left out for good, and why. Nothing begins, so the inbox need not be told first. Of a step that
    /// has begun nothing is changed.
    ///
    /// # Errors
    ///
    /// [`HandlerError::InDoubt`] when an earlier attempt at the step may have had its effect: that is for
    /// [`once_or_found`](Self::once_or_found) to settle. [`HandlerError::Reject`] when it has failed, or is running.
    pub fn skip(&self, step: &str, reason: &str) -> Result<Once, HandlerError> {
        let _running = self.enter(step)?;
        match self.look_up(step)? {
            Known::Done => Ok(Once::AlreadyDone),
            Known::Doubt(_) => Err(HandlerError::InDoubt { source: reason.into() }),
            Known::New => {
                self.set(step, StepState::Skipped, By::default(), Some(reason.into()));
                Ok(Once::Ran)
            }
        }
    }

    /// Leaves out for good a step that may have had its effect, where nobody has anything to decide: whoever it went to knows
    /// repetitions by their key, and no more of it is wanted.
    pub(crate) fn abandon(&self, step: &str, reason: &str) -> Result<Once, HandlerError> {
        let _running = self.enter(step)?;
        self.clear(step, reason.into());
        self.set(step, StepState::Skipped, By::default(), Some(reason.into()));
        Ok(Once::Ran)
    }

    /// Keeps what came of a step that is done, so that whoever asks again is told the same. It is stored with the attempt's end.
    /// Of any other step nothing is kept.
    pub(crate) fn keep(&self, step: &str, result: Value) {
        let mut ledger = self.ledger();
        if let Some(step) = ledger.record.steps.get_mut(step).filter(|step| step.state == StepState::Done) {
            step.result = Some(result);
            ledger.record.revision += 1;
        }
    }

    /// What was kept of a step, by this attempt or an earlier one.
    pub(crate) fn kept(&self, step: &str) -> Option<Value> {
        self.ledger().record.steps.get(step).and_then(|step| step.result.clone())
    }

    /// Runs an effect at most once per `step` as far as that can be known, and keeps a record of what became of it.
    ///
    /// `effect` gets the idempotency key `consumer/event-id/step` to pass on to the provider. Under
    /// [`Effect::Once`] the inbox is told that it begins before it begins. What an earlier attempt has done isn't run again;
    /// what is in doubt is run again or not as [`Policy::on_doubt`] says. Steps may run concurrently, each under its own name:
    /// the same step twice at once is rejected as `step-repeated`, and twice in a row is run once.
    ///
    /// In a load test an effect under [`Effect::Once`] isn't run ([`is_of_load_test`](Self::is_of_load_test)).
    ///
    /// # Errors
    ///
    /// The [`HandlerError`] that the effect's outcome stands for; pass it on with `?`, or combine those of several steps with
    /// [`join_outcomes`](crate::join_outcomes).
    pub async fn once<F, Fut>(&self, step: &str, effect: F) -> Result<Once, HandlerError>
    where
        F: FnOnce(String) -> Fut + Send,
        Fut: Future<Output = SendOutcome> + Send,
    {
        self.once_or_found(step, |sending| effect(sending.idempotency_key), |_| async { Found::CannotTell }).await
    }

    /// As [`once`](Self::once), for an effect of which somebody may know whether it happened. `find` is asked when an earlier
    /// attempt left that in doubt: what it finds settles the doubt, and only where it can't tell does the policy decide.
    ///
    /// # Errors
    ///
    /// As [`once`](Self::once).
    pub async fn once_or_found<F, Fut, G, Gut>(&self, step: &str, effect: F, find: G) -> Result<Once, HandlerError>
    where
        F: FnOnce(Sending) -> Fut + Send,
        Fut: Future<Output = SendOutcome> + Send,
        G: FnOnce(Doubt) -> Gut + Send,
        Gut: Future<Output = Found> + Send,
    {
        self.once_to(step, "", effect, find).await
    }

    /// As [`once_or_found`](Self::once_or_found), for an effect that goes to a place: an address. A doubt tells whether the place
    /// is another one by now ([`Doubt::moved`]), since who is asked about the new one knows nothing of what went to the old one.
    /// The ledger keeps two bytes of a hash of `place`: enough to notice a change, too few to find an address out.
    ///
    /// # Errors
    ///
    /// As [`once`](Self::once).
    pub async fn once_to<F, Fut, G, Gut>(
        &self,
        step: &str,
        place: &str,
        effect: F,
        find: G,
    ) -> Result<Once, HandlerError>
    where
        F: FnOnce(Sending) -> Fut + Send,
        Fut: Future<Output = SendOutcome> + Send,
        G: FnOnce(Doubt) -> Gut + Send,
        Gut: Future<Output = Found> + Send,
    {
        let _running = self.enter(step)?;
        let mark = mark(place);
        let mut doubt = match self.look_up(step)? {
            Known::Done => return Ok(Once::AlreadyDone),
            Known::New => None,
            Known::Doubt(doubt) => Some(Doubt { moved: self.has_moved(step, mark.as_deref()), ..doubt }),
        };
        let sink = self.sink.as_ref().filter(|_| self.policy.effect == Effect::Once);
        // What would have waited for somebody's decision has not happened twice.
        let is_held = doubt.is_some() && matches!(self.policy.on_doubt, OnDoubt::Hold { .. });
        if sink.is_some() {
            // Whatever an earlier attempt began, it went nowhere.
            doubt = None;
        }
        if let Some(asked) = doubt.clone() {
            match find(asked).await {
                Found::Sent { provider, provider_id } => {
                    self.set(step, StepState::Done, By { provider, provider_id }, None);
                    return Ok(Once::AlreadyDone);
                }
                Found::NotSent { reason } => {
                    self.clear(step, reason.clone());
                    doubt = None;
                    // It was only looked into: to send it is an attempt more, if there is one left.
                    let ledger = self.ledger();
                    if ledger.record.status == Status::InDoubt && ledger.record.attempts >= self.policy.max_attempts {
                        return Err(HandlerError::Retry { after: None, source: reason.into() });
                    }
                }
                Found::Failed { reason } => {
                    self.clear(step, reason.clone());
                    self.set(step, StepState::Failed, By::default(), Some(reason.clone()));
                    return Err(refused(reason));
                }
                Found::CannotTell if self.resends() => {}
                Found::CannotTell => {
                    let known = self.ledger().record.steps.get(step).and_then(|s| s.reason.clone());
                    return Err(HandlerError::InDoubt { source: known.unwrap_or_default().into() });
                }
            }
        }
        if self.policy.effect == Effect::Once {
            self.announce(step, mark).await?;
        }
        if let Some(sink) = sink {
            if !is_held {
                sink.sunk(self.key.consumer(), &self.key.step(step));
            }
            return self.conclude(step, load::sunk());
        }
        let outcome = effect(Sending { idempotency_key: self.key.step(step), doubt }).await;
        self.conclude(step, outcome)
    }

    /// The claimed record as this attempt has it by now: a copy.
    #[must_use]
    pub fn record(&self) -> InboxRecord {
        self.ledger().record.clone()
    }
}
