//! The leases of a snapshot in the making: all of them are given back.

use std::{collections::VecDeque, time::Duration};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{DeadLetter, DeadLetters, DeadLettersError, QueueError, Receipt};
use sendoff_events::{Clock, Timestamp};

/// How many receipts stand in one call of the port.
const CHUNK: usize = 1000;
/// How many such calls run at a time.
const AT_ONCE: usize = 4;
/// How often giving back is tried while the queue doesn't answer, and how long after a failure.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// What is leased.
pub(super) struct Leases<'a> {
    letters: &'a dyn DeadLetters,
    clock: &'a dyn Clock,
    queue: &'a str,
    hold: Duration,
    /// The oldest first, which also end first.
    held: VecDeque<Held>,
    /// How many leases there were.
    pub(super) leased: u64,
    /// How many of them were given back.
    pub(super) released: u64,
    /// How many were held when the queue would give out no more.
    pub(super) full_at: Option<usize>,
}

struct Held {
    receipt: Receipt,
    until: Timestamp,
}

impl<'a> Leases<'a> {
    pub(super) fn new(letters: &'a dyn DeadLetters, clock: &'a dyn Clock, queue: &'a str, hold: Duration) -> Self {
        Self { letters, clock, queue, hold, held: VecDeque::new(), leased: 0, released: 0, full_at: None }
    }

    /// Leases more letters. When so many are leased that the queue gives out no more, the oldest quarter goes back first: those
    /// may come again.
    pub(super) async fn take(&mut self, max: usize) -> Result<Vec<DeadLetter>, DeadLettersError> {
        self.prolong().await;
        let until = self.end();
        let taken = match self.letters.take(self.queue, max, self.hold).await {
            Err(DeadLettersError::TooManyLeased(_)) if !self.held.is_empty() => {
                self.full_at = Some(self.held.len());
                self.give_back(self.held.len().div_ceil(4)).await;
                Vec::new()
            }
            taken => taken?,
        };
        self.leased += taken.len() as u64;
        let held = |receipt| Held { receipt, until };
        let mut letters = Vec::with_capacity(taken.len());
        for taken in taken {
            self.held.push_back(held(taken.receipt));
            letters.push(taken.letter);
        }
        Ok(letters)
    }

    /// Gives all back.
    pub(super) async fn give_all_back(&mut self) {
        self.give_back(self.held.len()).await;
    }

    /// Lets those last longer that would end soon.
    async fn prolong(&mut self) {
        let soon = self.clock.now().checked_add(self.hold / 2).unwrap_or(Timestamp::MAX);
        let count = self.held.iter().take_while(|held| held.until < soon).count();
        if count == 0 {
            return;
        }
        let until = self.end();
        let ending: Vec<Receipt> = self.held.drain(..count).map(|held| held.receipt).collect();
        let results = self.hold(&ending, self.hold).await;
        for (receipt, result) in ending.into_iter().zip(results) {
            match result {
                Ok(()) => self.held.push_back(Held { receipt, until }),
                // It ends by itself, or has: the letter is free again either way, and there is nothing left to give back.
                Err(QueueError::Stale | QueueError::Refused(_)) => {}
                // It may have been prolonged. It is tried again the next time, or given back at the end.
                Err(QueueError::Unavailable(_)) => {
                    self.held.push_front(Held { receipt, until: self.clock.now() });
                }
            }
        }
    }

    /// Gives the oldest back. Those that the queue doesn't answer about stay in `held`: their leases end by themselves.
    async fn give_back(&mut self, count: usize) {
        let mut left: Vec<Receipt> = self.held.drain(..count).map(|held| held.receipt).collect();
        for attempt in 1..=TRIES {
            let results = self.hold(&left, Duration::ZERO).await;
            let mut unanswered = Vec::new();
            for (receipt, result) in left.into_iter().zip(results) {
                match result {
                    Ok(()) => self.released += 1,
                    Err(QueueError::Stale | QueueError::Refused(_)) => {}
                    Err(QueueError::Unavailable(_)) => unanswered.push(receipt),
                }
            }
            left = unanswered;
            if left.is_empty() {
                return;
            }
            if attempt < TRIES {
                self.clock.sleep(PAUSE).await;
            }
        }
    }

    async fn hold(&self, receipts: &[Receipt], hold: Duration) -> Vec<Result<(), QueueError>> {
        let calls = receipts.chunks(CHUNK).map(|chunk| self.letters.hold(self.queue, chunk, hold));
        let results: Vec<_> = stream::iter(calls).buffered(AT_ONCE).collect().await;
        results.into_iter().flatten().collect()
    }

    fn end(&self) -> Timestamp {
        self.clock.now().checked_add(self.hold).unwrap_or(Timestamp::MAX)
    }
}
