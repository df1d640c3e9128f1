//! The worker: moves messages between a queue and its consumer, in any process that lives long enough.

mod bulkhead;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bulkhead::Bulkhead;

use futures::{
    FutureExt, Stream, StreamExt,
    future::{Either, Fuse, FusedFuture, select},
    select_biased,
    stream::FuturesUnordered,
};
use sendoff_events::{Clock, Rng};

use crate::{Backoff, Consumer, Delivery, Limits, Queue, QueueError, Receipt, Stop, TENANT_ATTRIBUTE, Verdict};

/// How a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many messages it handles at a time, at least 1. Default 64. A quarter of that is kept from tenants whose messages take
    /// a second and more on average, so that one tenant's slow endpoints don't hold up the others.
    pub concurrency: usize,
    /// How many messages it asks for at once, at least 1: 10 is what SQS allows. Default 10. While there are that many it asks
    /// again before the answer, until all slots are taken or asked for.
    pub batch: usize,
    /// How long one receive waits for a message. Default 20 s, the most that SQS allows.
    pub wait: Duration,
    /// How long a message is leased at first; a running handler's lease is extended at half time. Default 60 s.
    pub lease: Duration,
    /// How long running handlers may go on after a stop was requested. Default 25 s.
    pub grace: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 64,
            batch: 10,
            wait: Duration::from_secs(20),
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(25),
        }
    }
}

/// How long it waits before it asks an unreachable queue, or anything while the inbox is unreachable, again.
const OUTAGE: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(30) };

/// The receives that are under way. One at a time waits for messages; each that gets all it asked for lets one more be made
/// beside it, so that a worker with a lot to do isn't held up by the way to its queue and back. SQS gives fewer now and then
/// although there are more: only one that gets none says that there is nothing to do.
struct Asking {
    calls: usize,
    /// How many messages they ask for.
    messages: usize,
    /// How many of them there may be.
    most: usize,
}

impl Default for Asking {
    fn default() -> Self {
        Self { calls: 0, messages: 0, most: 1 }
    }
}

impl Asking {
    /// For so many messages.
    const fn ask(&mut self, messages: usize) -> usize {
        self.calls += 1;
        self.messages += messages;
        messages
    }

    /// The answer to one that asked for so many.
    const fn got(&mut self, asked: usize, messages: usize) {
        self.calls -= 1;
        self.messages -= asked;
        match messages {
            0 => self.most = 1,
            some if some >= asked => self.most += 1,
            _ => {}
        }
    }
}

/// How long a stop waits for the answers of a queue that has always had more.
const LAST: Duration = Duration::from_secs(1);

/// Receives, lets the consumer judge, and carries the verdicts out.
pub struct Worker {
    consumer: Arc<Consumer>,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    settings: WorkerSettings,
    bulkhead: Bulkhead,
}

impl Worker {
    /// A worker for `consumer` on its `queue`.
    #[must_use]
    pub fn new(
        consumer: Arc<Consumer>,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        mut settings: WorkerSettings,
    ) -> Self {
        // With none it would ask for nothing, again and again.
        settings.concurrency = settings.concurrency.max(1);
        settings.batch = settings.batch.max(1);
        let bulkhead = Bulkhead::new(settings.concurrency);
        Self { consumer, queue, clock, rng, settings, bulkhead }
    }

    /// Works until `stop` is requested, then finishes what is running, at most for the grace period. What isn't finished by
    /// then is given back to the queue without using up an attempt.
    pub async fn run(&self, stop: Stop) {
        let limits = Limits { stop: stop.after(self.clock.clone(), self.settings.grace), until: None };
        let mut running = FuturesUnordered::new();
        let mut closing = FuturesUnordered::new();
        let mut receiving = FuturesUnordered::new();
        let mut asking = Asking::default();
        let mut leaving = Fuse::terminated();
        let mut pausing = Fuse::terminated();
        let mut stopping = stop.requested().fuse();
        let mut outages = 0;
        loop {
            let stopped = stopping.is_terminated();
            // Asking for a few at a time costs a round trip each; wait until a good part of the slots is free. Those that slow
            // tenants hold won't be for long.
            let quick = self.settings.concurrency.saturating_sub(self.bulkhead.held());
            while !stopped && pausing.is_terminated() && asking.calls < asking.most {
                let free = self.settings.concurrency.saturating_sub(running.len() + asking.messages);
                if free == 0 || free < self.settings.batch.min(quick.div_ceil(2)) {
                    break;
                }
                receiving.push(self.receive(asking.ask(free.min(self.settings.batch))));
            }
            if stopped && running.is_empty() && closing.is_empty() && leaving.is_terminated() {
                return;
            }
            select_biased! {
                // Before all else: what is given back because of it must not be received once more.
                () = stopping => {
                    let receives = std::mem::take(&mut receiving);
                    if asking.most.max(asking.calls) > 1 {
                        leaving = self.give_back(receives).boxed().fuse();
                    }
                }
                first = running.select_next_some() => {
                    let mut judged = vec![first];
                    // Whatever else is ready goes in the same batch.
                    while let Some(Some(next)) = running.next().now_or_never() {
                        judged.push(next);
                    }
                    if !judged.iter().any(|(_, verdict)| matches!(verdict, Verdict::Snooze { pause: true, .. })) {
                        // What was put off may not even have asked the inbox.
                        if judged.iter().any(|(_, verdict)| !matches!(verdict, Verdict::Snooze { .. })) {
                            outages = 0;
                        }
                    } else if pausing.is_terminated() {
                        // Whatever else fails during the pause belongs to the same outage.
                        outages += 1;
                        // What is under way may be on its way already: it is put off as well, and not hidden until its lease ends.
                        asking.most = 1;
                        pausing = self.clock.sleep(OUTAGE.delay(outages, &*self.rng)).fuse();
                    }
                    closing.push(self.carry_out(judged));
                }
                () = closing.select_next_some() => {}
                (asked, received) = receiving.select_next_some() => match received {
                    Ok(deliveries) => {
                        asking.got(asked, deliveries.len());
                        // Messages that were received tell nothing of the inbox; their verdicts will.
                        if deliveries.is_empty() && pausing.is_terminated() {
                            outages = 0;
                        }
                        running.extend(deliveries.into_iter().map(|delivery| self.handle(delivery, &limits)));
                    }
                    Err(error) => {
                        asking.got(asked, 0);
                        tracing::warn!(%error, queue = self.queue.name(), "no messages can be received");
                        // Whatever else fails during the pause belongs to the same outage.
                        if pausing.is_terminated() {
                            outages += 1;
                            pausing = self.clock.sleep(OUTAGE.delay(outages, &*self.rng)).fuse();
                        }
                    }
                },
                // Full answers that came meanwhile are no reason to ask for more at once than before.
                () = pausing => asking.most = 1,
                () = leaving => {}
            }
        }
    }

