//! Commits, handling, and both at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use sendoff_producers::api::{self, ApiState, DevelopmentKey, KeySet};

use crate::{
    Options,
    rig::{Rig, print, stop, tenant},
};

pub(crate) async fn commits(options: &Options) {
    for concurrency in [1, 16, 128] {
        let rig = Rig::new(3).await;
        let count = if concurrency == 1 { options.events / 10 } else { options.events };
        let seconds = rig.commit_all(0..count, concurrency).await;
        let what = format!("commits (record + event + 3 messages), {concurrency} at a time");
        print(&what, count as f64 / seconds, "commits/s");
        rig.store.shutdown().await;
    }
}

/// Requests per second through the HTTP API, over loopback, the client on the same machine.
pub(crate) async fn requests(options: &Options) {
    let rig = Rig::new(3).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = DevelopmentKey::loopback(address).unwrap();
    let token =
        api::mint(&key.signing(), &tenant(), &"ada".parse().unwrap(), Duration::from_secs(3600), &*rig.clock).unwrap();
    let keys = KeySet::new().with_development(&key).unwrap();
    let state = ApiState::new(rig.store.records(), keys, rig.clock.clone(), rig.rng.clone());
    let server = tokio::spawn(async move { axum::serve(listener, api::router(state)).await });
    let client = sendoff_tests::servers::plain_client();
    let app = client.put(format!("http://{address}/v1/apps/bench")).bearer_auth(&token);
    assert!(app.json(&serde_json::json!({"name": "Bench"})).send().await.unwrap().status().is_success());
    let count = options.events / 2;
    let began = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(64, |number| {
            let request = client
                .post(format!("http://{address}/v1/apps/bench/submissions"))
                .bearer_auth(&token)
                .header("Idempotency-Key", format!("request-{number}"))
                .json(&serde_json::json!({"fields": {"amount": number, "note": "bench"}}));
            async move { assert_eq!(request.send().await.unwrap().status(), 201) }
        })
        .await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    print("API: POST submissions with an Idempotency-Key, 64 at a time", rate, "commits/s");
    server.abort();
    rig.store.shutdown().await;
}

/// Messages handled per second when the queue is full from the start.
pub(crate) async fn drain(options: &Options) -> f64 {
    let rig = Rig::new(1).await;
    rig.commit_all(0..options.events, 128).await;
    let before = rig.store.write_stats();
    let began = Instant::now();
    let workers = rig.work().await;
    rig.count.reaches(options.events).await;
    stop(workers).await;
    let rate = options.events as f64 / began.elapsed().as_secs_f64();
    let after = rig.store.write_stats();
    print("handled from a full queue, 1 consumer", rate, "messages/s");
    let per = |now: u64, then: u64| (now - then) as f64 / options.events as f64;
    print("  writer operations per message", per(after.operations, before.operations), "");
    print("  fsyncs per message", per(after.commits, before.commits), "");
    rig.store.shutdown().await;
    let size = std::fs::metadata(rig.store.file()).unwrap().len();
    print("  file per event (record, change, event, inbox)", size as f64 / options.events as f64, "bytes");
    rate
}

/// Events committed and handled by three consumers at once: how many per second, and how many share a commit of the engine.
pub(crate) async fn end_to_end(options: &Options) -> (f64, u64) {
    let rig = Rig::new(3).await;
    let workers = rig.work().await;
    let before = rig.store.write_stats().commits;
    let began = Instant::now();
    rig.commit_all(0..options.events, 128).await;
    rig.count.reaches(3 * options.events).await;
    let rate = options.events as f64 / began.elapsed().as_secs_f64();
    stop(workers).await;
    let commits = rig.store.write_stats().commits - before;
    print("commit → handled by 3 consumers, end to end", rate, "events/s");
    print("", 3.0 * rate, "messages/s");
    rig.store.shutdown().await;
    drop(rig.folder);
    (rate, (options.events / commits.max(1)).max(1))
}

/// The latency from commit to handled, with events arriving evenly at half the rate of [`end_to_end`].
pub(crate) async fn half_load(options: &Options, full: f64) {
    let rig = Arc::new(Rig::new(3).await);
    let workers = rig.work().await;
    let rate = full / 2.0;
    let count = options.events.min((rate * 5.0) as u64);
    let records = rig.store.records();
    let began = Instant::now();
    let mut arrivals = tokio::task::JoinSet::new();
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let (rig, records) = (rig.clone(), records.clone());
        arrivals.spawn(async move { rig.commit(&*records, number).await });
    }
    arrivals.join_all().await;
    rig.count.reaches(3 * count).await;
    stop(workers).await;
    print(&format!("latency from commit to handled at {rate:.0} events/s, p50"), rig.count.percentile(0.5), "ms");
    print("  p99", rig.count.percentile(0.99), "ms");
    print("  max", rig.count.percentile(1.0), "ms");
    rig.store.shutdown().await;
}
