//! A clock that stands still, but for whoever sleeps to the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Timestamp};

/// Time moves only when a sleep ends, and by as much; each sleep really takes a moment, so that others can come first. So what is
/// printed is the same in every run.
#[derive(Clone)]
pub(super) struct StillClock(Arc<AtomicI64>);

impl StillClock {
    pub(super) fn at(moment: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(moment.as_millisecond())))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let until = self.now().as_millisecond() + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.0.fetch_max(until, Ordering::SeqCst);
        })
    }
}
