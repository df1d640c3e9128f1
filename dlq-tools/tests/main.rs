//! The tool over a real data folder.

#![cfg(test)]

mod transcripts;

mod doctor;
mod keeping;
mod crash;
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod on_aws;
mod letters;
mod selection;
mod replay;
