//! The retry policy: what the end of an attempt means for its record and its message. A pure function.

use std::time::Duration;

use sendoff_events::{Rng, Timestamp};

use super::Ended;
use crate::{
    Attempt, Backoff, Class, Failure, HandlerError, InboxRecord, OnDoubt, Policy, Status, Step, StepState, Verdict,
    fingerprint, inbox::transition::VANISHED, moments::later, scrub,
};

/// A dead letter that a person has to decide on: the effect may or may not have happened.
pub(super) const OUTCOME_UNKNOWN: &str = "outcome-unknown";

/// The step that stands for the whole job, when its handler itself says that it is in doubt: a doubt must outlive its attempt.
const WHOLE: &str = "(handler)";

/// How often a doubt is looked into while it is held: callbacks arrive within seconds, and providers list a message at once.
const ASKING: Backoff = Backoff { base: Duration::from_secs(15), cap: Duration::from_secs(900) };

/// A dead letter that was put off for too long to go on waiting by itself.
pub(super) const PUT_OFF: &str = "put-off-too-long";

/// How long a job may be put off since it was first tried. Whoever is throttled for longer won't be let in by waiting, and no
/// queue keeps messages for ever.
const PATIENCE: Duration = Duration::from_secs(12 * 86_400);

/// How often the message is delivered before that counts: one that is replayed is as old as before, and begins anew.
const CHANCES: u32 = 50;

/// When what is in doubt may be sent again at the earliest, where that is to be seldom: for whoever calls again whenever they
/// like. Where a process vanished it wasn't the peer that broke off.
pub(crate) fn not_before(policy: &Policy, record: &InboxRecord) -> Option<Timestamp> {
    let OnDoubt::ResendSeldom { backoff, .. } = policy.on_doubt else { return None };
    let last = record.history.iter().rfind(|attempt| attempt.class == Class::InDoubt)?;
    (record.is_doubted() && last.error != VANISHED).then(|| later(last.at, least(&backoff, record)))
}

/// The shortest wait before what is in doubt is sent again.
fn least(backoff: &Backoff, record: &InboxRecord) -> Duration {
    backoff.ceiling(record.unknowns()) / 2
}

/// What is judged by.
pub(super) struct Court<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rng: &'a dyn Rng,
    pub(super) now: Timestamp,
    /// Whether nobody knows what became of an effect of this attempt.
    pub(super) is_unknown: bool,
    /// How often the message was delivered, by which snoozes without a date are drawn.
    pub(super) deliveries: u32,
    /// How long a record outlives its end.
    pub(super) keep: Duration,
}

