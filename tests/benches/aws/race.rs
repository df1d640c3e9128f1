//! Ours beside the raw SDK: messages per second of processor time, in turns.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use sendoff_consumers::{Queue, Receipt};
use sendoff_events::Outgoing;
use sendoff_producers::Publisher;

use sendoff_tests::processor;

use crate::{
    raw::Raw,
    rig::{self, BATCH, BODY, Rig},
};

/// Batches of one round.
const BATCHES: usize = 64;
const CONCURRENCY: [usize; 3] = [1, 16, 64];
/// As long as a worker waits, though there is always something.
const WAIT: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(60);

/// Both sides, and what they work on.
struct Race<'a> {
    publisher: Arc<dyn Publisher>,
    queue: Arc<dyn Queue>,
    raw: Raw<'a>,
    events: Vec<Outgoing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Publish,
    Receive,
    Ack,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Ours,
    Raw,
}

/// Measures and prints all steps at all concurrencies.
pub(crate) async fn run(rig: &Rig, rounds: usize) {
    let race = Race {
        publisher: rig.store.publisher(),
        queue: rig.store.queue("race"),
        raw: Raw::new(&rig.store, "race"),
        events: (0..BATCH as u64).map(rig::event).collect(),
    };
    println!(
        "messages per second of processor time, batches of {BATCH} × {BODY} bytes; medians of {rounds} rounds in turns\n"
    );
    println!("{:<34} {:>10} {:>10} {:>7}", "", "ours", "raw SDK", "ratio");
    for (step, name) in [(Step::Publish, "published"), (Step::Receive, "received"), (Step::Ack, "acked")] {
        for concurrency in CONCURRENCY {
            let (ours, raw, ratio) = race.compare(step, concurrency, rounds).await;
            let what = format!("{name}, {concurrency} calls at a time");
            println!("{what:<34} {ours:>10.0} {raw:>10.0} {ratio:>7.2}");
        }
    }
    println!();
}

impl Race<'_> {
    /// The medians of both sides' rates, and that of their ratio in each round.
    async fn compare(&self, step: Step, concurrency: usize, rounds: usize) -> (f64, f64, f64) {
        let (mut ours, mut raw, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        // The first round makes the connections, and isn't counted.
        for round in 0..=rounds {
            let order = if round % 2 == 0 { [Side::Ours, Side::Raw] } else { [Side::Raw, Side::Ours] };
            let mut rates = [0.0, 0.0];
            for side in order {
                rates[side as usize] = self.rate(step, side, concurrency).await;
            }
            if round > 0 {
                ours.push(rates[0]);
                raw.push(rates[1]);
                ratio.push(rates[0] / rates[1]);
            }
        }
        (median(ours), median(raw), median(ratio))
    }

    async fn rate(&self, step: Step, side: Side, concurrency: usize) -> f64 {
        let received = if step == Step::Ack { self.receive(side, concurrency).await } else { Vec::new() };
        let began = processor::used();
        let received = match step {
            Step::Publish => {
                stream::iter(0..BATCHES).for_each_concurrent(concurrency, |_| self.publish(side)).await;
                Vec::new()
            }
            Step::Receive => self.receive(side, concurrency).await,
            Step::Ack => {
                self.ack(side, &received, concurrency).await;
                Vec::new()
            }
        };
        let used = processor::used() - began;
        // No more is ever held than a busy worker would hold.
        self.ack(side, &received, concurrency).await;
        (BATCHES * BATCH) as f64 / used.as_secs_f64()
    }

    async fn publish(&self, side: Side) {
        match side {
            Side::Ours => {
                let results = self.publisher.publish(&self.events).await;
                assert!(results.iter().all(Result::is_ok), "{results:?}");
            }
            Side::Raw => self.raw.publish(&self.events).await,
        }
    }

    /// Gives the receipts of what this side has received.
    async fn receive(&self, side: Side, concurrency: usize) -> Vec<Batch> {
        let receive = |_| async move {
            match side {
                Side::Ours => {
                    let received = self.queue.receive(BATCH, WAIT, LEASE).await.unwrap();
                    Batch { ours: received.into_iter().map(|delivery| delivery.receipt).collect(), raw: Vec::new() }
                }
                Side::Raw => {
                    let received = self.raw.receive(BATCH, WAIT, LEASE).await;
                    Batch { raw: received.into_iter().filter_map(|m| m.receipt_handle).collect(), ours: Vec::new() }
                }
            }
        };
        stream::iter(0..BATCHES).map(receive).buffer_unordered(concurrency).collect().await
    }

    async fn ack(&self, side: Side, received: &[Batch], concurrency: usize) {
        let ack = async |batch: &Batch| match side {
            Side::Ours => {
                let results = self.queue.ack(&batch.ours).await;
                assert!(results.iter().all(Result::is_ok), "{results:?}");
            }
            Side::Raw => self.raw.ack(&batch.raw).await,
        };
        stream::iter(received).for_each_concurrent(concurrency, ack).await;
    }
}

/// The receipts of a batch, as the side that received it has them.
#[derive(Debug)]
struct Batch {
    ours: Vec<Receipt>,
    raw: Vec<String>,
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
