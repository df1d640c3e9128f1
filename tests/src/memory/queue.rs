use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_consumers::{
    DeadLetter, Delivery, Depth, FAILURE_ATTRIBUTE, Failure, NewMessage, Queue, QueueError, Receipt,
};
use sendoff_events::{BoxFuture, Timestamp};

use super::{DeadState, NoAnswer, Planted, Remote};

/// How long a waiting receive pauses between two looks.
const POLL: Duration = Duration::from_millis(700);

/// A queue and its dead-letter queue.
#[derive(Default)]
pub struct QueueState {
    next: u64,
    messages: Vec<Message>,
    /// The dead letters.
    pub dead: DeadState,
}

struct Message {
    id: u64,
    message: NewMessage,
    sent_at: Timestamp,
    visible_at: Timestamp,
    /// How often it was leased; part of the receipt.
    leases: u32,
    leased: bool,
    /// The schedule that it comes from.
    schedule: Option<String>,
}

impl QueueState {
    /// Puts a message in.
    pub fn push(&mut self, message: NewMessage, now: Timestamp) -> String {
        let visible_at = later(now, message.delay);
        self.push_at(visible_at, message, now, None)
    }

    /// Puts a message in that is to be seen from `visible_at`, for a schedule of this name if there is one.
    pub(super) fn push_at(
        &mut self,
        visible_at: Timestamp,
        message: NewMessage,
        now: Timestamp,
        schedule: Option<String>,
    ) -> String {
        self.next += 1;
        let sent_at = now;
        self.messages.push(Message { id: self.next, message, sent_at, visible_at, leases: 0, leased: false, schedule });
        self.next.to_string()
    }

    /// Takes the message of a schedule back, if it isn't due yet. Gives whether it was there.
    pub(super) fn take_back(&mut self, schedule: &str, now: Timestamp) -> bool {
        let waits = |m: &Message| m.schedule.as_deref() == Some(schedule) && m.leases == 0 && m.visible_at > now;
        let before = self.messages.len();
        self.messages.retain(|m| !waits(m));
        self.messages.len() < before
    }

    /// Whether a message waits in it, or is held, under this name.
    pub(super) fn holds(&self, schedule: &str) -> bool {
        self.messages.iter().any(|m| m.schedule.as_deref() == Some(schedule))
    }

    /// The same for a name that begins so.
    pub(super) fn holds_any(&self, prefix: &str) -> bool {
        self.messages.iter().any(|m| m.schedule.as_deref().is_some_and(|name| name.starts_with(prefix)))
    }

    /// Takes all messages back whose name begins so and that nobody holds.
    pub(super) fn take_back_unheld(&mut self, prefix: &str) {
        let is_one = |m: &Message| m.schedule.as_deref().is_some_and(|name| name.starts_with(prefix));
        self.messages.retain(|m| m.leased || !is_one(m));
    }

    /// How many messages are in it, leased and delayed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing is left in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn lease(&mut self, max: usize, lease: Duration, now: Timestamp) -> Vec<Delivery> {
        let due = self.messages.iter_mut().filter(|m| m.visible_at <= now).take(max);
        due.map(|m| {
            m.leases += 1;
            m.leased = true;
            m.visible_at = later(now, lease);
            Delivery {
                receipt: Receipt::new(format!("{}#{}", m.id, m.leases)),
                message_id: m.id.to_string(),
                body: m.message.body.clone(),
                attributes: m.message.attributes.clone(),
                receive_count: m.leases,
                sent_at: m.sent_at,
            }
        })
        .collect()
    }

    fn position(&self, receipt: &Receipt) -> Result<usize, QueueError> {
        let current = |m: &Message| m.leased && format!("{}#{}", m.id, m.leases) == receipt.as_str();
        self.messages.iter().position(current).ok_or(QueueError::Stale)
    }

    fn hide(&mut self, receipt: &Receipt, until: Timestamp, leased: bool) -> Result<(), QueueError> {
        let at = self.position(receipt)?;
        self.messages[at].visible_at = until;
        self.messages[at].leased = leased;
        Ok(())
    }

    pub(super) fn depth(&self, now: Timestamp) -> Depth {
        let count = |f: &dyn Fn(&&Message) -> bool| self.messages.iter().filter(f).count() as u64;
        Depth {
            visible: count(&|m| m.visible_at <= now),
            in_flight: count(&|m| m.visible_at > now && m.leased),
            delayed: count(&|m| m.visible_at > now && !m.leased),
            dead: self.dead.len() as u64,
        }
    }
}

