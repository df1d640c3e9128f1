//! The sweep in a process that lives long: publishes what was committed a while ago and is still unpublished.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::Stop;
use sendoff_events::{Clock, Rng};
use sendoff_producers::{Outbox, Publisher, relay};

/// How often it looks, at least. Several workers look at different times, so that they seldom publish the same.
const EVERY: Duration = Duration::from_secs(60);

/// How many events it publishes at a time.
const BATCH: usize = 100;

/// What the sweep works with.
pub(super) struct Sweep {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
}

impl Sweep {
    /// Sweeps now and then until `stop` is requested. One that is cut off loses nothing: what isn't marked is published by
    /// the next one.
    pub(super) async fn run(self, stop: Stop) {
        loop {
            let pause = EVERY.mul_f64(1.0 + self.rng.next_f64() / 2.0);
            tokio::select! {
                () = stop.requested() => return,
                () = self.clock.sleep(pause) => {}
            }
            tokio::select! {
                () = stop.requested() => return,
                () = self.sweep() => {}
            }
        }
    }

    async fn sweep(&self) {
        match relay::sweep(&*self.outbox, &*self.publisher, &*self.clock, BATCH).await {
            Ok(swept) if swept.published + swept.left_over() > 0 => {
                swept.tell();
                let (published, left, unmarked) = (swept.published, swept.left_over(), swept.unmarked);
                tracing::info!(published, left, unmarked, "swept what nobody had published");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the outbox can't be swept; the next sweep tries again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use sendoff_consumers::Stopper;
    use sendoff_events::{BoxFuture, EventId, Outgoing, Timestamp};
    use sendoff_producers::{OutboxError, Pending, PublishError};

    use super::*;

    /// A clock on which every pause is over at once.
    struct Hurried;

    impl Clock for Hurried {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
            assert!(pause >= EVERY && pause < EVERY * 2, "{pause:?}");
            Box::pin(tokio::task::yield_now())
        }
    }

    struct Half;

    impl Rng for Half {
        fn next_u64(&self) -> u64 {
            u64::MAX / 2
        }
    }

    /// Can't be read at first, and asks to stop the third time it is read.
    struct Counting(Mutex<(usize, Option<Stopper>)>);

    impl Outbox for Counting {
        fn pending(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 += 1;
            let times = state.0;
            if times == 3
                && let Some(stopper) = state.1.take()
            {
                stopper.stop();
            }
            Box::pin(
                async move { if times == 1 { Err(OutboxError("it is down".into())) } else { Ok(Pending::default()) } },
            )
        }

        fn mark_published<'a>(&'a self, _: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
            Box::pin(async { Ok(()) })
        }
    }

    impl Publisher for Counting {
        fn publish<'a>(&'a self, _: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
            Box::pin(async { Vec::new() })
        }
    }

    #[tokio::test]
    async fn it_goes_on_after_an_outage_until_it_is_asked_to_stop() {
        let (stopper, stop) = Stop::pair();
        let counting = Arc::new(Counting(Mutex::new((0, Some(stopper)))));
        let (clock, rng) = (Arc::new(Hurried), Arc::new(Half));
        Sweep { outbox: counting.clone(), publisher: counting.clone(), clock, rng }.run(stop).await;
        assert_eq!(counting.0.lock().unwrap().0, 3);
    }
}
