//! A panic is one failed attempt, not the end of the process.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::Ended;

/// Runs `attempt` and turns a panic into [`Ended::Panicked`].
pub(crate) async fn catch_panic(attempt: impl Future<Output = Ended>) -> Ended {
    // What the handler shares with others is behind the ports, and the ledger's lock ignores poison.
    match AssertUnwindSafe(attempt).catch_unwind().await {
        Ok(ended) => ended,
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned());
            Ended::Panicked(text.unwrap_or_else(|| "panicked without a message".into()))
        }
    }
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
