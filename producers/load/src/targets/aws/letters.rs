//! The messages of a queue, dead letters mostly, which SQS shows only to whoever takes them: each look counts as a receive, and is given back at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{Receipt, TakenLetter};
use sendoff_events::{AnyEnvelope, EventId, Timestamp};

use super::OnAws;
use crate::{RunId, target::TargetError};

/// How long letters are held at most while all of a queue are looked at.
const HOLD: Duration = Duration::from_secs(60);
/// By how much the clock of SQS may be behind ours.
const SLACK: Duration = Duration::from_secs(5);
/// How many are asked for at a time.
const SOME: usize = 500;
/// How many queues are looked into at a time. To be told by SQS that there is no more takes seconds.
const AT_ONCE: usize = 8;
/// After so many answers without a letter that is looked for, all were seen: SQS may give none although there are some.
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

/// What a look through a queue has found so far.
struct Look {
    /// What was sent later isn't looked for: others may send for ever.
    until: Timestamp,
    /// Those seen that were sent before.
    before: BTreeSet<String>,
    /// Those seen that were sent later.
    later: BTreeSet<String>,
    /// Those that are asked for, whenever they were sent.
    wanted: BTreeMap<String, Letter>,
    /// The others that are held, so that they don't come again and again in place of what wasn't seen.
    held: BTreeMap<String, Receipt>,
}

impl Look {
    fn beginning(now: Timestamp) -> Self {
        let (before, later) = (BTreeSet::new(), BTreeSet::new());
        Self { until: now + SLACK, before, later, wanted: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// Takes note of an answer. Gives whether there was anything new in it that is looked for, and what is to be given back at once:
    /// what was sent later, and isn't wanted. When such a one comes again it is held like the others, so that each is taken twice at
    /// most as long as none is held for [`HOLD`].
    fn note(&mut self, some: Vec<TakenLetter>, is_wanted: impl Fn(&Letter) -> bool) -> (bool, Vec<Receipt>) {
        let (mut is_new, mut back) = (false, Vec::new());
        for taken in some {
            let (id, is_later) = (taken.letter.message_id.clone(), taken.letter.enqueued_at > self.until);
            let is_first = if is_later { self.later.insert(id.clone()) } else { self.before.insert(id.clone()) };
            is_new |= is_first && !is_later;
            let letter = Letter::of(taken);
            if is_wanted(&letter) {
                self.wanted.insert(id, letter);
            } else if is_later && is_first {
                back.push(letter.receipt);
            } else {
                self.held.insert(id, letter.receipt);
            }
        }
        (is_new, back)
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
        let letters = self.take(&queue, |_| true).await?;
        self.give_back(&queue, letters.iter().map(|letter| &letter.receipt)).await;
        Ok(letters)
    }

    /// Takes those messages of a queue that are wanted, and that nobody holds. Those of them that were sent before it was called are
    /// all found. The others are given back: those that were sent later at once, and the rest when all were seen.
    pub(super) async fn take(
        &self,
        queue: &str,
        is_wanted: impl Fn(&Letter) -> bool,
    ) -> Result<Vec<Letter>, TargetError> {
        let mut look = Look::beginning(self.ways.clock.now());
        let looked = self.look_through(queue, &mut look, is_wanted).await;
        self.give_back(queue, look.held.values()).await;
        let wanted: Vec<Letter> = look.wanted.into_values().collect();
        if looked.is_err() {
            self.give_back(queue, wanted.iter().map(|letter| &letter.receipt)).await;
        }
        looked.map(|()| wanted)
    }

    async fn look_through(
        &self,
        queue: &str,
        look: &mut Look,
        is_wanted: impl Fn(&Letter) -> bool,
    ) -> Result<(), TargetError> {
        let mut without = 0;
        while without < EMPTY_ANSWERS {
            let some = self.ways.letters.take(queue, SOME, HOLD).await;
            let some = some.map_err(|e| TargetError::unreachable(format!("looking into `{queue}`"), e))?;
            self.meter.queue_requests(1 + some.len() as u64);
            let (is_new, back) = look.note(some, &is_wanted);
            self.give_back(queue, &back).await;
            without = if is_new { 0 } else { without + 1 };
        }
        Ok(())
    }

    /// Gives letters back. One that can't be shows again when its lease is over.
    pub(super) async fn give_back(&self, queue: &str, receipts: impl IntoIterator<Item = &Receipt>) {
        let receipts: Vec<Receipt> = receipts.into_iter().cloned().collect();
        if !receipts.is_empty() {
            self.ways.letters.hold(queue, &receipts, Duration::ZERO).await;
        }
    }
}

/// The name of a consumer's dead-letter queue.
pub(super) fn dead(consumer: &str) -> String {
    format!("{consumer}-dlq")
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{Attributes, DeadLetter};

    use super::*;

    /// A message that came so many seconds after the look began.
    fn taken(id: &str, tenant: &str, after: i64) -> TakenLetter {
        let letter = DeadLetter {
            message_id: id.into(),
            body: "?".into(),
            attributes: Attributes::from([("tenant".to_owned(), tenant.to_owned())]),
            types: BTreeMap::new(),
            receive_count: 1,
            enqueued_at: Timestamp::from_second(after).unwrap(),
            source: None,
            group: None,
        };
        TakenLetter { receipt: Receipt::new(format!("{id}@{after}")), letter }
    }

    #[test]
    fn what_others_send_later_is_given_back_at_once_and_is_nothing_new() {
        let run: RunId = "a".parse().unwrap();
        let mut look = Look::beginning(Timestamp::UNIX_EPOCH);
        let mut note = |some: Vec<TakenLetter>| {
            let (is_new, back) = look.note(some, |letter| letter.is_of(&run));
            (is_new, back.iter().map(|receipt| receipt.as_str().to_owned()).collect::<Vec<_>>())
        };
        // By another clock, five seconds later may have been before.
        assert_eq!(note(vec![taken("mine", "load-a-0", -9), taken("theirs", "acme", 5)]), (true, vec![]));
        assert_eq!(note(vec![taken("theirs", "acme", 5), taken("later", "acme", 6)]), (false, vec!["later@6".into()]));
        // It comes again, and would as long as it is given back.
        assert_eq!(note(vec![taken("later", "acme", 6), taken("mine-too", "load-a-1", 7)]), (false, vec![]));
        assert_eq!(look.held.keys().collect::<Vec<_>>(), ["later", "theirs"]);
        assert_eq!(look.wanted.keys().collect::<Vec<_>>(), ["mine", "mine-too"]);
    }

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
