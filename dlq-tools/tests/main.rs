//! The tool over a real data folder, and over an emulator of AWS.

#![cfg(test)]

mod calls;
mod crash;
mod doctor;
mod keeping;
mod letters;
mod on_aws;
mod replay;
mod selection;
mod transcripts;
mod tui;
