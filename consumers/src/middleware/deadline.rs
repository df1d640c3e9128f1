//! An attempt ends when its policy, its host or a stop says so.

use std::time::Duration;

use futures::{FutureExt, select_biased};
use sendoff_events::Clock;

use super::Ended;
use crate::{HandlerError, Limits};

/// Runs `handler` for at most `timeout`, and no longer than `limits` allow. Dropping it in the middle is safe: the ledger
/// knows which effects had begun.
pub(crate) async fn deadline(
    clock: &dyn Clock,
    timeout: Duration,
    limits: &Limits,
    handler: impl Future<Output = Result<(), HandlerError>>,
) -> Ended {
    let left = limits.until.map(|until| Duration::try_from(until.duration_since(clock.now())).unwrap_or_default());
    let host_first = left.is_some_and(|left| left < timeout);
    let mut time_up = clock.sleep(left.map_or(timeout, |left| left.min(timeout))).fuse();
    let mut stop = limits.stop.requested().fuse();
    let handler = handler.fuse();
    futures::pin_mut!(handler);
    select_biased! {
        result = handler => Ended::Returned(result),
        () = time_up => if host_first { Ended::Interrupted } else { Ended::TimedOut },
        () = stop => Ended::Interrupted,
    }
}
