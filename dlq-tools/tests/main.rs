//! The tool over a real data folder.

#![cfg(test)]

mod transcripts;

mod doctor;
mod keeping;
mod crash;
