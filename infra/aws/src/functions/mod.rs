//! The Lambda functions, one file each: what it needs, how it is put together, what it does with an event. The binaries in
//! `src/bin` only call their `main`.

pub mod api;
pub mod authorizer;
pub mod callbacks;
mod consumer;
pub mod email;
mod http_answer;
mod parts;
pub mod push;
pub mod reactions;
pub mod relay;
pub mod sms;
pub mod sweep;
pub mod webhook;
pub mod whatsapp;
pub mod workflow_kickoff;
