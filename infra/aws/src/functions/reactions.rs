//! The function `reactions`: lets the reactions deal with what has changed in the table of records.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use futures::future::{Either, join_all, select};
use sendoff_consumers::{
    Change, Count, Dealt, Limits, ReactionContext, Reactor, Stop,
    cache::CacheSettings,
    reactions::{CacheInvalidation, Timeline},
};
use sendoff_events::Clock;
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    changes::{put_aside, record::StreamRecord},
    lambda::{Answer, Deadline, Function, FunctionError, Invocation, Outcome, StreamBatch, answer, run},
    lookup::connected,
    settings::Need,
};

/// The reaction in whose dead-letter queue a record stands that can't be read.
const TIMELINE: &str = "timeline";

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

struct Reactions {
    parts: Parts,
    reactors: Vec<Reactor>,
}

async fn make() -> Result<Reactions, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::Queues])?;
    let context = ReactionContext { clock: parts.clock.clone(), rng: parts.rng.clone(), meter: parts.meter() };
    let timeline = Arc::new(Timeline { records: parts.store.records() });
    let mut reactors = vec![Reactor::new(timeline, parts.store.changes(), context.clone())];
    // Without its secret nothing would keep the cache true for as long as this environment lives: the next event tries again.
    if let Some(shared) = connected(&parts.store, &parts.settings).await.map_err(FunctionError::Backend)? {
        let invalidation = CacheInvalidation::new(shared, &CacheSettings::default(), parts.clock.clone());
        reactors.push(Reactor::new(Arc::new(invalidation), parts.store.changes(), context));
    }
    Ok(Reactions { parts, reactors })
}

impl Function for Reactions {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let batch = StreamBatch::of(event)?;
        let mut outcomes = BTreeMap::new();
        let (mut places, mut changes) = (Vec::new(), Vec::new());
        for (place, record) in batch.records.iter().enumerate() {
            match read(record.raw) {
                Ok(Some(change)) => {
                    places.push(place);
                    changes.push(change);
                }
                Ok(None) => {
                    outcomes.insert(place, Outcome::Done);
                }
                Err(error) => {
                    outcomes.insert(place, self.put_aside(record.raw, &error).await);
                }
            }
        }
        let dealt = deal_with(&self.reactors, &changes, &*self.parts.clock, &invocation.deadline).await;
        outcomes.extend(places.into_iter().zip(dealt));
        answer(&Answer::to_stream(batch.ids(), |place| outcomes.get(&place).copied().unwrap_or(Outcome::Failed)))
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

impl Reactions {
    /// Puts a record that can't be read aside, so that the stream goes on.
    async fn put_aside(&self, record: &RawValue, error: &str) -> Outcome {
        match put_aside(&self.parts.store, TIMELINE, record.get(), error).await {
            Ok(()) => {
                self.parts.meter().count(Count::DeadLettered, TIMELINE, 1);
                Outcome::Done
            }
            Err(error) => {
                tracing::error!(error, reaction = TIMELINE, "it can't be put aside; it will be seen again");
                Outcome::Failed
            }
        }
    }
}

/// What became of each change: done when every reaction has dealt with it, or put it aside. They work side by side, so that none
/// holds up another.
async fn deal_with(reactors: &[Reactor], changes: &[Change], clock: &dyn Clock, deadline: &Deadline) -> Vec<Outcome> {
    let limits = Limits { stop: Stop::never(), until: Some(deadline.interrupt) };
    let time_up = clock.sleep(Deadline::until(clock.now(), deadline.drop));
    let all = pin!(join_all(reactors.iter().map(|reactor| reactor.deal_with(changes, &limits))));
    let dealt = match select(all, time_up).await {
        Either::Left((dealt, _)) => dealt,
        Either::Right(_) => {
            tracing::warn!(changes = changes.len(), "the changes took too long and will be seen again");
            return vec![Outcome::Failed; changes.len()];
        }
    };
    let mut outcomes = vec![Outcome::Done; changes.len()];
    for dealt in dealt {
        for (outcome, dealt) in outcomes.iter_mut().zip(dealt) {
            match dealt {
                Ok(Dealt::Done | Dealt::Parked) => {}
                Ok(Dealt::Interrupted) => *outcome = Outcome::Failed,
                Err(error) => {
                    tracing::warn!(%error, "a change can't be put aside; it will be seen again");
                    *outcome = Outcome::Failed;
                }
            }
        }
    }
    outcomes
}

/// The change in a record; `None` when it is about something else.
fn read(record: &RawValue) -> Result<Option<Change>, String> {
    let record: StreamRecord = serde_json::from_str(record.get()).map_err(|error| error.to_string())?;
    record.change().map_err(|damage| damage.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
        time::Duration,
    };

    use sendoff_consumers::{Changes, ChangesError, Failure, HandlerError, NoMeter, Position, Reaction};
    use sendoff_events::{BoxFuture, Timestamp};
    use sendoff_host::{SystemClock, SystemRng};
    use sendoff_producers::RecordKey;

    use super::*;

    /// Changes that nothing has to be put aside of.
    struct Untouched;

    impl Changes for Untouched {
        fn read<'a>(&'a self, _: &'a str, _: usize, _: Duration) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
            Box::pin(async { Err(ChangesError("nobody reads".into())) })
        }

        fn checkpoint<'a>(&'a self, _: &'a str, _: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
            Box::pin(async { Err(ChangesError("nobody keeps checkpoints".into())) })
        }

        fn park<'a>(&'a self, _: &'a str, _: &'a Change, _: &'a Failure) -> BoxFuture<'a, Result<(), ChangesError>> {
            Box::pin(async { Err(ChangesError("nothing is put aside".into())) })
        }
    }

    /// Counts changes; hanging, it never ends.
    struct Counting {
        seen: Arc<AtomicU32>,
        hangs: bool,
    }

    impl Reaction for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn react<'a>(&'a self, _: &'a Change, _: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
            Box::pin(async {
                self.seen.fetch_add(1, SeqCst);
                if self.hangs { std::future::pending().await } else { Ok(()) }
            })
        }
    }

    #[tokio::test]
    async fn a_reaction_that_hangs_keeps_no_other_from_the_changes() {
        let (hanging, other) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let reactor = |seen: &Arc<AtomicU32>, hangs| {
            let context = ReactionContext {
                clock: Arc::new(SystemClock),
                rng: Arc::new(SystemRng::new()),
                meter: Arc::new(NoMeter),
            };
            Reactor::new(Arc::new(Counting { seen: seen.clone(), hangs }), Arc::new(Untouched), context)
        };
        let reactors = [reactor(&hanging, true), reactor(&other, false)];
        let change = Change {
            position: Position("1".into()),
            key: RecordKey::new(&"acme".parse().unwrap(), "users", "ada"),
            version: 1,
            actor: "ada".into(),
            at: Timestamp::UNIX_EPOCH,
            old: None,
            new: None,
        };
        let now = SystemClock.now();
        let deadline = Deadline::of(now, now + Duration::from_secs(4));
        let outcomes = deal_with(&reactors, &[change], &SystemClock, &deadline).await;
        assert_eq!(outcomes, [Outcome::Failed], "it must be seen again, by the one that hangs");
        assert_eq!((hanging.load(SeqCst), other.load(SeqCst)), (1, 1));
    }
}
