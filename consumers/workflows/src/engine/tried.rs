//! Actions and approvals: asked for, tried again, and done.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Command, Failure, Instance, Signal, What, call,
    cursor::{Asked, Tries},
    drive::{Driver, Failing, Here, Progress, Told},
    limits, moment,
    scope::Place,
};
use crate::plan::{Act, Approval, Retry, Step, Wait};

impl Driver<'_> {
    /// An action.
    pub(super) fn act(
        &mut self,
        here: Here<'_>,
        act: &Act,
        asked: &mut Asked,
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        match told {
            Told::Afresh => asked.afresh(self.now),
            Told::Signal(instance, signal) if self.is_at(step, instance) => match signal {
                Signal::Done { attempt, output, .. } if *attempt == asked.attempt => {
                    let result = call::result(act, output);
                    let what = if result.get("status") == Some(&json!("skipped")) { What::Skipped } else { What::Done };
                    return self.done(step, what, Some(*attempt), result, place);
                }
                Signal::Failed { attempt, error, cause, .. } if *attempt == asked.attempt => {
                    self.again(step, asked, &act.retry, Failure::new(error, cause))?;
                }
                _ => return Ok(Progress::Open),
            },
            Told::Signal(..) => return Ok(Progress::Open),
        }
        let level = place.level();
        let command = call::act(act, asked, self.instance(step), self.redrives, &self.names(here, &level));
        self.within(step)?;
        limits::check_value(&format!("the call of `{}`", step.id), &command.call).map_err(Failing::Run)?;
        self.note(step, What::Attempted, |entry| {
            entry.attempt = Some(command.attempt);
            entry.input = Some(command.call.clone());
            entry.output = (entry.at < command.due).then(|| moment::text(command.due).into());
        });
        self.commands.push(Command::Act(command));
        Ok(Progress::Open)
    }

    /// Somebody decides.
    pub(super) fn approval(
        &mut self,
        here: Here<'_>,
        approval: &Approval,
        (asked, until): (&mut Asked, &mut Timestamp),
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        match told {
            Told::Afresh => asked.afresh(self.now),
            Told::Signal(instance, signal) if self.is_at(step, instance) => match signal {
                Signal::Decided { decision, by, comment, at, .. } => {
                    let result = json!({ "status": "decided", "error": null, "decision": decision.name(), "by": by,
                        "comment": comment, "at": moment::text(*at) });
                    return self.done(step, What::Decided, None, result, place);
                }
                Signal::Due { attempt, .. } if *attempt == asked.attempt => {
                    if self.now < *until {
                        return Ok(self.too_early(instance.clone(), *attempt, *until));
                    }
                    let result = json!({ "status": "expired", "error": null, "decision": null, "by": null,
                        "comment": null, "at": null });
                    return self.done(step, What::Expired, None, result, place);
                }
                Signal::Failed { attempt, error, cause, .. } if *attempt == asked.attempt => {
                    self.again(step, asked, &Retry::DEFAULT, Failure::new(error, cause))?;
                }
                _ => return Ok(Progress::Open),
            },
            Told::Signal(..) => return Ok(Progress::Open),
        }
        // As Step Functions has it, the time to decide begins anew when the question is asked anew.
        *until = moment::later(asked.due, SignedDuration::from_secs(approval.deadline.into()));
        let level = place.level();
        let (instance, attempt, deadline) = (self.instance(step), asked.attempt, *until);
        let ask = call::ask(approval, asked, deadline, instance.clone(), &self.names(here, &level));
        self.within(step)?;
        let question = call::question(&ask);
        limits::check_value(&format!("the question of `{}`", step.id), &question).map_err(Failing::Run)?;
        self.note(step, What::Asked, |entry| {
            entry.attempt = Some(attempt);
            entry.input = Some(question);
            entry.output = Some(moment::text(deadline).into());
        });
        self.commands.push(Command::Ask(ask));
        self.commands.push(Command::Wake { instance, attempt, due: deadline });
        Ok(Progress::Open)
    }

    /// Nothing, for a while.
    pub(super) fn wait(
        &mut self,
        here: Here<'_>,
        wait: &Wait,
        (attempt, until): (&mut u32, &mut Timestamp),
        place: &Place<'_>,
    ) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        let over = match told {
            Told::Afresh => {
                let level = place.level();
                // From when the run came to it: what had gone by when the run was taken up again is not waited once more.
                let end = moment::end(wait, here.since, &self.names(here, &level));
                self.within(step)?;
                *until = end.map_err(Failing::Run)?;
                *attempt = attempt.saturating_add(1);
                *until <= self.now
            }
            Told::Signal(instance, Signal::Due { attempt: of, .. }) if self.is_at(step, instance) && of == attempt => {
                if self.now < *until {
                    return Ok(self.too_early(instance.clone(), *attempt, *until));
                }
                true
            }
            Told::Signal(..) => return Ok(Progress::Open),
        };
        if over {
            self.note(step, What::Done, |_| {});
            return Ok(Progress::Done);
        }
        let (attempt, due) = (*attempt, *until);
        self.note(step, What::Waiting, |entry| entry.output = Some(moment::text(due).into()));
        self.commands.push(Command::Wake { instance: self.instance(step), attempt, due });
        Ok(Progress::Open)
    }

    /// Sees to another attempt after one that has failed. If there is none any more, that is the error.
    fn again(&mut self, step: &Step, asked: &mut Asked, retry: &Retry, failure: Failure) -> Result<(), Failing> {
        let Some((retry, tried)) = retrier(&mut asked.tries, retry, &failure.error).filter(|(by, n)| **n < by.again)
        else {
            asked.failed = true;
            return Err(Failing::Step(failure));
        };
        let failed = asked.attempt;
        asked.due = moment::later(self.now, delay(retry, *tried, (self.jitter)()));
        asked.attempt = asked.attempt.saturating_add(1);
        *tried += 1;
        let due = Value::from(moment::text(asked.due));
        self.note(step, What::Retrying, |entry| {
            entry.attempt = Some(failed);
            entry.error = Some(failure);
            entry.output = Some(due);
        });
        Ok(())
    }

    /// A host whose clock is a little fast, or that can't wait as long at a time, is asked again.
    fn too_early(&mut self, instance: Instance, attempt: u32, due: Timestamp) -> Progress {
        self.commands.push(Command::Wake { instance, attempt, due });
        Progress::Open
    }
}

