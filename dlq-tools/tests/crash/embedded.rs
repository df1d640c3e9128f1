//! On a data folder, beside the process that serves it.

use std::{path::Path, sync::Arc, time::Duration};

use sendoff_consumers::WorkerSettings;
use sendoff_embedded::{Durability, Store, StoreOptions};
use sendoff_events::{Clock as _, EventType};
use sendoff_host::SystemClock;

use super::{
    outside::Outside,
    serving::{CONSUMER, Ports, Serving},
};

/// Letters in the queue.
const LETTERS: usize = 100_000;

async fn serve(folder: &Path, outside: &Outside) -> (Store, Serving) {
    // Kills of a process lose nothing that the operating system has.
    let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::default() };
    let store = Store::open(folder, options).expect("a folder");
    let types: Vec<EventType> = vec!["app.assigned.v1".parse().expect("a type")];
    let _ = types;
    store.subscribe(CONSUMER, &sendoff_consumers::Filter::default()).await.expect("subscribed");
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
async fn prepare_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = Outside::default();
    let began = SystemClock.now();
    let (store, serving) = serve(folder.path(), &outside).await;
    let events = serving.fail(LETTERS, 500).await;
    println!("{} letters in {:#}", events.len(), SystemClock.now().duration_since(began));
    outside.mend();
    serving.idle().await;
    serving.stop().await;
    store.shutdown().await;
    let _ = (Arc::new(()), Duration::ZERO);
}
