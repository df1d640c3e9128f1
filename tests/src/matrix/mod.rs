//! The fault matrix: every channel, every fault of its peer, both policies for a doubt, each run over real sockets and judged
//! by what the *peer* took. `docs/DELIVERY.md` shows it; the suite asserts on it.

#![expect(clippy::expect_used, reason = "a cell that can't be run is no result")]

mod document;
mod drive;
mod http;
mod mail;
mod phones;
mod table;

use std::fmt;

pub use document::document;
pub use table::table;

/// What a message that may have been sent is to be, when nobody knows. Each channel has one of the two by its own policy; the
/// other one is shown beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDoubt {
    /// Held for news, then left to a person.
    Hold,
    /// Sent again, with the same idempotency key.
    Resend,
}

/// How long the fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// It hits the first attempt only.
    Once,
    /// It hits every attempt.
    Always,
}

/// One message that met one fault.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The channel and its provider: `sms (twilio)`.
    pub channel: &'static str,
    /// What its peer did: `reset after`.
    pub fault: String,
    /// For how long.
    pub lasts: Lasts,
    /// The policy.
    pub on_doubt: OnDoubt,
    /// How often the peer took the message.
    pub taken: usize,
    /// What became of it.
    pub end: End,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its ledger says done.
    Done,
    /// It is dead-lettered, and its ledger says that it was not sent.
    Dead(String),
    /// It is dead-lettered in doubt: a person decides.
    InDoubt,
    /// It still waits in its queue after 150 deliveries, and has used up no attempt.
    Waits,
}

impl Cell {
    /// What must hold of every cell: nothing is sent twice under `Hold`, nothing is told as done that wasn't, and nothing that
    /// wasn't sent is without a dead letter, a doubt or a message that waits.
    ///
    /// # Errors
    ///
    /// What doesn't hold.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{self}: {what}"));
        match (&self.end, self.taken, self.on_doubt) {
            (_, 2.., OnDoubt::Hold) => wrong("sent twice, though doubts are held"),
            (End::Done, 0, _) => wrong("told as done and never sent"),
            (End::Dead(_) | End::Waits, 1.., _) => wrong("sent, and told as if it were not"),
            (End::Done | End::Dead(_) | End::InDoubt | End::Waits, ..) => Ok(()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, fault, lasts, on_doubt, taken, end } = self;
        write!(f, "{channel}, {fault} ({lasts:?}), {on_doubt:?}: taken {taken}, {end:?}")
    }
}

/// Runs every cell.
pub async fn run() -> Vec<Cell> {
    let (mut cells, others) = futures::join!(mail::cells(), http::cells());
    cells.extend(others);
    cells
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use sendoff_consumers::{
        Doubt, NotSent, Policy, SendOutcome,
        channels::Provider,
        handlers::{BySms, Way as _},
    };
    use sendoff_events::BoxFuture;

    use super::{
        Cell, Lasts, OnDoubt,
        drive::{Message, drive},
    };
    use crate::conformance::WarpClock;

    impl Message for String {
        const POLICY: Policy = BySms::POLICY;
    }

    /// A provider that takes so many messages of the first attempt and says something else of it, and is honest afterwards.
    struct Liar {
        takes: usize,
        says: SendOutcome,
        attempts: AtomicUsize,
        taken: Arc<AtomicUsize>,
    }

    impl Provider<String> for Liar {
        fn name(&self) -> &'static str {
            "liar"
        }

        fn send<'a>(&'a self, _: &'a String, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
            Box::pin(async {
                let lies = self.attempts.fetch_add(1, Ordering::Relaxed) == 0;
                self.taken.fetch_add(if lies { self.takes } else { 1 }, Ordering::Relaxed);
                if lies { self.says.clone() } else { sent() }
            })
        }
    }

    fn sent() -> SendOutcome {
        SendOutcome::Sent { provider: None, provider_id: None }
    }

    async fn cell(takes: usize, says: SendOutcome) -> Cell {
        let taken = Arc::new(AtomicUsize::new(0));
        let liar = Arc::new(Liar { takes, says, attempts: AtomicUsize::new(0), taken: taken.clone() });
        let (_, end) = drive(liar, Arc::new(|key| key), OnDoubt::Hold, &WarpClock::new()).await;
        let (fault, taken) = ("a lie".to_owned(), taken.load(Ordering::Relaxed));
        Cell { channel: "planted", fault, lasts: Lasts::Once, on_doubt: OnDoubt::Hold, taken, end }
    }

    #[tokio::test]
    async fn each_mistake_that_is_planted_in_a_provider_is_found() {
        let reason = || "a lie".to_owned();
        for (takes, says, why) in [
            (1, SendOutcome::NotSent(NotSent::Transient { reason: reason() }), "sent twice"),
            (0, sent(), "told as done and never sent"),
            (1, SendOutcome::NotSent(NotSent::Permanent { reason: reason() }), "told as if it were not"),
        ] {
            let error = cell(takes, says).await.check().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let unknown = SendOutcome::Unknown { provider: None, reason: reason() };
        for (takes, says) in [(1, sent()), (0, unknown.clone()), (1, unknown)] {
            assert_eq!(cell(takes, says).await.check(), Ok(()));
        }
    }
}
