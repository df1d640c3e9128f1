//! Reactions to changes.

use std::{sync::Arc, sync::Mutex, sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

use sendoff_consumers::{Change, HandlerError, Reaction, ReactionContext, Reactor, Stop};
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_producers::{Expected, RecordKey, Records, UnitOfWork, Write};
use sendoff_tests::memory::{MemoryChanges, RecordsState, lock};

use super::rig::{Rig, WORKER, sent};

/// Puts its change off three times, until a moment that is over; then it takes two seconds.
struct Late {
    runs: AtomicU32,
    done_at: Arc<Mutex<Option<Timestamp>>>,
}

impl Reaction for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn react<'a>(&'a self, _: &'a Change, cx: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            if self.runs.fetch_add(1, Ordering::Relaxed) < 3 {
                return Err(HandlerError::Snooze { until: Some(Timestamp::UNIX_EPOCH), source: "not yet".into() });
            }
            cx.clock.sleep(Duration::from_secs(2)).await;
            *lock(&self.done_at) = Some(cx.clock.now());
            Ok(())
        })
    }
}

#[test]
fn a_reaction_that_is_put_off_into_the_past_waits_nevertheless() {
    let mut rig = Rig::new(|_, _| sent());
    let (state, done_at) = (Arc::new(Mutex::new(RecordsState::default())), Arc::default());
    let tenant = "acme".parse().unwrap();
    let key = RecordKey::new(&tenant, "apps", "crm");
    let write = Write { key, expected: Expected::Absent, data: Some(true.into()) };
    let at = rig.world.clock().now();
    let work = UnitOfWork::new(tenant, "ada", at).write(write).without_events();
    futures::executor::block_on(rig.remote(&state).commit(work)).unwrap();
    let reaction = Late { runs: AtomicU32::new(0), done_at: Arc::clone(&done_at) };
    let context = ReactionContext { clock: rig.clock(), rng: Arc::new(rig.world.rng()), meter: rig.measured.clone() };
    let changes = MemoryChanges(rig.remote(&state));
    rig.world.spawn(WORKER, async move {
        Reactor::new(Arc::new(reaction), Arc::new(changes), context).run(Stop::never()).await;
    });
    rig.run_for(Duration::from_secs(60));
    assert!(lock(&done_at).unwrap() > at);
    assert_eq!(rig.measured.counts(), [("Deferred late".to_owned(), 3), ("Handled late".to_owned(), 1)]);
    let latency = [0, 0, 0, 2].map(Duration::from_secs);
    assert_eq!(rig.measured.times("HandlerLatency late"), latency, "the time between attempts isn't theirs");
}
