//! `cargo bench -p sendoff-dlq-tools --bench replay [-- --messages N --latency-ms MS --rounds N --million]`
//!
//! How fast the tool empties a dead-letter queue: `dlq snap`, `dlq plan` with a condition and the ledger, and `dlq run` with its
//! journal, as the program that people start, against a stub of SQS and DynamoDB that answers each call after 10 ms, and at once.
//! Beside it the SDK alone in a bare loop on the same stub: receive, send, delete, and nothing remembered.
//!
//! The stub is a process of its own, on another processor where there is one; processor time and memory are those of the measured
//! process. The stub's leases are real, and it counts what arrives: a run that lost or doubled a message fails the benchmark. No
//! speed is asserted: a shared machine is slow when it likes, so all of it is done in rounds, each step after the other. Without
//! `--latency-ms` both are measured. `--million` adds a round with a million messages, for the memory.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

mod measure;
mod processor;
mod raw;
mod steps;
mod stub;
mod table;

use std::time::Duration;

/// As the programs have it that are measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Letters in the queue.
const MESSAGES: u64 = 100_000;
/// How often all of it is done.
const ROUNDS: usize = 7;

fn main() {
    let (mut messages, mut latencies) = (MESSAGES, vec![Duration::from_millis(10), Duration::ZERO]);
    let (mut rounds, mut million) = (ROUNDS, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().unwrap().parse::<u64>().unwrap();
        match argument.as_str() {
            stub::ARGUMENT => return stub::serve(number(), Duration::from_millis(number())),
            raw::ARGUMENT => return raw::main(number()),
            "--messages" => messages = number(),
            "--latency-ms" => latencies = vec![Duration::from_millis(number())],
            "--rounds" => rounds = usize::try_from(number()).unwrap().max(1),
            "--million" => million = true,
            // `cargo bench` adds it.
            "--bench" => {}
            other => panic!("unknown option {other}: use --messages N, --latency-ms MS, --rounds N, --million"),
        }
    }
    table::opening();
    for latency in latencies {
        steps::measure(messages, latency, rounds);
    }
    if million {
        steps::measure(1_000_000, Duration::ZERO, 1);
    }
    table::closing();
}
