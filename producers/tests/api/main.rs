//! The HTTP API as a caller meets it, over records in memory and with injected time.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]

mod assignments;
mod auth;
mod documents;
mod hostile;
mod idempotency;
mod listing;
mod memory;
mod openapi;
mod problems;
mod publishing;
mod reach;
mod submissions;
mod webhooks;
mod workflows;
mod world;
