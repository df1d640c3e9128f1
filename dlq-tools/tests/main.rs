//! The tool over a real data folder, and over an emulator of AWS.

#![cfg(test)]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod crash;
mod doctor;
mod keeping;
mod letters;
mod on_aws;
mod replay;
mod selection;
mod transcripts;
