//! Asking the inbox again when it doesn't answer.

use std::time::Duration;

use sendoff_events::{Clock, Rng};

use super::InboxError;
use crate::Backoff;

/// How often it is asked before it is given up: outages longer than this are the queue's to wait out.
const TRIES: u32 = 3;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(1) };

/// Asks until there is an answer. A claim with the same fence and a write of the same revision are the same as one, so asking
/// again is safe, and an answer that was lost costs no attempt.
pub(crate) async fn insist<T, F>(clock: &dyn Clock, rng: &dyn Rng, mut ask: impl FnMut() -> F) -> Result<T, InboxError>
where
    F: Future<Output = Result<T, InboxError>>,
{
    let mut tries = 1;
    loop {
        match ask().await {
            Err(InboxError::Unavailable(_)) if tries < TRIES => {
                clock.sleep(PAUSE.delay(tries, rng)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}
