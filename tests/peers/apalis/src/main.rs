//! `peer-apalis FOLDER COUNT BYTES BATCH`: pushes COUNT jobs of BYTES bytes into apalis on SQLite (WAL, synchronous=FULL),
//! then handles them with a job that does nothing. Prints one JSON object: seconds and jobs per second of both.

use std::{
    env,
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: peer-apalis FOLDER COUNT BYTES BATCH");
    let folder = PathBuf::from(next()?);
    let (count, bytes, batch): (usize, usize, usize) = (next()?.parse()?, next()?.parse()?, next()?.parse()?);

    let options = SqliteConnectOptions::new()
        .filename(folder.join("apalis.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30));
    // `setup` sets synchronous=OFF on the connection it uses: give it one of its own.
    let setup = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    SqliteStorage::setup(&setup).await?;
    setup.close().await;
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    let (durability,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&pool).await?;
    assert_eq!(durability, 2, "the peer must run with synchronous=FULL");

    let config = Config::default().queue("bench").batch_size(batch);
    let mut storage = SqliteStorage::<String>::new(&pool).with_config(config);
    let body = "x".repeat(bytes);
    let began = Instant::now();
    for first in (0..count).step_by(batch) {
        let jobs = (first..count.min(first + batch)).map(|_| body.clone());
        let mut jobs = futures::stream::iter(jobs.collect::<Vec<_>>());
        storage.push_stream(&mut jobs).await?;
    }
    let pushed = began.elapsed().as_secs_f64();

    let done = Arc::new(Semaphore::new(0));
    let began = Instant::now();
    let worker = WorkerBuilder::new("bench-worker")
        .backend(storage)
        .parallelize(tokio::spawn)
        .data(done.clone())
        .build(|_: String, done: Data<Arc<Semaphore>>| async move { done.add_permits(1) });
    let all = done.acquire_many(u32::try_from(count)?);
    tokio::select! {
        result = worker.run() => result?,
        permits = all => permits?.forget(),
    }
    let handled = began.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "push_s": pushed, "pushed_per_s": count as f64 / pushed,
            "handle_s": handled, "handled_per_s": count as f64 / handled,
        })
    );
    Ok(())
}
