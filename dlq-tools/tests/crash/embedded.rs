//! On a data folder, beside the process that serves it.

use std::{path::Path, time::Duration};

use sendoff_consumers::{AuditDigest, Filter, WorkerSettings, check_chain};
use sendoff_embedded::{Durability, Store, StoreOptions};
use sendoff_events::{Clock as _, EventId};
use sendoff_host::SystemClock;

use super::{
    journal::Struck,
    outside::Outside,
    reconcile::{Tally, reconcile},
    replay::{Replay, Tool, two_at_once},
    serving::{CONSUMER, LOOK, Ports, Serving},
};

/// Letters in all.
const LETTERS: usize = 100_000;
/// How many of them are in the queue at a time: a plan of all of them would be read anew by each of a thousand processes.
const ROUND: usize = 5_000;
/// Kills in all, at least.
const KILLS: u64 = 1000;
/// How many letters a second each of them sends: half of it goes together. At this rate there are batches enough for all kills:
/// one in two or three is killed.
const RATE: u32 = 280;
/// By when it must have come to an end.
const PATIENCE: Duration = Duration::from_secs(2400);

async fn serve(folder: &Path, outside: &Outside) -> (Store, Serving) {
    // A kill loses nothing that the operating system has.
    let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::default() };
    let store = Store::open(folder, options).expect("a folder");
    store.subscribe(CONSUMER, &Filter::default()).await.expect("subscribed");
    let ports = Ports {
        inbox: store.inbox(),
        blobs: store.blobs(),
        queue: store.queue(CONSUMER).await.expect("a queue"),
        publisher: store.publisher(),
    };
    let settings = WorkerSettings { concurrency: 256, batch: 128, ..WorkerSettings::default() };
    (store, Serving::start(ports, outside, settings))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the tally is worth seeing")]
async fn two_replays_of_a_hundred_thousand_letters_survive_a_thousand_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let outside = Outside::default();
    let began = SystemClock.now();
    let until = began + PATIENCE;
    let (store, serving) = serve(&data, &outside).await;
    // A guest writes into the file unseen; a server looks about each second.
    let noticing = tokio::spawn({
        let store = store.clone();
        async move {
            while store.notice_others().await.is_ok() {
                SystemClock.sleep(LOOK).await;
            }
        }
    });
    let (mut struck, mut tally, mut events) = (Struck::default(), Tally::default(), 0);
    for round in 0..LETTERS / ROUND {
        outside.set_mended(false);
        let failed: Vec<EventId> = serving.fail(ROUND, 500).await;
        events += failed.len();
        outside.set_mended(true);
        let tool = Tool {
            arguments: vec!["--backend".into(), format!("sqlite:{}", data.display())],
            variables: Vec::new(),
            // One of its own, as each night has: a run looks into all runs beside it.
            work: folder.path().join(format!("work-{round}")),
        };
        let both = move || two_at_once(&tool, round, RATE, until);
        let (struck_now, replays) = tokio::task::spawn_blocking(both).await.expect("well");
        serving.idle().await;
        struck = struck.and(&struck_now);
        reconcile(&outside, &failed, &replays.each_ref().map(Replay::report), &mut tally);
        println!("{:#}: {struck_now:?} {tally:?}", SystemClock.now().duration_since(began));
    }
    assert_eq!(serving.letters_left().await, 0, "all of them were replayed");
    noticing.abort();
    serving.stop().await;
    let entries = store.audit().entries(0, usize::MAX).await.expect("readable");
    check_chain(AuditDigest::NONE, 1, &entries).expect("a whole chain");
    store.shutdown().await;
    println!(
        "{events} letters, {struck:?}, {tally:?}, {} audit entries, {:#}",
        entries.len(),
        SystemClock.now().duration_since(began)
    );
    assert_eq!(events, LETTERS);
    assert!(struck.kills >= KILLS, "{struck:?}");
    // Kills that strike at one step only prove little.
    assert!(struck.starting > 10 && struck.sending > 100 && struck.deleting > 100 && struck.between > 10, "{struck:?}");
}
