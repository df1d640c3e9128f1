//! Other queues on the same disk with the same durability: a commit is answered when it is on the disk.

use std::{ffi::OsStr, path::Path, process::Command};

use sendoff_tests::servers::{Redis, venv};
use tempfile::TempDir;

use crate::{
    Options,
    rig::{BATCH, BODY, print, target},
};

/// Jobs of the peers that are written in Python.
const OF_PYTHON: u64 = 3_000;
/// Threads that Huey is tried with.
const THREADS: [usize; 4] = [1, 4, 16, 64];

/// What a peer does at one setting, in jobs per second.
struct Tried {
    setting: String,
    pushed: f64,
    handled: f64,
}

/// Prints what each peer does at each of its settings, and how much faster ours handles than it does at the best one. Which one that is
/// depends on the peer and on the disk, and the difference may be a factor of fifty.
pub(crate) fn run(options: &Options, handled: f64) {
    let events = options.events.min(10_000);
    let redis = Redis::start_durable();
    peer("apalis on SQLite (Rust)", handled, [BATCH as u64, events].map(|batch| apalis(events, batch)));
    peer(
        "Huey on SQLite (Python)",
        handled,
        THREADS.map(|threads| huey(folder().path().join("huey.db").as_os_str(), threads)),
    );
    let url = redis.url();
    peer("Huey on Redis, fsync always (Python)", handled, THREADS.map(|threads| huey(url.as_ref(), threads)));
}

fn peer<const N: usize>(name: &str, handled: f64, tried: [Tried; N]) {
    let best = |of: fn(&Tried) -> f64| tried.iter().map(of).fold(0.0, f64::max);
    print(&format!("peer {name}: pushed"), best(|tried| tried.pushed), "jobs/s");
    for Tried { setting, handled, .. } in &tried {
        print(&format!("  handled from a full queue, {setting}"), *handled, "jobs/s");
    }
    print("  ours in relation to the best of these", handled / best(|tried| tried.handled), "×");
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("peer").tempdir_in(target()).unwrap()
}

fn apalis(events: u64, batch: u64) -> Tried {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/apalis/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target().join("peers"))
        .status()
        .unwrap();
    assert!(built.success(), "the peer doesn't build");
    let mut command = Command::new(target().join("peers/release/peer-apalis"));
    let folder = folder();
    command.arg(folder.path()).args([events.to_string(), BODY.to_string(), batch.to_string()]);
    tried(format!("fetched by {batch}"), &mut command)
}

fn huey(storage: &OsStr, threads: usize) -> Tried {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/huey");
    let environment = venv("huey", &std::fs::read_to_string(folder.join("requirements.txt")).unwrap());
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(folder.join("peer.py")).arg(storage);
    command.args([OF_PYTHON.to_string(), BODY.to_string(), threads.to_string()]);
    tried(format!("{threads} at a time"), &mut command)
}

fn tried(setting: String, command: &mut Command) -> Tried {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let [pushed, handled] = ["pushed_per_s", "handled_per_s"].map(|name| figures[name].as_f64().unwrap());
    Tried { setting, pushed, handled }
}
