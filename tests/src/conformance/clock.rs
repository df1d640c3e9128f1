//! A clock that runs like any other and can be moved ahead.

use std::time::Duration;

use sendoff_events::{BoxFuture, Clock, Timestamp};
use tokio::{sync::watch, time::Instant};

/// Real time from a fixed beginning, plus whatever it was [advanced](Self::advance) by. Whoever sleeps on it is woken by
/// either, so leases and delays are tested without waiting for them.
#[derive(Clone)]
pub struct WarpClock {
    epoch: Timestamp,
    started: Instant,
    ahead: watch::Sender<Duration>,
}

/// When every such clock begins, in seconds since 1970.
const EPOCH: i64 = 1_800_000_000;

impl WarpClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self::from(Timestamp::from_second(EPOCH).unwrap_or_default())
    }

    /// A clock that begins at `epoch`.
    #[must_use]
    pub fn from(epoch: Timestamp) -> Self {
        Self { epoch, started: Instant::now(), ahead: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves it ahead.
    pub fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed() + *self.ahead.borrow()
    }
}

impl Default for WarpClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for WarpClock {
    fn now(&self) -> Timestamp {
        self.epoch + self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            let mut jumps = clock.ahead.subscribe();
            let until = clock.elapsed().saturating_add(duration);
            loop {
                let left = until.saturating_sub(clock.elapsed());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    // The sender lives as long as this clock does.
                    _ = jumps.changed() => {}
                }
            }
        })
    }
}