/// `now + by`, or the end of time.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A queue in memory.
#[derive(Clone)]
pub struct MemoryQueue {
    name: Arc<str>,
    remote: Remote<QueueState>,
}

impl MemoryQueue {
    /// The queue of this name over its state.
    #[must_use]
    pub fn new(name: &str, remote: Remote<QueueState>) -> Self {
        Self { name: name.into(), remote }
    }

    /// Runs `each` for every entry; one result per entry, or the same outage for all of them.
    fn batch<E: Send + 'static>(
        &self,
        entries: Vec<E>,
        each: impl Fn(&mut QueueState, Timestamp, E) -> Result<(), QueueError> + Send + 'static,
    ) -> BoxFuture<'static, Vec<Result<(), QueueError>>> {
        let count = entries.len();
        let answer = self
            .remote
            .call(move |queue, now| entries.into_iter().map(|entry| each(queue, now, entry)).collect::<Vec<_>>());
        Box::pin(async move { answer.await.unwrap_or_else(|NoAnswer| vec![Err(unavailable()); count]) })
    }
}

fn unavailable() -> QueueError {
    QueueError::Unavailable("no answer".into())
}

impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        let messages = messages.to_vec();
        let count = messages.len();
        let answer = self.remote.call(move |queue, now| {
            messages.into_iter().map(|message| Ok(queue.push(message, now))).collect::<Vec<_>>()
        });
        Box::pin(async move { answer.await.unwrap_or_else(|NoAnswer| vec![Err(unavailable()); count]) })
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        Box::pin(async move {
            let give_up = self.remote.clock.now() + wait;
            loop {
                let planted = self.remote.planted;
                let answer = self.remote.call(move |queue, now| {
                    let deliveries = queue.lease(max, lease, now);
                    if planted == Some(Planted::AcksBeforeHandling) {
                        queue.messages.retain(|m| !m.leased);
                    }
                    deliveries
                });
                let deliveries = answer.await.map_err(|NoAnswer| unavailable())?;
                if !deliveries.is_empty() || self.remote.clock.now() >= give_up {
                    return Ok(deliveries);
                }
                self.remote.clock.sleep(POLL).await;
            }
        })
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.batch(receipts.to_vec(), |queue, _, receipt| {
            let at = queue.position(&receipt)?;
            queue.messages.remove(at);
            Ok(())
        })
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.batch(receipts.to_vec(), move |queue, now, receipt| queue.hide(&receipt, later(now, lease), true))
    }

    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let entries = entries.iter().map(|(delivery, delay)| (delivery.receipt.clone(), *delay)).collect();
        self.batch(entries, |queue, now, (receipt, delay)| queue.hide(&receipt, later(now, delay), false))
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.batch(entries.to_vec(), |queue, now, (delivery, failure)| {
            let at = queue.position(&delivery.receipt)?;
            queue.messages.remove(at);
            let Delivery { message_id, body, mut attributes, receive_count, sent_at, .. } = delivery;
            attributes.insert(FAILURE_ATTRIBUTE.into(), failure.to_attribute());
            let (types, enqueued_at) = (BTreeMap::new(), sent_at);
            let letter = DeadLetter {
                message_id,
                body,
                attributes,
                types,
                receive_count,
                enqueued_at,
                source: None,
                group: None,
            };
            queue.dead.put(letter, now);
            Ok(())
        })
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        let answer = self.remote.call(|queue, now| queue.depth(now));
        Box::pin(async move { answer.await.map_err(|NoAnswer| unavailable()) })
    }
}
