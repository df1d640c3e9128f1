//! The template as it is deployed: `infra/aws/template.yaml` itself, on an emulator that runs the real function binaries behind
//! a real API, real event source mappings and a real mail server.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

#[path = "../functions/binaries.rs"]
mod binaries;
mod caller;
mod life;
mod package;
mod scheduler;
mod stack;
mod workflows;