impl Court<'_> {
    /// Ends the attempt in the record and says what is to happen to the message.
    pub(super) fn judge(&self, record: &mut InboxRecord, ended: Ended) -> Verdict {
        record.updated_at = self.now;
        record.lease_until = self.now;
        let begun = self.doubt_what_had_begun(record);
        // Looking into a doubt is no attempt, unless it comes to one.
        if record.status == Status::InDoubt {
            record.attempts += 1;
            if !record.is_doubted() {
                record.status = Status::Claimed;
            }
        }
        if let Ended::Returned(Ok(())) = ended
            && let Some(whole) = record.steps.get_mut(WHOLE)
        {
            (whole.state, whole.at) = (StepState::Done, self.now);
        }
        match ended {
            Ended::Returned(Ok(())) if !record.is_doubted() => self.done(record),
            Ended::Returned(Ok(())) => self.doubt(record, "a step's outcome is unknown".into()),
            Ended::Returned(Err(error)) => self.failed(record, error),
            Ended::Panicked(text) if begun => self.doubt(record, format!("panicked while sending: {text}")),
            Ended::Panicked(text) => self.retry(record, Class::Panicked, "panicked", text, None),
            Ended::TimedOut if begun => self.doubt(record, "timed out while sending".into()),
            Ended::TimedOut => {
                let text = format!("took longer than {:?}", self.policy.timeout);
                self.retry(record, Class::TimedOut, "timed-out", text, None)
            }
            Ended::Interrupted if begun => self.doubt(record, "interrupted while sending".into()),
            Ended::Interrupted => {
                self.snooze(record, Duration::ZERO, false, "interrupted: the host is stopping".into())
            }
        }
    }

    /// Before an attempt: what a process was sending when it vanished counts as a doubt, where that is done again seldom. The claim
    /// has said so of its steps, each time that it was made anew.
    pub(super) fn take_over(&self, record: &mut InboxRecord) {
        if !matches!(self.policy.on_doubt, OnDoubt::ResendSeldom { .. }) {
            return;
        }
        let vanished = |step: &&Step| step.state == StepState::InDoubt && step.reason.as_deref() == Some(VANISHED);
        let Some(sent_at) = record.steps.values().filter(vanished).map(|step| step.at).max() else { return };
        let counts = |attempt: &Attempt| attempt.class == Class::InDoubt && attempt.at > sent_at;
        if !record.history.iter().any(counts) {
            record.remember(self.attempt(Class::InDoubt, OUTCOME_UNKNOWN, VANISHED));
        }
    }

    /// An attempt that may not begin because too many began before: a crash loop.
    pub(super) fn exhausted_by_crashes(&self, record: &mut InboxRecord) -> Verdict {
        record.updated_at = self.now;
        record.lease_until = self.now;
        record.attempts -= 1;
        let text = format!("{} attempts began and the process that ran the last one vanished", record.attempts);
        self.dead_letter(record, Class::Crashed, "attempts-exhausted", text)
    }

    fn failed(&self, record: &mut InboxRecord, error: HandlerError) -> Verdict {
        let text = error.to_string();
        match error {
            HandlerError::Retry { after, .. } => self.retry(record, Class::Retryable, "failed", text, after),
            // The attempts of a part that fails must not end the wait of another, nor their backoff draw it out.
            HandlerError::Partly { after, until, .. } => {
                let again = after.unwrap_or_else(|| self.policy.backoff.delay(record.attempts, self.rng));
                let turn = self.asking(record, self.wait(until));
                match turn < again || record.attempts >= self.policy.max_attempts {
                    true => self.put_off(record, turn, false, text),
                    false => self.retry(record, Class::Retryable, "failed", text, Some(again)),
                }
            }
            HandlerError::Snooze { until, .. } => {
                self.put_off(record, self.asking(record, self.wait(until)), false, text)
            }
            HandlerError::Pause { until, .. } => self.put_off(record, self.wait(until), true, text),
            HandlerError::InDoubt { .. } => {
                if !record.is_doubted() {
                    let (state, reason) = (StepState::InDoubt, Some(scrub(&text)));
                    let step = Step {
                        state,
                        doubted: true,
                        at: self.now,
                        provider: None,
                        provider_id: None,
                        reason,
                        mark: None,
                        result: None,
                    };
                    record.steps.insert(WHOLE.into(), step);
                }
                self.doubt(record, text)
            }
            HandlerError::Reject { reason, .. } => self.dead_letter(record, Class::Rejected, &reason, text),
        }
    }

    fn done(&self, record: &mut InboxRecord) -> Verdict {
        record.status = Status::Done;
        record.expires_at = Some(later(self.now, self.keep));
        Verdict::Ack { duplicate: false }
    }

    fn retry(
        &self,
        record: &mut InboxRecord,
        class: Class,
        reason: &str,
        error: String,
        after: Option<Duration>,
    ) -> Verdict {
        if record.attempts >= self.policy.max_attempts {
            record.attempts = self.policy.max_attempts;
            return self.dead_letter(record, class, "attempts-exhausted", error);
        }
        if class != Class::InDoubt {
            self.note_doubt(record);
        }
        record.remember(self.attempt(class, reason, &error));
        let after = after.unwrap_or_else(|| self.policy.backoff.delay(record.attempts, self.rng));
        Verdict::Retry { after: after.max(self.seldom(record)) }
    }

    /// A snooze, unless there were too many.
    fn put_off(&self, record: &mut InboxRecord, after: Duration, pause: bool, error: String) -> Verdict {
        if self.deliveries < CHANCES || later(record.first_at, PATIENCE) > self.now {
            return self.snooze(record, after, pause, error);
        }
        record.attempts = record.attempts.saturating_sub(1);
        self.dead_letter(record, Class::Deferred, PUT_OFF, error)
    }

    fn snooze(&self, record: &mut InboxRecord, after: Duration, pause: bool, error: String) -> Verdict {
        record.attempts = record.attempts.saturating_sub(1);
        self.note_doubt(record);
        record.remember(self.attempt(Class::Deferred, "deferred", &error));
        Verdict::Snooze { after: after.max(self.seldom(record)), pause }
    }

    /// How long until then. Without a date, or with one that is over, by the deferral: a snooze uses up no attempt, so nothing
    /// else would keep it from spinning.
    fn wait(&self, until: Option<Timestamp>) -> Duration {
        let left = until.and_then(|until| Duration::try_from(until.duration_since(self.now)).ok());
        left.filter(|left| !left.is_zero()).unwrap_or_else(|| self.policy.deferral.delay(self.deliveries, self.rng))
    }

    fn doubt(&self, record: &mut InboxRecord, error: String) -> Verdict {
        match self.policy.on_doubt {
            OnDoubt::ResendSeldom { times, .. } if record.unknowns() >= times => {
                self.dead_letter(record, Class::InDoubt, OUTCOME_UNKNOWN, error)
            }
            OnDoubt::ResendSeldom { .. } => {
                // How long it waits is its own, however many attempts there were.
                self.retry(record, Class::InDoubt, OUTCOME_UNKNOWN, error, Some(Duration::ZERO))
            }
            OnDoubt::Resend => self.retry(record, Class::InDoubt, OUTCOME_UNKNOWN, error, None),
            OnDoubt::Hold { window } => {
                let asked = record.status == Status::InDoubt;
                // Asking in vain is no attempt, and no new doubt.
                if asked {
                    record.attempts -= 1;
                }
                if !asked || record.history.last().is_none_or(|last| last.class != Class::InDoubt) {
                    record.remember(self.attempt(Class::InDoubt, OUTCOME_UNKNOWN, &error));
                }
                record.status = Status::InDoubt;
                self.held(record, window)
            }
        }
    }

    /// Where a step in doubt is done again seldom, each time counts, also when the attempt ends for the sake of another one.
    fn note_doubt(&self, record: &mut InboxRecord) {
        if matches!(self.policy.on_doubt, OnDoubt::ResendSeldom { .. }) && self.is_unknown {
            record.remember(self.attempt(Class::InDoubt, OUTCOME_UNKNOWN, "a step's outcome is unknown"));
        }
    }

    /// How long to wait at least before a step in doubt is done again, where that is to be seldom.
    fn seldom(&self, record: &InboxRecord) -> Duration {
        match self.policy.on_doubt {
            OnDoubt::ResendSeldom { backoff, .. }
                if record.is_doubted() && self.policy.on_doubt.resends_after(record.unknowns()) =>
            {
                let least = least(&backoff, record);
                least + least.mul_f64(self.rng.next_f64())
            }
            _ => Duration::ZERO,
        }
    }

    /// While a step is held in doubt, it is asked about also where the rest of the job waits longer.
    fn asking(&self, record: &InboxRecord, after: Duration) -> Duration {
        let held = record.is_doubted() && matches!(self.policy.on_doubt, OnDoubt::Hold { .. });
        if held { after.min(ASKING.ceiling(self.deliveries)) } else { after }
    }

    /// A record in doubt: its message waits for news, comes back now and then to ask for them, and is dead-lettered at the end of
    /// the window for a person to decide.
    pub(super) fn held(&self, record: &InboxRecord, window: Duration) -> Verdict {
        let since = record.steps.values().filter(|s| s.state == StepState::InDoubt).map(|s| s.at).min();
        let until = later(since.unwrap_or(record.updated_at), window);
        if until > self.now {
            let left = Duration::try_from(until.duration_since(self.now)).unwrap_or_default();
            let after = left.min(ASKING.ceiling(self.deliveries));
            return Verdict::Snooze { after, pause: false };
        }
        Verdict::DeadLetter(Box::new(self.failure_of(record)))
    }

    fn dead_letter(&self, record: &mut InboxRecord, class: Class, reason: &str, error: String) -> Verdict {
        let (class, reason) = if record.is_doubted() {
            record.status = Status::InDoubt;
            (Class::InDoubt, OUTCOME_UNKNOWN)
        } else {
            record.status = Status::Failed;
            record.expires_at = Some(later(self.now, self.keep));
            (class, reason)
        };
        record.remember(self.attempt(class, reason, &error));
        Verdict::DeadLetter(Box::new(self.failure_of(record)))
    }

    /// The failure that a settled record tells of.
    pub(super) fn failure_of(&self, record: &InboxRecord) -> Failure {
        let unknown = || self.attempt(Class::InDoubt, OUTCOME_UNKNOWN, "no attempt was recorded");
        // That something else of it was resolved is no reason.
        let last = record.history.iter().rfind(|attempt| attempt.class != Class::Resolved).cloned();
        let last = last.unwrap_or_else(unknown);
        Failure {
            reason: last.reason,
            class: last.class,
            fingerprint: last.fingerprint,
            consumer: record.key.consumer().to_owned(),
            attempts: record.attempts,
            first_at: record.first_at,
            last_at: last.at,
            error: last.error,
        }
    }

    fn attempt(&self, class: Class, reason: &str, error: &str) -> Attempt {
        // A handler may have made the reason of what somebody else said.
        let reason = scrub(reason);
        Attempt { at: self.now, class, fingerprint: fingerprint(&reason, error), reason, error: scrub(error) }
    }

    /// A step that had begun and whose end nobody saw may have had its effect. Gives whether there was one.
    fn doubt_what_had_begun(&self, record: &mut InboxRecord) -> bool {
        let mut begun = false;
        for step in record.steps.values_mut().filter(|s| s.state == StepState::Sending) {
            begun = true;
            step.state = StepState::InDoubt;
            step.doubted = true;
            step.reason = Some("the attempt ended while it was being sent".into());
        }
        begun
    }
}
