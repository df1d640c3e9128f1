//! Other queues on the same disk with the same durability: a commit is answered when it is on the disk.

use std::{ffi::OsStr, path::Path, process::Command};

use sendoff_tests::servers::{Redis, venv};

use crate::{
    Options,
    rig::{BATCH, BODY, print, target},
};

/// Jobs of the peers that are written in Python.
const OF_PYTHON: u64 = 3_000;

/// Prints what each peer does, and how much faster ours handles.
pub(crate) fn run(options: &Options, handled: f64) {
    let events = options.events.min(10_000);
    let folder = tempfile::Builder::new().prefix("peer").tempdir_in(target()).unwrap();
    let redis = Redis::start_durable();
    let file = folder.path().join("huey.db");
    let peers = [
        ("apalis on SQLite (Rust)", apalis(folder.path(), events)),
        ("Huey on SQLite (Python)", huey(file.as_os_str())),
        ("Huey on Redis, fsync always (Python)", huey(redis.url().as_ref())),
    ];
    for (name, [pushed, done]) in peers {
        print(&format!("peer {name}: pushed"), pushed, "jobs/s");
        print("  handled from a full queue", done, "jobs/s");
        print("  ours in relation to it, handled from a full queue", handled / done, "×");
    }
}

fn apalis(folder: &Path, events: u64) -> [f64; 2] {
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
    figures(command.arg(folder).args([events.to_string(), BODY.to_string(), BATCH.to_string()]))
}

fn huey(storage: &OsStr) -> [f64; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/huey");
    let environment = venv("huey", &std::fs::read_to_string(folder.join("requirements.txt")).unwrap());
    let mut command = Command::new(environment.join("bin/python"));
    figures(command.arg(folder.join("peer.py")).arg(storage).args([OF_PYTHON.to_string(), BODY.to_string()]))
}

/// Jobs per second, pushed and handled.
fn figures(command: &mut Command) -> [f64; 2] {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    ["pushed_per_s", "handled_per_s"].map(|name| figures[name].as_f64().unwrap())
}
