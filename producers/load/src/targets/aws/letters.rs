//! The messages of a queue, dead letters mostly, which SQS shows only to whoever takes them: each look counts as a receive, and is given back at once.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{Receipt, TakenLetter};
use sendoff_events::{AnyEnvelope, EventId};

use super::OnAws;
use crate::{RunId, target::TargetError};

/// How long letters are held while all of a queue are looked at.
const HOLD: Duration = Duration::from_secs(60);
/// How many are asked for at a time.
const SOME: usize = 500;
/// How many queues are looked into at a time. To be told by SQS that there is no more takes seconds.
const AT_ONCE: usize = 8;
/// After so many answers without a new letter, all were seen: SQS may give none although there are some.
const EMPTY_ANSWERS: usize = 3;

/// A message, as far as a run needs to know it.
pub(super) struct Letter {
    pub(super) receipt: Receipt,
    pub(super) event: Option<EventId>,
    correlation: Option<String>,
    is_caused: bool,
    tenant: Option<String>,
}

impl Letter {
    fn of(taken: TakenLetter) -> Self {
        let header = AnyEnvelope::decode(&taken.letter.body).ok().map(|envelope| envelope.header);
        Self {
            receipt: taken.receipt,
            event: header.as_ref().map(|header| header.id),
            is_caused: header.as_ref().is_some_and(|header| header.causation.is_some()),
            correlation: header.map(|header| header.correlation),
            tenant: taken.letter.attributes.get("tenant").cloned(),
        }
    }

    /// Whether it is one of the run that nobody can decode.
    pub(super) fn is_poison_of(&self, run: &RunId) -> bool {
        self.event.is_none() && self.tenant.as_ref().is_some_and(|tenant| run.owns(tenant))
    }

    /// The event in it, where the run sent it, and nothing else caused it.
    pub(super) fn root_of(&self, run: &RunId) -> Option<EventId> {
        let is_sent = self.correlation.as_ref().is_some_and(|text| run.number(text).is_some()) && !self.is_caused;
        self.event.filter(|_| is_sent)
    }

    /// Whether it belongs to the run at all.
    pub(super) fn is_of(&self, run: &RunId) -> bool {
        let by_correlation = self.correlation.as_ref().is_some_and(|text| run.number(text).is_some());
        by_correlation || self.tenant.as_ref().is_some_and(|tenant| run.owns(tenant))
    }
}

/// Does something with each queue, several at a time. All come to their end before one that failed is told of: what it has leased
/// would stay hidden.
pub(super) async fn each<I, T, F: Future<Output = Result<T, TargetError>>>(
    queues: impl IntoIterator<Item = I>,
    work: impl FnMut(I) -> F,
) -> Result<Vec<T>, TargetError> {
    let done: Vec<_> = stream::iter(queues).map(work).buffered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

impl OnAws {
    /// Of each of these consumers what is made of its dead letters. They are given back.
    pub(super) async fn of_letters<T>(
        &self,
        consumers: impl IntoIterator<Item = String>,
        make: impl Fn(Vec<Letter>) -> T,
    ) -> Result<BTreeMap<String, T>, TargetError> {
        let make = &make;
        let of = async |consumer: String| {
            let made = make(self.letters(&consumer).await?);
            Ok((consumer, made))
        };
        Ok(each(consumers, of).await?.into_iter().collect())
    }

    /// The dead letters of a consumer. They are given back.
    async fn letters(&self, consumer: &str) -> Result<Vec<Letter>, TargetError> {
        let queue = dead(consumer);
        let letters = self.take(&queue).await?;
        let receipts: Vec<Receipt> = letters.iter().map(|letter| letter.receipt.clone()).collect();
        self.give_back(&queue, &receipts).await;
        Ok(letters)
    }

    /// Takes all messages of a queue that nobody holds.
    pub(super) async fn take(&self, queue: &str) -> Result<Vec<Letter>, TargetError> {
        let (mut found, mut empty) = (BTreeMap::new(), 0);
        while empty < EMPTY_ANSWERS {
            let some = self.ways.letters.take(queue, SOME, HOLD).await;
            let some = some.map_err(|e| TargetError::unreachable(format!("looking into `{queue}`"), e))?;
            self.meter.queue_requests(1 + some.len() as u64);
            let before = found.len();
            for taken in some {
                found.insert(taken.letter.message_id.clone(), Letter::of(taken));
            }
            empty = if found.len() == before { empty + 1 } else { 0 };
        }
        Ok(found.into_values().collect())
    }

    /// Gives letters back. One that can't be shows again when its lease is over.
    pub(super) async fn give_back(&self, queue: &str, receipts: &[Receipt]) {
        self.ways.letters.hold(queue, receipts, Duration::ZERO).await;
    }
}

/// The name of a consumer's dead-letter queue.
pub(super) fn dead(consumer: &str) -> String {
    format!("{consumer}-dlq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_run_sent_itself_is_a_root_of_it() {
        let event = EventId::from_bytes([1; 16]);
        let letter = |correlation: &str, is_caused| Letter {
            receipt: Receipt::new("r"),
            event: Some(event),
            correlation: Some(correlation.into()),
            is_caused,
            tenant: None,
        };
        let run: RunId = "a".parse().unwrap();
        assert_eq!(letter("load/a/7", false).root_of(&run), Some(event));
        assert_eq!(letter("load/a/7", true).root_of(&run), None, "it follows from one");
        assert_eq!(letter("load/a-1/7", false).root_of(&run), None, "it is another run's");
        assert_eq!(Letter { event: None, ..letter("load/a/7", false) }.root_of(&run), None, "nobody can decode it");
    }
}
