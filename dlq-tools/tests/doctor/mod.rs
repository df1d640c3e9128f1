//! Looking for misconfiguration, and what the doctor's neighbours fetch and start again.

mod aws;
mod call;
mod executions;
mod folder;
mod hydrate;
mod rules;
