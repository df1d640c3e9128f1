//! The Lambda functions, one file each: what it needs, how it is put together, what it does with an event. The binaries in
//! `src/bin` only call their `main`.

pub mod api;
pub mod authorizer;
mod consumer;
pub mod email;
mod http_answer;
mod parts;
pub mod reactions;
pub mod relay;
pub mod sweep;
pub mod workflow_kickoff;
