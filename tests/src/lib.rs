//! What proves it: a backend in memory, the simulation of the whole protocol under faults, and the conformance suite.

pub mod conformance;
pub mod crash;
pub mod memory;
pub mod simulation;
