//! The steps of a replay, each as the program that a person starts.

use std::{path::Path, process::Command, time::Duration};

use sendoff_tests::servers::Stocked;

use crate::{measure, processor, raw, stub::Stub, table};

/// True of every letter, so that all are replayed; and it has to look into the failure and the data of each.
const CONDITION: &str = r#"failure.reason.startsWith("bad-") && data.app_id == "bench" && ledger.attempts >= 1"#;

/// One step of a round: what it used, and how many calls the stub saw.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) used: measure::Used,
    pub(crate) calls: u64,
}

/// Measures all steps over so many letters, in so many rounds, and prints their medians.
pub(crate) fn measure(messages: u64, latency: Duration, rounds: usize) {
    let what = if latency.is_zero() { "at once".to_owned() } else { format!("after {} ms", latency.as_millis()) };
    table::section(&format!("each call is answered {what}; rounds: {rounds}"));
    let (snapshot, replay) = match latency.is_zero() {
        true => ("", "goal: 20,000/s of CPU"),
        false => ("goal: 10,000/s", "goal: 5,000/s"),
    };
    let rounds: Vec<[Step; 4]> = (0..rounds).map(|_| round(messages, latency)).collect();
    let all = |at: usize| rounds.iter().map(|round| round[at]).collect::<Vec<_>>();
    table::line("dlq snap", messages, &all(0), snapshot);
    table::line("dlq plan, with a condition", messages, &all(1), "");
    table::line("dlq run, with its journal", messages, &all(2), replay);
    table::line("the SDK alone: receive, send, delete", messages, &all(3), "");
    table::ratio("dlq run : the SDK alone", &all(2), &all(3));
}

/// A snapshot, a plan, its run, and the SDK alone on as many letters.
fn round(messages: u64, latency: Duration) -> [Step; 4] {
    let stub = Stub::start(messages, latency);
    // The stub stays where it is; what follows stays here.
    processor::stay_on(0);
    let work = tempfile::tempdir().unwrap();
    let (snap, _) = step(&stub, work.path(), &["snap", Stocked::CONSUMER]);
    let seen = stub.seen();
    assert_eq!((seen.left, seen.leased), (messages, 0), "a snapshot changes nothing");

    let file = work.path().join("bench.plan");
    let file = file.to_str().unwrap();
    let arguments = ["plan", Stocked::CONSUMER, "--where", CONDITION, "--out", file, "--output", "json"];
    let (plan, out) = step(&stub, work.path(), &[&arguments[..], UNHURRIED].concat());
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let hash = told["hash"].as_str().unwrap().to_owned();

    let (run, _) = step(&stub, work.path(), &["run", file, "--apply", &hash]);
    let seen = stub.seen();
    assert_eq!((seen.left, seen.sent, seen.twice, seen.wrong), (0, messages, 0, 0), "{seen:?}");

    let stub = Stub::start(messages, latency);
    let mut command = Command::new(std::env::current_exe().unwrap());
    stub.lead(command.args([raw::ARGUMENT, &messages.to_string()]));
    let (used, _) = measure::run(&mut command);
    let seen = stub.seen();
    assert_eq!(seen.left, 0);
    [snap, plan, run, Step { used, calls: seen.calls.values().sum() }]
}

/// No limit, no ladder.
const UNHURRIED: &[&str] = &["--rate", "0", "--canary", "0", "--watch", "0s"];

/// One call of the tool, and what it said.
fn step(stub: &Stub, work: &Path, arguments: &[&str]) -> (Step, String) {
    let before: u64 = stub.seen().calls.values().sum();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlq"));
    stub.lead(command.args(["--backend", "aws", "--work"]).arg(work).args(arguments));
    let (used, out) = measure::run(&mut command);
    let after: u64 = stub.seen().calls.values().sum();
    (Step { used, calls: after - before }, out)
}
