//! The real worker from outside: how it refuses to start, what it answers, and how it ends.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod aws;
mod process;
mod running;
mod start;
