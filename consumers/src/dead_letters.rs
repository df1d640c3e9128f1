//! The port to dead-letter queues, for whoever looks into them and repairs what is in there.
//!
//! A consumer never needs it: it moves what failed with [`Queue::dead_letter`](crate::Queue::dead_letter). This is the other side:
//! every dead-letter queue of a deployment, its messages as the broker keeps them, and moving them without losing any.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sendoff_events::{BoxFuture, Timestamp};

use crate::{Attributes, IdempotencyKey, InboxError, InboxRecord, QueueError, Receipt};

/// Whose dead letters a queue holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadLetterKind {
    /// What a consumer could not handle; its queue is the one that they go back to.
    Consumer(String),
    /// What the topic could not deliver to this consumer's queue; they go to that queue.
    Undelivered(String),
    /// Changes of records that this reaction could not deal with. No queue takes them back.
    Reaction(String),
    /// What a person has put aside of this consumer's dead letters, where no replay of the others touches it; it goes back to the
    /// consumer's queue. The queue's name is the consumer's and [`QUARANTINE`](Self::QUARANTINE).
    Quarantine(String),
    /// Of somebody else: nothing says where they go back to.
    Foreign,
}

impl DeadLetterKind {
    /// How the name of a queue for letters that were put aside ends: `email-quarantine`.
    pub const QUARANTINE: &str = "-quarantine";

    /// The consumer's queue that the letters go back to by default.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Consumer(consumer) | Self::Undelivered(consumer) | Self::Quarantine(consumer) => Some(consumer),
            Self::Reaction(_) | Self::Foreign => None,
        }
    }
}

/// A dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterQueue {
    /// Its name: `email-dlq`, `email-undelivered`.
    pub name: String,
    /// Whose letters it holds.
    pub kind: DeadLetterKind,
    /// How many can be received now, about.
    pub waiting: u64,
    /// How many are leased to somebody, about.
    pub in_flight: u64,
    /// How long the broker keeps a message, counted from [`DeadLetter::enqueued_at`]; `None` when it keeps all.
    pub retention: Option<Duration>,
    /// Whether it is a first-in-first-out queue: a lease blocks its group, and what is sent twice within five minutes under the
    /// same deduplication id is dropped.
    pub fifo: bool,
    /// Why looking into it would do harm; `None` when it is harmless. A queue with a redrive policy of its own counts looks, and
    /// moves what was looked at too often.
    pub untouchable: Option<String>,
    /// What is known of its letters without touching them; `None` where every look is a lease (SQS).
    pub facts: Option<DeadLetterFacts>,
}

/// What is known of a queue's letters, all of them counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFacts {
    /// When the oldest was put into a queue, as the broker counts its age.
    pub oldest: Option<Timestamp>,
    /// How many have come since the moment that was asked for.
    pub arrived: u64,
    /// How many there are for each reason, the most frequent first; `None` when nobody said why.
    pub reasons: Vec<(Option<String>, u64)>,
}

/// A message in a dead-letter queue, as the broker keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The broker's name for it. It stays the same until the message is moved.
    pub message_id: String,
    /// Its body: an envelope, a claim-check pointer, or whatever somebody put there.
    pub body: Bytes,
    /// Its attributes, a [`FAILURE_ATTRIBUTE`](crate::FAILURE_ATTRIBUTE) and the trace header among them. Bytes stand as base64.
    pub attributes: Attributes,
    /// The types of those attributes that aren't texts, in the words of SQS: `Number`, `Binary`, `String.custom`. Needed to send
    /// the message as it was.
    pub types: BTreeMap<String, String>,
    /// How often it was received, by its consumer and by whoever looked.
    pub receive_count: u32,
    /// From when on the broker counts its age: the message is lost a retention later.
    pub enqueued_at: Timestamp,
    /// The queue that the broker moved it from (SQS: `DeadLetterQueueSourceArn`), when it did so itself.
    pub source: Option<String>,
    /// Its group in a first-in-first-out queue, or on a standard one the tenant for fair sharing.
    pub group: Option<String>,
}

impl DeadLetter {
    /// When the broker forgets it, in a queue that keeps messages for so long.
    #[must_use]
    pub fn lost_at(&self, retention: Option<Duration>) -> Option<Timestamp> {
        self.enqueued_at.checked_add(retention?).ok()
    }
}

/// A dead letter that is leased to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenLetter {
    /// What to give it back or delete it by. It names one lease.
    pub receipt: Receipt,
    /// The message.
    pub letter: DeadLetter,
}

