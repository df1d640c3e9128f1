//! Load tests. Their events go the whole way, through every queue, record and retry, but nothing of what they ask for leaves the
//! system. See `docs/adr/0027-load-tests-by-correlation.md`.
//!
//! An event says by its correlation id that it is of a load test ([`Header::is_of_load_test`]), and what follows from it inherits
//! that. A run of a workflow that such an event starts says so by its name, which all its calls and events carry.

use std::borrow::Cow;

use sendoff_events::{Header, LOAD_PREFIX};

use crate::SendOutcome;

/// The provider that the ledger names for what would have left the system.
pub const LOAD_SINK: &str = "load-sink";

/// What the names of such runs begin with. No workflow's name has a `_`.
const RUN: &str = "load_";

/// What became of an effect that went nowhere.
pub(crate) fn sunk() -> SendOutcome {
    SendOutcome::Sent { provider: Some(LOAD_SINK.into()), provider_id: None }
}

/// The name of a run that the event starts, given what it would be called.
pub(crate) fn run_name(header: &Header, name: String) -> String {
    if header.is_of_load_test() { format!("{RUN}{name}") } else { name }
}

/// Whether the run of this name, or a call that is named after its run, is of a load test.
pub(crate) fn is_run(name: &str) -> bool {
    name.starts_with(RUN)
}

/// The correlation id of the events of a run.
#[must_use]
pub fn run_correlation(run: &str) -> Cow<'_, str> {
    if is_run(run) { format!("{LOAD_PREFIX}{run}").into() } else { run.into() }
}
