//! Time and chance for this crate's own tests: both stand still.

use std::time::Duration;

use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};

pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Rng for Still {
    fn next_u64(&self) -> u64 {
        7
    }
}
