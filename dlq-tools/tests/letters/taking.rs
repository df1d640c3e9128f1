//! Snapshots of a queue where every look is a lease: each letter once, and every lease given back.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sendoff_consumers::{DeadLettersError, Stop};
use sendoff_dlq_tools::{
    archive::taking,
    snapshot::{
        Snapshot,
        take::{Ports, TakeError, Taking, Took, take},
    },
};
use tempfile::TempDir;

use super::{
    Bodies,
    queue::{Entry, Leasing},
};
use crate::calls::SleepClock;

struct Bench {
    queue: Leasing,
    clock: Arc<SleepClock>,
    folder: TempDir,
    blobs: Bodies,
}

impl Bench {
    fn with(count: usize) -> Self {
        let clock = Arc::new(SleepClock::new());
        let queue = Leasing::with(count, clock.clone());
        Self { queue, clock, folder: tempfile::tempdir().unwrap(), blobs: Bodies::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.db")
    }

    fn taking(&self) -> Taking {
        Taking {
            path: self.path(),
            hold: Duration::from_secs(600),
            max: None,
            stop: Stop::never(),
            earlier: Vec::new(),
        }
    }

    async fn take(&self) -> Result<Took, TakeError> {
        self.take_as(&self.taking(), &mut |_| ()).await
    }

    async fn take_as(&self, taking: &Taking, progress: &mut (dyn FnMut(u64) + Send)) -> Result<Took, TakeError> {
        let ports = Ports { letters: &self.queue, blobs: &self.blobs, clock: &*self.clock };
        take(ports, &self.queue.queue(), taking, progress).await
    }
}

#[tokio::test]
async fn each_letter_is_seen_once_and_every_lease_is_given_back() {
    let bench = Bench::with(2345);
    bench.queue.state().most = 200;
    bench.queue.state().shy = 2;
    let took = bench.take().await.unwrap();
    let taken = took.snapshot.taken();
    assert_eq!((took.snapshot.count().unwrap(), took.added, took.is_stopped), (2345, 2345, false));
    assert_eq!((taken.leased, taken.released, taken.receives), (2345, 2345, 2345));
    assert_eq!((bench.queue.held(), bench.queue.receives()), (0, 2345));
    assert!(taken.ended_at.is_some());
}

#[tokio::test]
async fn an_empty_queue_ends_at_once() {
    let bench = Bench::with(0);
    let took = bench.take().await.unwrap();
    assert_eq!((took.snapshot.count().unwrap(), bench.queue.state().looks), (0, 3));
}

#[tokio::test]
async fn what_is_given_out_twice_is_kept_once() {
    let bench = Bench::with(50);
    bench.queue.state().repeats = true;
    let took = bench.take().await.unwrap();
    let taken = took.snapshot.taken();
    assert_eq!(took.snapshot.count().unwrap(), 50);
    assert!(taken.leased > 50 && taken.released == 50, "the first leases of each are stale: {taken:?}");
    assert_eq!((bench.queue.held(), bench.queue.receives()), (0, taken.receives));
}

#[tokio::test]
async fn where_only_so_many_can_be_leased_the_oldest_go_back_and_the_rest_is_seen_all_the_same() {
    let bench = Bench::with(3000);
    bench.queue.state().cap = Some(700);
    let took = bench.take().await.unwrap();
    let taken = took.snapshot.taken();
    assert_eq!(took.snapshot.count().unwrap(), 3000);
    let peak = bench.queue.state().peak;
    assert_eq!((taken.leased, peak, bench.queue.held()), (taken.released, 700, 0));
}

#[tokio::test]
async fn when_the_queue_fails_in_the_middle_all_is_given_back_and_what_was_seen_can_be_gone_on_with() {
    let bench = Bench::with(1500);
    bench.queue.state().most = 100;
    bench.queue.state().looks_left = Some(7);
    let error = bench.take().await.err().unwrap();
    assert!(matches!(error, TakeError::Letters(DeadLettersError::Unavailable(_))), "{error}");
    assert_eq!(bench.queue.held(), 0);
    let kept = Snapshot::open(&bench.path()).unwrap();
    assert_eq!((kept.count().unwrap(), kept.taken().ended_at), (700, None));
    assert_eq!((kept.taken().leased, kept.taken().released), (700, 700));
    drop(kept);

    bench.queue.state().looks_left = None;
    let took = bench.take().await.unwrap();
    assert_eq!((took.snapshot.count().unwrap(), took.added), (1500, 800));
    let taken = took.snapshot.taken();
    assert_eq!((taken.leased, taken.released, taken.ended_at.is_some()), (2200, 2200, true));
    drop(took);
    assert!(matches!(bench.take().await, Err(TakeError::Complete(_))));
}

#[tokio::test]
async fn when_it_is_stopped_all_is_given_back() {
    let bench = Bench::with(5000);
    bench.queue.state().most = 100;
    let (stopper, stop) = Stop::pair();
    let (taking, mut stopper) = (Taking { stop, ..bench.taking() }, Some(stopper));
    let mut progress = |count: u64| {
        if count >= 1000 {
            drop(stopper.take());
        }
    };
    let took = bench.take_as(&taking, &mut progress).await.unwrap();
    let taken = took.snapshot.taken();
    assert!(took.is_stopped && taken.ended_at.is_none());
    assert_eq!((taken.leased, taken.released, bench.queue.held()), (1000, 1000, 0));
    assert_eq!(took.snapshot.count().unwrap(), 1000);
}

#[tokio::test]
async fn giving_back_is_tried_again_where_nobody_answered() {
    let bench = Bench::with(2500);
    bench.queue.state().unanswered = 3;
    let took = bench.take().await.unwrap();
    assert_eq!((took.snapshot.taken().released, bench.queue.held()), (2500, 0));
}

#[tokio::test]
async fn leases_are_prolonged_while_it_lasts() {
    let bench = Bench::with(4000);
    bench.queue.state().most = 100;
    let clock = bench.clock.clone();
    // Each page takes a minute, and all of them four times as long as a lease.
    let mut progress = |_| drop(sendoff_events::Clock::sleep(&*clock, Duration::from_secs(60)));
    let took = bench.take_as(&bench.taking(), &mut progress).await.unwrap();
    let taken = took.snapshot.taken();
    assert_eq!((taken.leased, taken.released), (4000, 4000), "none lapsed and came again");
}

#[tokio::test]
async fn at_most_so_many_are_looked_at() {
    let bench = Bench::with(500);
    let took = bench.take_as(&Taking { max: Some(120), ..bench.taking() }, &mut |_| ()).await.unwrap();
    assert_eq!((took.snapshot.count().unwrap(), bench.queue.receives(), bench.queue.held()), (120, 120, 0));
}

#[tokio::test]
async fn a_queue_that_counts_looks_is_left_alone() {
    let bench = Bench::with(10);
    bench.queue.state().untouchable = Some("it has a redrive policy of its own".into());
    assert!(matches!(bench.take().await, Err(TakeError::Untouchable { .. })));
    assert_eq!((bench.queue.state().looks, bench.path().exists()), (0, false));
}

#[tokio::test]
async fn a_snapshot_of_something_else_is_not_added_to() {
    let bench = Bench::with(10);
    bench.queue.state().looks_left = Some(0);
    bench.take().await.err().unwrap();
    let snapshot = Snapshot::open(&bench.path()).unwrap();
    let other = sendoff_dlq_tools::snapshot::Taken { deployment: "another".into(), ..snapshot.taken().clone() };
    let mut snapshot = snapshot;
    snapshot.set_taken(other).unwrap();
    drop(snapshot);
    assert!(matches!(bench.take().await, Err(TakeError::Other { .. })));
}

#[tokio::test]
async fn of_large_letters_few_are_taken_at_a_time() {
    let bench = Bench::with(90);
    let body = bytes::Bytes::from(vec![b'a'; 1 << 20]);
    bench.queue.state().entries.iter_mut().for_each(|entry| entry.letter.body = body.clone());
    let known = |entry: &Entry| (entry.letter.message_id.clone(), taking::hash(&entry.letter));
    let wanted = bench.queue.state().entries.iter().map(known).collect();
    let mut pages = Vec::new();
    let taken = taking::taken(&bench.queue, &*bench.clock, "email-dlq", wanted, async |page, _| {
        pages.push(page.len());
        Ok(())
    });
    let taken = taken.await.unwrap();
    assert!(taken.missing.is_empty(), "{} weren't taken", taken.missing.len());
    // How large they are shows only when the first of them have come.
    assert!(pages[0] <= 50 && pages[1..].iter().all(|count| *count <= 16), "{pages:?}");
    assert_eq!((pages.iter().sum::<usize>(), bench.queue.held()), (90, 0));
}
