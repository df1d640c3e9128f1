//! One binary for all that is tested across crates: it links once.

mod architecture;
mod conformance;
mod crash;
mod protocol;
mod simulation;
