//! A panic is one failed attempt, not the end of the process.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::FutureExt;

use super::Ended;

/// Runs `attempt` and turns a panic into [`Ended::Panicked`].
pub(crate) async fn catch_panic(attempt: impl Future<Output = Ended>) -> Ended {
    // What the handler shares with others is behind the ports, and the ledger's lock ignores poison.
    match AssertUnwindSafe(attempt).catch_unwind().await {
        Ok(ended) => ended,
        Err(payload) => Ended::Panicked(message(&*payload)),
    }
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panicked without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_end_of_one_attempt() {
        let ended = futures::executor::block_on(catch_panic(async { panic!("no {}", "luck") }));
        assert!(matches!(ended, Ended::Panicked(text) if text == "no luck"));
    }
}
