use std::time::Duration;

use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_host::SystemClock;

/// Real time from an origin, some times as fast, so that the leases of a killed process end soon. It goes on across
/// restarts.
#[derive(Debug, Clone, Copy)]
pub struct FastClock {
    /// When it agreed with real time.
    pub origin: Timestamp,
}

impl FastClock {
    /// How many times as fast.
    pub const SPEED: u32 = 10;
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let elapsed = Duration::try_from(SystemClock.now().duration_since(self.origin)).unwrap_or_default();
        self.origin + elapsed * Self::SPEED
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration / Self::SPEED)
    }
}
