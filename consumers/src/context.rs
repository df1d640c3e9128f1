//! What a handler may use: time, randomness, and the guarded effect.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sendoff_events::{Clock, Rng, Timestamp, at_millis};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    Doubt, Effect, Found, HandlerError, IdempotencyKey, Inbox, InboxError, InboxRecord, Meter, NotSent, OnDoubt, Once,
    Policy, SendOutcome, Sending, Status, Step, StepState, inbox::insist, load, moments::later,
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

/// The claimed record as this attempt knows it.
struct Ledger {
    record: InboxRecord,
    /// The revision that the inbox is known to hold.
    stored: u64,
    lost: bool,
    /// The steps that are being run right now.
    running: BTreeSet<String>,
    /// The steps whose effects this attempt has begun.
    begun: BTreeSet<String>,
}

impl Ledger {
    /// Whether nobody knows what became of an effect of this attempt.
    fn is_unknown(&self) -> bool {
        let state = |step: &String| self.record.steps.get(step).map(|step| step.state);
        self.begun.iter().any(|step| matches!(state(step), Some(StepState::InDoubt | StepState::Sending)))
    }
}

/// What earlier attempts mean for a step.
enum Known {
    /// It is to be run.
    New,
    /// There is nothing left to do.
    Done,
    /// It may have happened.
    Doubt(Doubt),
}

/// Who did something, and what they call it.
#[derive(Default)]
struct By {
    provider: Option<Cow<'static, str>>,
    provider_id: Option<String>,
}

/// A step while it runs. Whoever drops it half way leaves it *sending*: in doubt.
struct Running<'a> {
    context: &'a Context,
    step: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.context.ledger().running.remove(self.step);
    }
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
            ledger: Mutex::new(Ledger {
                stored: record.revision,
                record,
                lost: false,
                running: BTreeSet::new(),
                begun: BTreeSet::new(),
            }),
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

    /// Whether a step in doubt is done again.
    fn resends(&self) -> bool {
        self.policy.on_doubt.resends_after(self.ledger().record.unknowns())
    }

    /// Marks the step as running. Two at once could each believe that the other one isn't there.
    fn enter<'a>(&'a self, step: &'a str) -> Result<Running<'a>, HandlerError> {
        if self.ledger().running.insert(step.to_owned()) {
            return Ok(Running { context: self, step });
        }
        let why = format!("step `{step}` was begun twice at once: give each part of the job a name of its own");
        Err(HandlerError::Reject { reason: "step-repeated".into(), source: why.into() })
    }

    /// What earlier attempts mean for this one.
    fn look_up(&self, step: &str) -> Result<Known, HandlerError> {
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
    fn has_moved(&self, step: &str, mark: Option<&str>) -> bool {
        let ledger = self.ledger();
        let known = ledger.record.steps.get(step).and_then(|step| step.mark.as_deref());
        mark.is_some() && known != mark
    }

    /// Takes a doubt back: it was found out that nothing had happened.
    fn clear(&self, step: &str, reason: String) {
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
    async fn announce(&self, step: &str, mark: Option<String>) -> Result<(), HandlerError> {
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
                self.ledger().begun.insert(step.to_owned());
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

    fn conclude(&self, step: &str, outcome: SendOutcome) -> Result<Once, HandlerError> {
        let doubted = self.ledger().record.steps.get(step).is_some_and(|s| s.doubted);
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
    fn set(&self, step: &str, state: StepState, by: By, reason: Option<String>) -> Option<Step> {
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
    async fn store(&self) -> Result<(), InboxError> {
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

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing that holds the lock can leave the ledger half changed.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The claimed record as this attempt has it by now: a copy.
    #[must_use]
    pub fn record(&self) -> InboxRecord {
        self.ledger().record.clone()
    }
}

/// Two bytes of a hash of a place; none of no place.
fn mark(place: &str) -> Option<String> {
    let hash = Sha256::digest(place);
    (!place.is_empty()).then(|| format!("{:02x}{:02x}", hash[0], hash[1]))
}

/// The provider said no for good.
fn refused(reason: String) -> HandlerError {
    HandlerError::Reject { reason: "refused-by-provider".into(), source: reason.into() }
}