impl Asked {
    /// Something that wasn't tried yet.
    pub(super) fn never(now: Timestamp) -> Self {
        Self { attempt: 0, due: now, tries: Tries::default(), failed: false }
    }

    fn afresh(&mut self, now: Timestamp) {
        // The number goes on, so that news of what was given up don't fit.
        *self = Self { attempt: self.attempt.saturating_add(1), ..Self::never(now) };
    }
}

/// By what something that failed is tried again, and how often it was; nothing if it isn't at all. Each counts by itself, as
/// the retriers of Step Functions do.
fn retrier<'a>(tries: &'a mut Tries, retry: &'a Retry, error: &str) -> Option<(&'a Retry, &'a mut u32)> {
    match error {
        "Action.Transient" => Some((retry, &mut tries.transient)),
        "States.Timeout" => Some((retry, &mut tries.timeout)),
        "Action.Throttled" => Some((&Retry::THROTTLED, &mut tries.throttled)),
        _ => None,
    }
}

/// How long before it is tried again: full jitter, anything up to what the retrier says.
fn delay(retry: &Retry, tried: u32, jitter: f64) -> SignedDuration {
    let grown = f64::from(retry.interval) * retry.backoff.powi(i32::try_from(tried).unwrap_or(i32::MAX));
    let most = grown.min(f64::from(retry.max_delay));
    SignedDuration::from_millis((most * 1000.0 * jitter.clamp(0.0, 1.0)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_up_to_its_limit_and_jitter_takes_any_part_of_it() {
        let seconds = |tried, jitter| delay(&Retry::DEFAULT, tried, jitter).as_secs_f64();
        assert_eq!([seconds(0, 1.0), seconds(1, 1.0), seconds(2, 1.0)], [2.0, 4.0, 8.0]);
        assert_eq!(seconds(20, 1.0), 300.0);
        assert_eq!(seconds(u32::MAX, 0.5), 150.0);
        assert_eq!(seconds(3, 0.0), 0.0);
    }
}
