//! The tool over a real data folder.

#![cfg(test)]

mod doctor;