/// Where letters are sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The queue of this name: a consumer's, or any other of the deployment (a quarantine, a dead-letter queue).
    Queue(String),
    /// The topic, which passes them on to every subscriber that wants them.
    Topic,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingLetter {
    /// The body.
    pub body: Bytes,
    /// Its attributes, as in [`DeadLetter::attributes`].
    pub attributes: Attributes,
    /// Their types, as in [`DeadLetter::types`].
    pub types: BTreeMap<String, String>,
    /// Its group, as in [`DeadLetter::group`].
    pub group: Option<String>,
    /// Under which id a first-in-first-out queue drops repetitions for five minutes. It must be another one for each message that
    /// is to arrive, and the same one when the same send is repeated.
    pub dedup: String,
    /// The dead letter that it is a copy of, in its queue: a backend may keep what ties the two to their event.
    pub copy_of: Option<(String, String)>,
}

/// Which messages of the topic a queue gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The queue's name.
    pub queue: String,
    /// What it wants; `None` when its filter can't be read.
    pub filter: Option<crate::Filter>,
}

/// A dead-letter queue could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLettersError {
    /// There is no queue of this name.
    #[error("there is no dead-letter queue `{0}`; `dlq ls` lists those that there are")]
    NoSuchQueue(String),
    /// It refuses what was asked.
    #[error("{0}")]
    Refused(String),
    /// So many messages are leased that the queue gives out no more (SQS: 120,000): give some back.
    #[error("too many messages of `{0}` are leased at once: give some back first")]
    TooManyLeased(String),
    /// The backend can't be reached, or didn't answer.
    #[error("the dead letters can't be reached: {0}")]
    Unavailable(String),
}

/// All dead-letter queues of a deployment.
///
/// Batches may be of any size and give one result per entry, in order. [`QueueError::Unavailable`] of a send means that the
/// message may have been sent.
pub trait DeadLetters: Send + Sync {
    /// Which deployment this is, in a few words without secrets: `data folder /srv/sendoff`, `aws eu-central-1 sendoff-`. Two of the
    /// same words are the same deployment.
    fn deployment(&self) -> String;

    /// All dead-letter queues, by name. Touches no message. `since` is what [`DeadLetterFacts::arrived`] counts from.
    fn queues(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>>;

    /// The dead-letter queue of this name, as in [`queues`](Self::queues). One that isn't listed there may have a name too (SQS: its
    /// URL).
    fn queue<'a>(
        &'a self,
        name: &'a str,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<DeadLetterQueue, DeadLettersError>> {
        Box::pin(async move {
            let found = self.queues(since).await?.into_iter().find(|queue| queue.name == name);
            found.ok_or_else(|| DeadLettersError::NoSuchQueue(name.to_owned()))
        })
    }

    /// Letters in the order of message ids, those after `after`, at most `max`, without touching them. `None` where that can't be
    /// done (SQS has no look without a lease): [`take`](Self::take) them then.
    fn read<'a>(
        &'a self,
        queue: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>>;

    /// Up to `max` letters that nobody holds, each hidden from all others for `hold`, counted up to whole seconds. It may give fewer than there are,
    /// or none although there are some: ask again. A letter may come again before its lease is over: look at its message id.
    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>>;

    /// Those of these letters that nobody holds, hidden as by [`take`](Self::take). `None` where letters can't be asked for by their
    /// ids (SQS).
    fn take_these<'a>(
        &'a self,
        queue: &'a str,
        message_ids: &'a [String],
        hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>>;

    /// Lets each lease end `hold` from now; with zero, the letters are given back at once.
    fn hold<'a>(
        &'a self,
        queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// Deletes letters that are held. One that is gone already counts as deleted where the broker can't tell.
    fn delete<'a>(&'a self, queue: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// Sends messages, each once. Gives their message ids. What no subscriber of the topic wants is refused where the backend can
    /// tell, since it would be lost.
    fn send<'a>(
        &'a self,
        to: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>>;

    /// Makes the queue of this name if it isn't there, as a place to put letters aside: a [`DeadLetterKind::Quarantine`], and its name
    /// must end like that of one. Its messages are kept as long as the broker can.
    fn create<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>>;

    /// How long the oldest message of a consumer's queue has waited to be received, if the backend can tell: a replay that is too
    /// fast for its consumer shows here first. Where it can't, how many messages wait.
    fn backlog<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>>;

    /// The same of the oldest message alone; `None` also when none waits. It may be some minutes late, and be asked elsewhere than
    /// everything else is (SQS, where it is a metric of CloudWatch).
    fn oldest<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Option<Duration>, DeadLettersError>> {
        Box::pin(async move { Ok(self.backlog(queue).await?.oldest) })
    }

    /// Who gets what from the topic, by queue.
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>>;

    /// The inbox records under these keys, in their order; expired ones included while they are still there.
    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>>;
}

/// How a consumer's queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many messages wait to be received.
    pub waiting: u64,
    /// How many are leased.
    pub in_flight: u64,
    /// For how long the oldest of those that can be received now has been able to be; `None` when the backend can't tell.
    pub oldest: Option<Duration>,
}
