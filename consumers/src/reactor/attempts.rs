//! The attempts at one change.

use std::time::Duration;

use futures::future::{Either, select};

use crate::{
    Change, Class, Failure, HandlerError, Limits, Reaction, ReactionContext, Span, Verdict, fingerprint,
    meter::measure,
    middleware::{Ended, catch_panic, deadline},
    moments, scrub,
};

/// A limit came before the change was dealt with.
pub(super) struct Interrupted;

/// Tries until it works, is useless, or has used up its attempts; gives the failure then. All attempts are measured but the
/// one that ends in a failure that is given: what it counts as hangs on whether the change can be put aside.
pub(super) async fn until_dealt_with(
    reaction: &dyn Reaction,
    change: &Change,
    context: &ReactionContext,
    limits: &Limits,
) -> Result<Option<Failure>, Interrupted> {
    let policy = reaction.policy();
    let (clock, rng, name) = (&context.clock, &*context.rng, reaction.name());
    let count = |verdict| measure(&*context.meter, name, &verdict);
    let first_at = clock.now();
    let (mut attempts, mut deferrals) = (0, 0);
    loop {
        let attempt = async { deadline(&**clock, policy.timeout, limits, reaction.react(change, context)).await };
        attempts += 1;
        let began = clock.now();
        let ended = catch_panic(attempt).await;
        context.meter.time(Span::HandlerLatency, name, moments::since(began, clock.now()));
        let (class, reason, error, after) = match ended {
            Ended::Returned(Ok(())) => {
                count(Verdict::Ack { duplicate: false });
                return Ok(None);
            }
            Ended::Interrupted => {
                count(Verdict::Snooze { after: Duration::ZERO, pause: false });
                return Err(Interrupted);
            }
            Ended::Panicked(text) => (Class::Panicked, "attempts-exhausted".into(), text, None),
            Ended::TimedOut => (Class::TimedOut, "attempts-exhausted".into(), "timed out".into(), None),
            Ended::Returned(Err(error)) => {
                let text = error.to_string();
                match error {
                    HandlerError::Retry { after, .. } | HandlerError::Partly { after, .. } => {
                        (Class::Retryable, "attempts-exhausted".into(), text, after)
                    }
                    HandlerError::Reject { reason, .. } => (Class::Rejected, reason, text, None),
                    HandlerError::InDoubt { .. } => (Class::InDoubt, "attempts-exhausted".into(), text, None),
                    HandlerError::Snooze { until, .. } | HandlerError::Pause { until, .. } => {
                        attempts -= 1;
                        deferrals += 1;
                        let wait = until.and_then(|u| Duration::try_from(u.duration_since(clock.now())).ok());
                        // A date that is over would let it spin.
                        let wait = wait.filter(|wait| !wait.is_zero());
                        let after = wait.unwrap_or_else(|| policy.deferral.delay(deferrals, rng));
                        count(Verdict::Snooze { after, pause: false });
                        pause(after, context, limits).await?;
                        continue;
                    }
                }
            }
        };
        if class == Class::Rejected || attempts >= policy.max_attempts {
            let reason = scrub(&reason);
            return Ok(Some(Failure {
                fingerprint: fingerprint(&reason, &error),
                reason,
                class,
                consumer: name.into(),
                attempts,
                first_at,
                last_at: clock.now(),
                error: scrub(&error),
            }));
        }
        let after = after.unwrap_or_else(|| policy.backoff.delay(attempts, rng));
        count(Verdict::Retry { after });
        pause(after, context, limits).await?;
    }
}

/// Waits, unless a limit would come first: a host that is stopped meanwhile gains nothing by waiting for it.
async fn pause(wait: Duration, context: &ReactionContext, limits: &Limits) -> Result<(), Interrupted> {
    if limits.until.is_some_and(|until| moments::later(context.clock.now(), wait) >= until) {
        return Err(Interrupted);
    }
    match select(context.clock.sleep(wait), limits.stop.requested()).await {
        Either::Left(_) => Ok(()),
        Either::Right(_) => Err(Interrupted),
    }
}
