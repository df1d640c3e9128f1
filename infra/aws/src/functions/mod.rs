//! The Lambda functions, one file each: what it needs, how it is put together, what it does with an event. The binaries in
//! `src/bin` only call their `main`.

mod actions;
pub mod api;
pub mod authorizer;
pub mod callbacks;
mod connections;
mod consumer;
pub mod email;
pub mod external;
mod http_answer;
mod http_request;
mod moment;
mod parts;
pub mod push;
pub mod reactions;
pub mod relay;
pub mod sms;
pub mod steps;
pub mod sweep;
pub mod webhook;
pub mod whatsapp;
pub mod workflow_kickoff;
