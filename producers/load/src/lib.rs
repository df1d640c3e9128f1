//! Load tests: synthetic events at an exact open-loop rate, and a report that accounts for every single event.
//!
//! A scenario says what is sent, how fast and on which way. The generator sends each event at its intended moment, however slow
//! the system is, and latencies count from that moment. Afterwards every event is looked up in the ledger of each consumer that
//! subscribed to it, until nothing is in flight any more: sent = done + suppressed duplicates + dead-lettered + in doubt.
//!
//! - [`scenario`] says what is done, [`arrivals`] when, [`payload`] makes what is sent.
//! - [`generator`] sends it, [`reconcile`] finds out what became of it, [`guards`] end it early.
//! - [`report`] says what came out, judged by [`slo`].
//! - [`target`] is the system under test.

pub mod arrivals;
pub mod cli;
pub mod compare;
pub mod find_max;
pub mod generator;
pub mod guards;
pub mod payload;
pub mod reconcile;
pub mod report;
pub mod run;
pub mod run_id;
pub mod scenario;
pub mod slo;
pub mod soak;
pub mod target;
pub mod targets;

pub use run_id::{RunId, RunIdError};
pub use target::Via;
