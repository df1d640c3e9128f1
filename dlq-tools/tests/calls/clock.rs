//! Time that passes only while somebody waits for it.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Timestamp};

type Act = Box<dyn FnOnce() + Send>;

/// A clock that goes on by itself as far as somebody sleeps. At certain moments something happens, in the midst of whoever sleeps.
pub(crate) struct SleepClock {
    now: AtomicI64,
    acts: Mutex<BTreeMap<i64, Act>>,
}

impl SleepClock {
    pub(crate) fn new() -> Self {
        Self { now: AtomicI64::new(1_795_000_000_000), acts: Mutex::default() }
    }

    /// Lets this happen so many seconds from now.
    pub(crate) fn at(&self, seconds: i64, act: impl FnOnce() + Send + 'static) {
        let at = self.now().as_millisecond() + seconds * 1000;
        self.acts.lock().unwrap().insert(at, Box::new(act));
    }

    /// Sets it back by so many seconds.
    pub(crate) fn set_back(&self, seconds: i64) {
        self.now.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }

    fn due(&self) -> Option<Act> {
        let mut acts = self.acts.lock().unwrap();
        let first = acts.first_entry().filter(|act| *act.key() <= self.now.load(Ordering::SeqCst))?;
        Some(first.remove())
    }
}

impl Clock for SleepClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.now.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        while let Some(act) = self.due() {
            act();
        }
        Box::pin(std::future::ready(()))
    }
}
