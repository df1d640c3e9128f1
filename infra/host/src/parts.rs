//! The running parts of the system, and how they end.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{join_all, select_all};
use sendoff_consumers::{Stop, Stopper};
use tokio::task::{JoinError, JoinHandle};

/// A part of the system ended although nobody had asked it to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{part} has stopped: {why}. Everything was stopped with it; what was running is delivered again at the next start"
)]
pub struct PartError {
    /// Which part.
    pub part: String,
    /// Why, as far as it is known.
    pub why: String,
}

/// Parts that are stopped together.
pub struct Phase {
    stopper: Option<Stopper>,
    stop: Stop,
    parts: Vec<Part>,
    patience: Duration,
}

struct Part {
    name: String,
    task: JoinHandle<Result<(), String>>,
}

impl Phase {
    /// A phase without parts, whose parts have `patience`, all at the same time, to end when they are asked to.
    pub fn new(patience: Duration) -> Self {
        let (stopper, stop) = Stop::pair();
        Self { stopper: Some(stopper), stop, parts: Vec::new(), patience }
    }

    /// What its parts have to obey.
    pub fn stop_signal(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs a part.
    pub fn run(&mut self, name: impl Into<String>, work: impl Future<Output = Result<(), String>> + Send + 'static) {
        self.parts.push(Part { name: name.into(), task: tokio::spawn(work) });
    }

    /// Resolves when a part has ended by itself: an error, a panic, or for no reason at all.
    pub async fn failed(&mut self) -> PartError {
        poll_fn(|cx| {
            let ended = self.parts.iter_mut().enumerate().find_map(|(at, part)| match poll(part, cx) {
                Poll::Ready(error) => Some((at, error)),
                Poll::Pending => None,
            });
            match ended {
                Some((at, error)) => {
                    // A task that has ended must not be asked again.
                    self.parts.swap_remove(at);
                    Poll::Ready(error)
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Asks all parts to stop and waits for them. What doesn't end in time is cut off.
    ///
    /// # Errors
    ///
    /// [`PartError`] of the first part that failed; all are stopped nevertheless.
    pub async fn stop(mut self) -> Result<(), PartError> {
        if let Some(stopper) = self.stopper.take() {
            stopper.stop();
        }
        let ends = self.parts.into_iter().map(|part| part.end(self.patience));
        join_all(ends).await.into_iter().fold(Ok(()), Result::and)
    }
}

impl Part {
    /// Waits for its end. If that doesn't come in time, it is cut off.
    async fn end(self, patience: Duration) -> Result<(), PartError> {
        let Self { name: part, mut task } = self;
        let why = match tokio::time::timeout(patience, &mut task).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(why))) => why,
            Ok(Err(error)) => describe(error),
            Err(_) => {
                task.abort();
                tracing::warn!(part, patience_s = patience.as_secs(), "did not end in time and was cut off");
                return Ok(());
            }
        };
        Err(PartError { part, why })
    }
}

/// Phases of a system, stopped one after the other, so that nothing loses what it depends on.
pub struct Phases(Vec<Phase>);

impl Phases {
    /// Phases in the order in which they are stopped.
    #[must_use]
    pub const fn new(phases: Vec<Phase>) -> Self {
        Self(phases)
    }

    /// Resolves when a part has failed. Then the rest should be shut down: half a system is worse than none.
    pub async fn failed(&mut self) -> PartError {
        select_all(self.0.iter_mut().map(|phase| Box::pin(phase.failed()))).await.0
    }

    /// Stops everything in order.
    ///
    /// # Errors
    ///
    /// [`PartError`] of the first part that failed while it stopped; everything is stopped nevertheless.
    pub async fn stop(self) -> Result<(), PartError> {
        let mut result = Ok(());
        for phase in self.0 {
            result = result.and(phase.stop().await);
        }
        result
    }
}

fn poll(part: &mut Part, cx: &mut Context<'_>) -> Poll<PartError> {
    Pin::new(&mut part.task).poll(cx).map(|ended| {
        let why = match ended {
            Ok(Ok(())) => "it ended by itself".into(),
            Ok(Err(why)) => why,
            Err(error) => describe(error),
        };
        PartError { part: part.name.clone(), why }
    })
}

fn describe(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text =
                panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            format!("it panicked: {}", text.unwrap_or("no message"))
        }
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_panic_in_a_part_is_told_with_its_message() {
        let mut phase = Phase::new(PATIENCE);
        let stop = phase.stop_signal();
        phase.run("the good one", async move {
            stop.requested().await;
            Ok(())
        });
        phase.run("the bad one", async { panic!("out of {}", "luck") });
        let error = phase.failed().await;
        assert_eq!((error.part.as_str(), error.why.as_str()), ("the bad one", "it panicked: out of luck"));
        assert_eq!(phase.stop().await, Ok(()));
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_a_failure() {
        let mut phase = Phase::new(PATIENCE);
        phase.run("the lazy one", async { Ok(()) });
        assert_eq!(phase.failed().await.why, "it ended by itself");
    }

    #[tokio::test]
    async fn an_error_at_the_stop_is_told_and_the_other_parts_are_still_awaited() {
        let mut phase = Phase::new(PATIENCE);
        let stop = phase.stop_signal();
        phase.run("first", async { Err("no disk".into()) });
        let (sender, ended) = tokio::sync::oneshot::channel();
        phase.run("second", async move {
            stop.requested().await;
            let _ = sender.send(());
            Ok(())
        });
        assert_eq!(phase.stop().await.unwrap_err().why, "no disk");
        assert_eq!(ended.await, Ok(()));
    }

    #[tokio::test]
    async fn a_part_that_does_not_end_is_cut_off() {
        let mut phase = Phase::new(Duration::ZERO);
        phase.run("the stubborn one", std::future::pending());
        assert_eq!(phase.stop().await, Ok(()));
    }

    #[tokio::test]
    async fn parts_that_do_not_end_take_no_longer_together_than_one() {
        let mut phase = Phase::new(Duration::from_millis(100));
        for _ in 0..100 {
            phase.run("a stubborn one", std::future::pending());
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), phase.stop()).await;
        assert_eq!(ended, Ok(Ok(())));
    }
}
