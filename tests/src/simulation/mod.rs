//! The whole protocol under faults, in virtual time, on one thread: the same router, inbox, worker and relay as everywhere
//! else, over ports in memory, with a network that delays, loses and applies late, and processes that are killed at any
//! await. One number, the seed, decides everything, so a failing run is repeated by its seed.

mod executor;
mod handlers;
mod invariants;
mod network;
mod provider;
mod system;

pub use executor::{Process, World, WorldClock, WorldRng};
pub use invariants::{Tally, check};
pub use network::{Faults, Network};
pub use provider::Provider;
pub use system::{Outcome, run};
