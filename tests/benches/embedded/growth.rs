//! What a message costs as the queue grows, and how soon a process that was killed works again.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use sendoff_embedded::{Store, StoreOptions};
use sendoff_producers::Publisher;
use sendoff_tests::processor;

use crate::rig::{Rig, print, stop, target};

/// Makes this program the server of a folder: it works until it is killed. The first two lines that it writes are the microseconds
/// from its start to an open store, and to its first handled message.
pub(crate) const SERVE: &str = "--serve";
/// Messages that are published and handled at each size.
const SAMPLE: u64 = 20_000;
/// More than a server handles until it is killed.
const ENOUGH: u64 = 500_000;
/// Events that share a commit while the queue is filled.
const FILL: u64 = 500;

/// Prints the processor time of a message, published and handled, with so many others in the queue; then kills and restarts a
/// server of the last and largest queue.
pub(crate) async fn run(sizes: &[u64]) {
    let folder = Arc::new(tempfile::Builder::new().prefix("growth").tempdir_in(target()).unwrap());
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let rig = Rig::over(Arc::clone(&folder), store, 1).await;
    println!("with so many messages in the queue, and {SAMPLE} more that come and go");
    let (mut queued, mut first) = (0, None);
    for &size in sizes {
        let publisher = rig.store.publisher();
        while queued < size {
            publish(&rig, &*publisher, queued..size.min(queued + FILL)).await;
            queued = size.min(queued + FILL);
        }
        // As many come as go, so that the size is the same before and after.
        let before = processor::used();
        for begin in (0..SAMPLE).step_by(FILL as usize) {
            publish(&rig, &*publisher, size + begin..size + begin + FILL).await;
        }
        let published = processor::used();
        let handled = rig.count.handled.load(std::sync::atomic::Ordering::Relaxed);
        let workers = rig.work().await;
        rig.count.reaches(handled + SAMPLE).await;
        stop(workers).await;
        let after = processor::used();
        let done = rig.count.handled.load(std::sync::atomic::Ordering::Relaxed) - handled;
        queued = queued + SAMPLE - done;
        let publish_us = (published - before).as_secs_f64() * 1e6 / SAMPLE as f64;
        let handle_us = (after - published).as_secs_f64() * 1e6 / done as f64;
        let first = *first.get_or_insert(publish_us + handle_us);
        let what = format!("with {size} messages in the queue: CPU to publish one");
        print(&what, publish_us, "µs");
        print("  to handle one", handle_us, "µs");
        print("  both, in relation to the smallest queue", (publish_us + handle_us) / first, "×");
    }
    rig.store.shutdown().await;
    let bytes = std::fs::metadata(rig.store.file()).unwrap().len();
    drop(rig);
    println!();
    recovery(folder.path(), queued, bytes);
}

async fn publish(rig: &Rig, publisher: &dyn Publisher, numbers: std::ops::Range<u64>) {
    let events: Vec<_> = numbers.map(|number| rig.event(number)).collect();
    let results = publisher.publish(&events).await;
    assert!(results.iter().all(Result::is_ok));
}

/// Kills a server in the middle of its work, and starts it again.
fn recovery(folder: &Path, queued: u64, bytes: u64) {
    if queued < ENOUGH {
        println!(
            "recovery isn't measured: a server would be done with {queued} messages before it is killed; end with {ENOUGH} or more"
        );
        return;
    }
    let what = format!("a file with {queued} messages, {} MiB: opened after a clean stop", bytes >> 20);
    let [open, first] = serve(folder);
    print(&what, open, "ms");
    print("  from the start to the first handled message", first, "ms");
    let log = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let log =
        log.filter(|file| file.file_name().to_string_lossy().ends_with("-wal")).map(|f| f.metadata().unwrap().len());
    println!("killed while it was handling; it left a log of {} MiB", log.sum::<u64>() >> 20);
    let [open, first] = serve(folder);
    print("opened again, leases of the dead process ended", open, "ms");
    print("  from the start to the first handled message", first, "ms");
}

/// Serves the folder for a second of handling, then kills the server with SIGKILL. Gives its milliseconds.
fn serve(folder: &Path) -> [f64; 2] {
    let program = std::env::current_exe().unwrap();
    let mut server = Command::new(program).arg(SERVE).arg(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap().parse::<f64>().unwrap() / 1e3;
    let told = [next(), next()];
    std::thread::sleep(Duration::from_secs(1));
    server.kill().unwrap();
    server.wait().unwrap();
    told
}

/// The server.
pub(crate) async fn be_server(folder: &Path) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let began = Instant::now();
    let store = Store::open(folder, StoreOptions::default()).unwrap();
    store.recover().await.unwrap();
    println!("{}", began.elapsed().as_micros());
    // The folder is the other's.
    let own = Arc::new(tempfile::tempdir().unwrap());
    let rig = Rig::over(own, store, 1).await;
    let _workers = rig.work().await;
    rig.count.reaches(1).await;
    println!("{}", began.elapsed().as_micros());
    std::future::pending::<()>().await;
}
