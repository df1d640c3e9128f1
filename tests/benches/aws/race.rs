//! Ours beside the raw SDK: messages per second, of processor time and in all, in turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use sendoff_consumers::{Queue, Receipt, Router, Worker, WorkerSettings};
use sendoff_events::Outgoing;
use sendoff_producers::Publisher;

use sendoff_tests::processor;

use crate::{
    handlers::{Count, Counted},
    raw::Raw,
    rig::{self, BATCH, BODY, Rig},
};

/// Batches of one round.
const BATCHES: usize = 64;
/// Batches of a round of a whole worker: at its end it gives back what is still coming in, which is a good part of a few.
const WORKED: usize = 8 * BATCHES;
const CONCURRENCY: [usize; 3] = [1, 16, 64];
/// Messages that a worker handles at a time, as it does by default.
const AT_A_TIME: usize = 64;
/// Milliseconds of a call to a service that isn't next door.
const FAR: u64 = 10;
/// As long as a worker waits, though there is always something.
const WAIT: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(60);

/// Both sides, and what they work on.
struct Race<'a> {
    publisher: Arc<dyn Publisher>,
    queue: Arc<dyn Queue>,
    worker: Worker,
    count: Arc<Count>,
    raw: Raw<'a>,
    events: Vec<Outgoing>,
}

/// Messages per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    /// Of processor time.
    processor: f64,
    /// From the beginning to the end.
    wall: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Publish,
    Receive,
    Ack,
    /// All of a worker: received, claimed and settled in the inbox, acked.
    Work,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Ours,
    Raw,
}

/// Measures and prints all steps at all concurrencies, or those whose names have the text of `only`.
pub(crate) async fn run(rig: &Rig, rounds: usize, only: Option<&str>) {
    println!(
        "messages per second of processor time, batches of {BATCH} × {BODY} bytes; medians of {rounds} rounds in turns.\n\
         A ratio is the median of those of the rounds, so it isn't that of the rates beside it; the last one is of the time in all\n"
    );
    println!("{:<42} {:>10} {:>10} {:>7} {:>7}", "", "ours", "raw SDK", "ratio", "in all");
    let is_wanted = |what: &str| only.is_none_or(|only| what.contains(only));
    let race = Race::of(rig);
    for (step, name) in [(Step::Publish, "published"), (Step::Receive, "received"), (Step::Ack, "acked")] {
        for concurrency in CONCURRENCY {
            let what = format!("{name}, {concurrency} calls at a time");
            if is_wanted(&what) {
                race.compare(step, concurrency, rounds, &what).await;
            }
        }
    }
    // A batch is one loop of the raw side.
    let loops = AT_A_TIME.div_ceil(BATCH);
    let what = format!("worked, {AT_A_TIME} messages at a time");
    if is_wanted(&what) {
        race.compare(Step::Work, loops, rounds, &what).await;
        let far = Rig::start(FAR);
        Race::of(&far).compare(Step::Work, loops, rounds / 4, &format!("{what}, {FAR} ms a call")).await;
    }
    println!(
        "\nworked: received, claimed and settled in the inbox, acked; by the raw SDK with the same calls, and no care\n"
    );
}

/// A worker whose handler only counts.
fn worker(rig: &Rig, count: &Arc<Count>) -> Worker {
    let router = Router::new(rig.ports()).with(Counted(count.clone())).unwrap();
    let consumer = router.consumer("race").unwrap().clone();
    let settings = WorkerSettings { concurrency: AT_A_TIME, batch: BATCH, ..WorkerSettings::default() };
    Worker::new(consumer, rig.store.queue("race"), rig.clock.clone(), rig.rng.clone(), settings)
}

impl<'a> Race<'a> {
    fn of(rig: &'a Rig) -> Self {
        let count = Arc::new(Count::default());
        Self {
            publisher: rig.store.publisher(),
            queue: rig.store.queue("race"),
            worker: worker(rig, &count),
            count,
            raw: Raw::new(&rig.store, "race"),
            events: (0..BATCH as u64).map(rig::event).collect(),
        }
    }

    /// Prints the medians of both sides' rates, and those of their ratios in each round.
    async fn compare(&self, step: Step, concurrency: usize, rounds: usize, what: &str) {
        let mut all = Vec::new();
        // The first round makes the connections, and isn't counted.
        for round in 0..=rounds {
            let order = if round % 2 == 0 { [Side::Ours, Side::Raw] } else { [Side::Raw, Side::Ours] };
            let mut rates = [Rates::default(); 2];
            for side in order {
                rates[side as usize] = self.rates(step, side, concurrency).await;
            }
            if round > 0 {
                all.push(rates);
            }
        }
        let of = |figure: fn(&[Rates; 2]) -> f64| median(all.iter().map(figure).collect());
        println!(
            "{what:<42} {:>10.0} {:>10.0} {:>7.2} {:>7.2}",
            of(|[ours, _]| ours.processor),
            of(|[_, raw]| raw.processor),
            of(|[ours, raw]| ours.processor / raw.processor),
            of(|[ours, raw]| ours.wall / raw.wall),
        );
    }

    async fn rates(&self, step: Step, side: Side, concurrency: usize) -> Rates {
        let received = if step == Step::Ack { self.receive(side, concurrency).await } else { Vec::new() };
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let (began, used) = (Instant::now(), processor::used());
        let mut messages = (BATCHES * BATCH) as u64;
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
            Step::Work => {
                messages = self.work(side, concurrency).await;
                Vec::new()
            }
        };
        let (wall, used) = (began.elapsed(), processor::used() - used);
        // No more is ever held than a busy worker would hold.
        self.ack(side, &received, concurrency).await;
        Rates { processor: messages as f64 / used.as_secs_f64(), wall: messages as f64 / wall.as_secs_f64() }
    }

    /// Gives how many messages were handled: a worker finishes what it has begun.
    async fn work(&self, side: Side, concurrency: usize) -> u64 {
        let messages = (WORKED * BATCH) as u64;
        match side {
            Side::Ours => {
                self.worker.run(self.count.until(messages)).await;
                self.count.handled()
            }
            Side::Raw => {
                let batch = |_| async {
                    let received = self.raw.receive(BATCH, WAIT, LEASE).await;
                    self.raw.handle(&received).await;
                    let receipts: Vec<_> = received.into_iter().filter_map(|m| m.receipt_handle).collect();
                    self.raw.ack(&receipts).await;
                };
                stream::iter(0..WORKED).for_each_concurrent(concurrency, batch).await;
                messages
            }
        }
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
