//! A clock that stands still, but for whoever sleeps to the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Timestamp};

/// Time moves only when a sleep ends, and by as much. Each sleep takes until whoever serves has gone through all queues, however
/// slow the machine is. So what is printed is the same in every run.
#[derive(Clone)]
pub(super) struct StillClock(Arc<Inner>);

/// Somebody serves.
pub(super) struct Served(StillClock);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.0.is_served.store(false, Ordering::SeqCst);
    }
}

struct Inner {
    now: AtomicI64,
    is_served: AtomicBool,
    turns: AtomicU64,
}

impl StillClock {
    pub(super) fn at(moment: Timestamp) -> Self {
        let (is_served, turns) = (AtomicBool::new(false), AtomicU64::new(0));
        Self(Arc::new(Inner { now: AtomicI64::new(moment.as_millisecond()), is_served, turns }))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.now.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Somebody serves, as long as what is given lives.
    pub(super) fn served(&self) -> Served {
        self.0.is_served.store(true, Ordering::SeqCst);
        Served(self.clone())
    }

    /// Whoever serves has gone through all queues.
    pub(super) fn turn(&self) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// A moment, and two turns: the first of them may have been under way already.
    async fn others(&self) {
        let until = self.0.turns.load(Ordering::SeqCst) + 2;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if !self.0.is_served.load(Ordering::SeqCst) || self.0.turns.load(Ordering::SeqCst) >= until {
                return;
            }
        }
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.now.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let until = self.now().as_millisecond() + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
        Box::pin(async move {
            clock.others().await;
            clock.0.now.fetch_max(until, Ordering::SeqCst);
        })
    }
}
