//! `sendoff workflow`, from outside: what it prints and how it ends.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod checking;
mod folder;
mod hostile;
mod program;
mod trying;