    /// Asks for so many messages. Gives how many it asked for, too.
    async fn receive(&self, most: usize) -> (usize, Result<Vec<Delivery>, QueueError>) {
        (most, self.queue.receive(most, self.settings.wait, self.settings.lease).await)
    }

    /// Gives back what the last receives bring. Where messages are many they are on their way already: dropped, they would be hidden
    /// from everybody until their leases end.
    async fn give_back(&self, receives: impl Stream<Item = (usize, Result<Vec<Delivery>, QueueError>)>) {
        let brought: Vec<_> = receives.take_until(self.clock.sleep(LAST)).collect().await;
        let brought = brought.into_iter().flat_map(|(_, received)| received.unwrap_or_default());
        self.release(&brought.map(|delivery| (delivery, Duration::ZERO)).collect::<Vec<_>>()).await;
    }

    /// Handles one delivery, if there is room for its tenant.
    async fn handle(&self, delivery: Delivery, limits: &Limits) -> (Delivery, Verdict) {
        let tenant = delivery.attributes.get(TENANT_ATTRIBUTE).map(String::as_str);
        let verdict = match self.bulkhead.enter(tenant, self.clock.now(), &*self.rng) {
            Ok(seat) => {
                let verdict = self.process(&delivery, limits).await;
                self.bulkhead.leave(tenant, &seat, self.clock.now());
                verdict
            }
            Err(after) => self.consumer.put_off(after),
        };
        (delivery, verdict)
    }

    /// Lets the consumer judge a delivery, and extends its lease as long as that takes.
    async fn process(&self, delivery: &Delivery, limits: &Limits) -> Verdict {
        let work = self.consumer.process(delivery, limits).boxed();
        match select(work, self.keep(&delivery.receipt).boxed()).await {
            Either::Left((verdict, _)) => verdict,
            Either::Right((never, _)) => match never {},
        }
    }

    /// Extends a lease at half time, again and again. Beside the handler, which a slow queue must not hold up.
    async fn keep(&self, receipt: &Receipt) -> Infallible {
        let receipts = [receipt.clone()];
        loop {
            self.clock.sleep(self.settings.lease / 2).await;
            self.warn(&self.queue.extend(&receipts, self.settings.lease).await, "its lease can't be extended");
        }
    }

    /// Tells the queue. What fails here is harmless: the message is delivered again, and the inbox knows what was done.
    async fn carry_out(&self, judged: Vec<(Delivery, Verdict)>) {
        let mut acks: Vec<Receipt> = Vec::new();
        let mut releases = Vec::new();
        let mut dead = Vec::new();
        for (delivery, verdict) in judged {
            match verdict {
                Verdict::Ack { .. } => acks.push(delivery.receipt),
                Verdict::Retry { after } | Verdict::Snooze { after, .. } => releases.push((delivery, after)),
                Verdict::DeadLetter(failure) => dead.push((delivery, *failure)),
                Verdict::Superseded => {}
            }
        }
        if !acks.is_empty() {
            self.warn(&self.queue.ack(&acks).await, "a handled message can't be acked; it will be delivered again");
        }
        self.release(&releases).await;
        if !dead.is_empty() {
            self.warn(
                &self.queue.dead_letter(&dead).await,
                "a message can't be dead-lettered; it will be delivered again",
            );
        }
    }

    async fn release(&self, entries: &[(Delivery, Duration)]) {
        if !entries.is_empty() {
            self.warn(&self.queue.release(entries).await, "a message can't be released; its lease has to lapse");
        }
    }

    fn warn(&self, results: &[Result<(), QueueError>], what: &'static str) {
        for error in results.iter().filter_map(|r| r.as_ref().err()) {
            tracing::warn!(%error, queue = self.queue.name(), "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_without_a_message_says_that_there_is_nothing_to_do() {
        let mut asking = Asking::default();
        let mut after = |messages| {
            let asked = asking.ask(10);
            asking.got(asked, messages);
            (asking.most, asking.calls, asking.messages)
        };
        assert_eq!([10, 10, 7, 1, 10, 0, 3].map(&mut after), [2, 3, 3, 3, 4, 1, 1].map(|most| (most, 0, 0)));
    }
}
