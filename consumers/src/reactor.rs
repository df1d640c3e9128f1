//! The reactor: runs a reaction over the stream of changes. One change that can't be dealt with never stalls the stream.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};

use crate::{
    Backoff, Change, Changes, ChangesError, Class, Failure, HandlerError, Limits, Reaction, ReactionContext, Stop,
    fingerprint,
    middleware::{Ended, catch_panic, deadline},
    scrub,
};

/// How many changes it reads at once.
const BATCH: usize = 100;
const WAIT: Duration = Duration::from_secs(20);
const OUTAGE: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(30) };

/// Runs one [`Reaction`] over all [`Changes`].
pub struct Reactor {
    reaction: Arc<dyn Reaction>,
    changes: Arc<dyn Changes>,
    context: ReactionContext,
}

/// The stop came before the change was dealt with.
struct Interrupted;

impl Reactor {
    /// A reactor for `reaction`.
    #[must_use]
    pub const fn new(reaction: Arc<dyn Reaction>, changes: Arc<dyn Changes>, context: ReactionContext) -> Self {
        Self { reaction, changes, context }
    }

    /// Works until `stop` is requested. What was dealt with and not checkpointed yet is seen again at the next start.
    pub async fn run(&self, stop: Stop) {
        let mut outages = 0;
        loop {
            let round = self.round(&stop).boxed();
            match select(round, stop.requested()).await {
                Either::Left((Ok(()), _)) => outages = 0,
                Either::Left((Err(Some(error)), _)) => {
                    outages += 1;
                    tracing::warn!(%error, reaction = self.reaction.name(), "the stream can't be worked; it waits");
                    let pause = self.context.clock.sleep(OUTAGE.delay(outages, &*self.context.rng));
                    select(pause, stop.requested()).await;
                }
                Either::Left((Err(None), _)) | Either::Right(_) => return,
            }
        }
    }

    /// Reads a batch, deals with it and checkpoints it. `Err(None)` when it was interrupted.
    async fn round(&self, stop: &Stop) -> Result<(), Option<ChangesError>> {
        let name = self.reaction.name();
        let changes = self.changes.read(name, BATCH, WAIT).await.map_err(Some)?;
        let Some(last) = changes.last().map(|change| change.position.clone()) else { return Ok(()) };
        // In order for each record, different records side by side.
        let mut by_record: Vec<Vec<&Change>> = Vec::new();
        for change in &changes {
            match by_record.iter_mut().find(|group| group[0].key == change.key) {
                Some(group) => group.push(change),
                None => by_record.push(vec![change]),
            }
        }
        let mut groups = FuturesUnordered::new();
        for group in by_record {
            groups.push(self.in_order(group, stop));
        }
        while let Some(result) = groups.next().await {
            result?;
        }
        self.changes.checkpoint(name, &last).await.map_err(Some)
    }

    async fn in_order(&self, changes: Vec<&Change>, stop: &Stop) -> Result<(), Option<ChangesError>> {
        for change in changes {
            self.deal_with(change, stop).await?;
        }
        Ok(())
    }

    async fn deal_with(&self, change: &Change, stop: &Stop) -> Result<(), Option<ChangesError>> {
        let failure = match self.attempts(change, stop).await {
            Ok(None) => return Ok(()),
            Ok(Some(failure)) => failure,
            Err(Interrupted) => return Err(None),
        };
        tracing::warn!(reaction = self.reaction.name(), record = %change.key, reason = failure.reason, error = failure.error,
            "a change can't be dealt with and is put aside");
        self.changes.park(self.reaction.name(), change, &failure).await.map_err(Some)
    }

    /// Tries until it works, is useless, or has used up its attempts; gives the failure then.
    async fn attempts(&self, change: &Change, stop: &Stop) -> Result<Option<Failure>, Interrupted> {
        let policy = self.reaction.policy();
        let clock = &self.context.clock;
        let limits = Limits { stop: stop.clone(), until: None };
        let first_at = clock.now();
        let (mut attempts, mut deferrals) = (0, 0);
        loop {
            let attempt =
                async { deadline(&**clock, policy.timeout, &limits, self.reaction.react(change, &self.context)).await };
            attempts += 1;
            let (class, reason, error, after) = match catch_panic(attempt).await {
                Ended::Returned(Ok(())) => return Ok(None),
                Ended::Interrupted => return Err(Interrupted),
                Ended::Panicked(text) => (Class::Panicked, "attempts-exhausted".into(), text, None),
                Ended::TimedOut => (Class::TimedOut, "attempts-exhausted".into(), "timed out".into(), None),
                Ended::Returned(Err(error)) => {
                    let text = error.to_string();
                    match error {
                        HandlerError::Retry { after, .. } => {
                            (Class::Retryable, "attempts-exhausted".into(), text, after)
                        }
                        HandlerError::Reject { reason, .. } => (Class::Rejected, reason, text, None),
                        HandlerError::InDoubt { .. } => (Class::InDoubt, "attempts-exhausted".into(), text, None),
                        HandlerError::Snooze { until, .. } => {
                            attempts -= 1;
                            deferrals += 1;
                            let wait = until.and_then(|u| Duration::try_from(u.duration_since(clock.now())).ok());
                            // A date that is over would let it spin.
                            let wait = wait
                                .filter(|wait| !wait.is_zero())
                                .unwrap_or_else(|| policy.backoff.delay(deferrals, &*self.context.rng));
                            clock.sleep(wait).await;
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
                    consumer: self.reaction.name().into(),
                    attempts,
                    first_at,
                    last_at: clock.now(),
                    error: scrub(&error),
                }));
            }
            clock.sleep(after.unwrap_or_else(|| policy.backoff.delay(attempts, &*self.context.rng))).await;
        }
    }
}
