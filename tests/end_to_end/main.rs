//! The real program from outside: what it prints, what it answers, how it ends.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod cloudformation;
mod configuration;
mod data_folder;
mod demo;
mod doubt;
mod doubt_on_aws;
mod mail_server;
mod on_aws;
mod program;
mod readme;
mod serve;
mod server;
mod step_functions;
mod suppression;
mod template;
mod tools;
mod workflow_on_aws;
mod workflows;
