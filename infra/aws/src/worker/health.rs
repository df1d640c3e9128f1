//! Whether the worker can take messages, asked as often as a probe likes.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use sendoff_consumers::Stop;
use sendoff_events::{BoxFuture, Clock, Timestamp};
use tokio::sync::Mutex;

/// How long an answer holds: probes may come often, and each would be a call for every queue.
const HOLDS: Duration = Duration::from_secs(5);

/// What can't be reached, one line for each, if anything.
type Answer = Result<(), String>;

/// Asks whether all queues can be reached.
pub(super) type Asking = Box<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>;

/// Whether the worker is ready.
pub(super) struct Readiness {
    clock: Arc<dyn Clock>,
    stop: Stop,
    ask: Asking,
    /// Held while it asks, so that many probes ask once.
    last: Mutex<Option<(Timestamp, Answer)>>,
}

impl Readiness {
    /// Ready as long as `stop` isn't requested and `ask` finds everything reachable.
    pub(super) fn new(clock: Arc<dyn Clock>, stop: Stop, ask: Asking) -> Self {
        Self { clock, stop, ask, last: Mutex::default() }
    }

    /// Whether it is ready, as of the last few seconds.
    pub(super) async fn check(&self) -> Answer {
        if self.stop.requested().now_or_never().is_some() {
            return Err("it is stopping".into());
        }
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some((since, answer)) = &*last
            && now.duration_since(*since).unsigned_abs() < HOLDS
        {
            return answer.clone();
        }
        let answer = (self.ask)().await;
        *last = Some((now, answer.clone()));
        answer
    }
}
