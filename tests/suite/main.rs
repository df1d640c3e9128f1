//! One binary for all that is tested across crates: it links once.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod architecture;
mod audit_chain;
mod cache;
mod channels;
mod conformance;
mod crash;
mod databases;
mod dead_letter_queues;
mod faults;
mod http_action;
mod inbox_table;
mod long_delays;
mod matrix;
mod protocol;
mod simulation;
mod streams;
mod sweeping;
mod template;
mod workflow_crash;
mod workflows;
