//! What proves it: the conformance suite that every backend passes, a backend in memory, the simulation of the whole protocol
//! under faults, the process that is killed while it works, and a small Lambda that runs real functions.

pub mod conformance;
pub mod cost;
pub mod crash;
pub mod faults;
pub mod lambda;
pub mod matrix;
pub mod memory;
pub mod processor;
pub mod servers;
pub mod simulation;
pub mod workflows;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
