//! The host of a consumer: a batch of messages through [`Consumer::process`], and each verdict carried out.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{Either, join_all, select},
};
use sendoff_consumers::{Consumer, Delivery, Failure, Limits, Queue, Stop, Verdict};
use sendoff_events::{Clock, Timestamp};
use tracing::Instrument;

use super::{Answer, Deadline, ItemId, Outcome, QueueEvent, queue_event::Message};

/// Handles batches of one queue for its consumer.
pub struct SqsHost {
    consumer: Arc<Consumer>,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

/// How a message ended.
#[derive(Debug, Clone)]
enum End {
    /// Lambda may delete it.
    Done,
    /// It is left as it is: it comes again when its lease lapses, or belongs to somebody else.
    Left,
    /// It is given back, to come again after this time.
    Again(Duration),
}

/// A message on its way: its place in the batch, and what there is to handle.
type Placed = (usize, Option<String>, Result<Delivery, String>);

/// The same when it has come to an end.
type Ended = (usize, Result<Delivery, String>, End);

impl SqsHost {
    /// A host for `consumer`, whose messages come from `queue`.
    #[must_use]
    pub fn new(consumer: Arc<Consumer>, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        Self { consumer, queue, clock }
    }

    /// Handles the batch: its messages all at once, those of one FIFO group in order. Whatever happens to one of them, the
    /// others have their own outcome.
    ///
    /// A message that another worker has taken over is reported failed, and otherwise left alone: if it weren't reported,
    /// Lambda would delete it although that worker may still fail.
    pub async fn handle(&self, batch: QueueEvent, deadline: &Deadline) -> Answer {
        let ids: Vec<ItemId> = batch.messages.iter().map(|message| message.id.clone()).collect();
        let ended = join_all(lanes(batch.messages).into_iter().map(|lane| self.in_order(lane, deadline))).await;
        let mut outcomes = vec![Outcome::Failed; ids.len()];
        let mut releases = Vec::new();
        for (place, delivery, end) in ended.into_iter().flatten() {
            match (end, delivery) {
                (End::Done, _) => outcomes[place] = Outcome::Done,
                (End::Again(after), Ok(delivery)) => releases.push((delivery, after)),
                (End::Again(_) | End::Left, _) => {}
            }
        }
        self.release(&releases, deadline).await;
        Answer::to_messages(ids, |place| outcomes[place])
    }

    /// The messages of one lane, one after the other. On a FIFO queue nothing may overtake a message that failed, so what
    /// follows it is given back with it.
    async fn in_order(&self, lane: Vec<Placed>, deadline: &Deadline) -> Vec<Ended> {
        let mut ended: Vec<Ended> = Vec::with_capacity(lane.len());
        for (place, trace, delivery) in lane {
            let end = match ended.last() {
                Some((_, _, before @ (End::Again(_) | End::Left))) => before.clone(),
                _ => self.one(trace, delivery.as_ref(), deadline).await,
            };
            ended.push((place, delivery, end));
        }
        ended
    }

    async fn one(&self, trace: Option<String>, delivery: Result<&Delivery, &String>, deadline: &Deadline) -> End {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::error!(%error, consumer = self.consumer.name(), "a record of the batch can't be read");
                return End::Left;
            }
        };
        if self.clock.now() >= deadline.start_by {
            return End::Again(Duration::ZERO);
        }
        let span = tracing::info_span!("message", message_id = delivery.message_id, aws_trace = trace);
        // The consumer guards its handlers; this guards what is around it.
        let judged = AssertUnwindSafe(self.judge(delivery, deadline)).catch_unwind().instrument(span).await;
        judged.unwrap_or_else(|_| {
            tracing::error!(consumer = self.consumer.name(), "the host of a message panicked");
            End::Left
        })
    }

    async fn judge(&self, delivery: &Delivery, deadline: &Deadline) -> End {
        let limits = Limits { stop: Stop::never(), until: Some(deadline.interrupt) };
        let Some(verdict) = self.by(deadline.drop, self.consumer.process(delivery, &limits)).await else {
            tracing::warn!(consumer = self.consumer.name(), "a message took too long and was dropped");
            return End::Left;
        };
        match verdict {
            Verdict::Ack { .. } => End::Done,
            Verdict::Retry { after } | Verdict::Snooze { after, .. } => End::Again(after),
            Verdict::DeadLetter(failure) => self.dead_letter(delivery.clone(), *failure, deadline).await,
            Verdict::Superseded => End::Left,
        }
    }

    async fn dead_letter(&self, delivery: Delivery, failure: Failure, deadline: &Deadline) -> End {
        let entry = [(delivery, failure)];
        match self.by(deadline.answer, self.queue.dead_letter(&entry)).await.as_deref() {
            Some([Ok(())]) => End::Done,
            result => {
                tracing::warn!(?result, queue = self.queue.name(), "a message can't be dead-lettered; it comes again");
                End::Left
            }
        }
    }

    async fn release(&self, entries: &[(Delivery, Duration)], deadline: &Deadline) {
        if entries.is_empty() {
            return;
        }
        let released = AssertUnwindSafe(self.queue.release(entries)).catch_unwind();
        match self.by(deadline.answer, released).await {
            Some(Ok(results)) => {
                for error in results.into_iter().filter_map(Result::err) {
                    tracing::warn!(%error, queue = self.queue.name(), "a message can't be released; its lease has to lapse");
                }
            }
            Some(Err(_)) | None => {
                tracing::warn!(queue = self.queue.name(), "messages can't be released; their leases have to lapse");
            }
        }
    }

    /// What the work gives, if it ends by this moment.
    async fn by<T>(&self, moment: Timestamp, work: impl Future<Output = T> + Send) -> Option<T> {
        let time_up = self.clock.sleep(Deadline::until(self.clock.now(), moment));
        match select(std::pin::pin!(work), time_up).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

/// What runs side by side: every message by itself, but those of a FIFO group together.
fn lanes(messages: Vec<Message>) -> Vec<Vec<Placed>> {
    let mut lanes: Vec<(Option<String>, Vec<Placed>)> = Vec::new();
    for (place, Message { group, trace, delivery, .. }) in messages.into_iter().enumerate() {
        let placed = (place, trace, delivery);
        match lanes.iter_mut().find(|(of, _)| group.is_some() && *of == group) {
            Some((_, lane)) => lane.push(placed),
            None => lanes.push((group, vec![placed])),
        }
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}
