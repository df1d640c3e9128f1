//! `cargo bench -p sendoff-load --bench million [-- SCENARIO]`: a load test in one process with the embedded system, with a million
//! events unless another scenario is named, by the program `load` as people start it. Below its report stands how much memory the
//! process had while it was sending.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "it may fail loudly: nobody depends on it")]

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// How many moments of the sending are looked at.
const MOMENTS: usize = 10;

fn main() {
    let million = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/million.toml");
    // `cargo bench` adds the flag.
    let named = std::env::args_os().skip(1).find(|argument| argument != "--bench");
    let scenario = named.map_or(million, |named| std::path::absolute(named).unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["run", "--out"])
        .arg(folder.path())
        .arg(scenario)
        .status()
        .unwrap();
    for run in fs::read_dir(folder.path()).unwrap() {
        let report = fs::read(run.unwrap().path().join("report.json"));
        let Ok(report) = report.map(|report| serde_json::from_slice::<Value>(&report).unwrap()) else { continue };
        println!("memory while it was sending: {} MiB", memory(&report).join(", "));
    }
    drop(folder);
    std::process::exit(status.code().unwrap_or(1));
}

/// Mebibytes at moments between the first send and the last.
fn memory(report: &Value) -> Vec<String> {
    let samples = report["samples"].as_array().unwrap();
    let sent = |sample: &Value| sample["sent"].as_u64().unwrap_or_default();
    let most = samples.iter().map(sent).max().unwrap_or_default();
    let sending: Vec<&Value> = samples.iter().filter(|sample| (1..most).contains(&sent(sample))).collect();
    let moments = sending.iter().step_by(sending.len().div_ceil(MOMENTS).max(1));
    moments.filter_map(|sample| Some((sample["memory"].as_u64()? >> 20).to_string())).collect()
}
