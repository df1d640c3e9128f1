//! Leasing letters: as many `ReceiveMessage` at a time as there seem to be letters for.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use sendoff_consumers::{Backoff, DeadLettersError, TakenLetter};

use super::{AT_ONCE, SqsDeadLetters, failed, letter};
use crate::{CallError, Cause, batches::ENTRIES, queue::seconds};

/// How many calls are under way in the beginning. Each that comes back full lets one more go; while there are always more letters
/// than are asked for, the next time begins where the last one ended.
pub(super) const FIRST: usize = 8;
/// After how many empty answers in a row no more is asked. A short poll asks some of SQS's servers only, and small queues stand
/// on few.
const EMPTY: usize = 3;
/// How long SQS looks before it says that there is none: it asks all its servers only when it may wait. In seconds.
const WAIT: i32 = 1;
/// How often it is asked that asks to slow down.
const TRIES: u32 = 8;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(2) };

impl SqsDeadLetters {
    /// Up to `max` letters. When some were leased before a call failed, they are given, and the failure is not: who asks again is
    /// told.
    pub(super) async fn take_some(
        &self,
        queue: &str,
        max: usize,
        hold: Duration,
    ) -> Result<Vec<TakenLetter>, DeadLettersError> {
        let (url, hold) = (self.url(queue), seconds(hold).max(1));
        if max == 0 {
            return Ok(Vec::new());
        }
        for attempt in 1.. {
            let (taken, error) = self.rush(&url, max, hold).await;
            if !taken.is_empty() {
                return Ok(taken);
            }
            match error {
                None => break,
                Some(error) if error.cause == Cause::Throttled && attempt < TRIES && !is_over(&error) => {
                    self.store.clock.sleep(PAUSE.delay(attempt, &*self.store.rng)).await;
                }
                Some(error) => return Err(failed(queue, &error)),
            }
        }
        self.receive(&url, max.min(ENTRIES), WAIT, hold).await.map_err(|error| failed(queue, &error))
    }

    /// What many short polls find, and the first that failed: none is begun after it.
    async fn rush(&self, url: &str, max: usize, hold: i32) -> (Vec<TakenLetter>, Option<CallError>) {
        let (mut taken, mut error) = (Vec::new(), None);
        let mut calls = FuturesUnordered::new();
        let (mut asked, mut empty, mut width) = (0, 0, self.width.load(Relaxed));
        loop {
            while error.is_none() && empty < EMPTY && calls.len() < width && taken.len() + asked < max {
                let some = (max - taken.len() - asked).min(ENTRIES);
                asked += some;
                calls.push(async move { (some, self.receive(url, some, 0, hold).await) });
            }
            let Some((some, answer)) = calls.next().await else { break };
            asked -= some;
            match answer {
                Ok(letters) if letters.is_empty() => empty += 1,
                Ok(letters) => {
                    empty = 0;
                    width = AT_ONCE.min(width + usize::from(letters.len() == some));
                    taken.extend(letters);
                }
                Err(told) => error = error.or(Some(told)),
            }
        }
        self.width.store(if taken.len() == max { width } else { FIRST }, Relaxed);
        (taken, error)
    }

    /// One `ReceiveMessage`. It isn't repeated: what an answer held that was lost comes back when its lease is over.
    async fn receive(&self, url: &str, some: usize, wait: i32, hold: i32) -> Result<Vec<TakenLetter>, CallError> {
        let call = self.store.aws.sqs().receive_message().queue_url(url);
        let call = call.max_number_of_messages(i32::try_from(some).unwrap_or(1)).wait_time_seconds(wait);
        let call = call.visibility_timeout(hold).message_attribute_names("All");
        let call = letter::ASKED.into_iter().fold(call, |call, name| call.message_system_attribute_names(name));
        let answer = call.send().await.map_err(|error| CallError::of("sqs:ReceiveMessage", url, &error))?;
        let now = self.store.clock.now();
        Ok(answer.messages.unwrap_or_default().into_iter().map(|message| letter::letter(message, now)).collect())
    }
}

/// Whether more messages are leased than SQS allows at once. No waiting helps.
fn is_over(error: &CallError) -> bool {
    error.code.as_deref().is_some_and(|code| code.contains("OverLimit"))
}
