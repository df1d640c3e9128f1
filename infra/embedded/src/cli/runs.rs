//! Runs of workflows, for people.

use sendoff_consumers::{Run, Workflows};
use sendoff_embedded::program::{Exit, Stopped};
use sendoff_workflows::engine::What;

/// A run, and the steps that it has come to.
#[derive(Debug)]
pub(super) struct RunTold {
    pub(super) run: Run,
    /// In the order in which it came to them.
    pub(super) steps: Vec<String>,
}

/// The most entries of a history that are looked at.
const ENTRIES: usize = 1000;

/// What there is to tell of the run of this name, if it is one.
pub(super) async fn told(workflows: &dyn Workflows, name: &str) -> Result<Option<RunTold>, Stopped> {
    let unreachable = |error| Stopped::new(Exit::Unreachable, error);
    let Some(run) = workflows.get(name).await.map_err(unreachable)? else { return Ok(None) };
    let history = workflows.history(name, 0, ENTRIES).await.map_err(unreachable)?;
    let entered = history.entries.into_iter().filter(|found| found.entry.what == What::Entered);
    let steps = entered.filter_map(|found| found.entry.instance).map(|instance| instance.to_string()).collect();
    Ok(Some(RunTold { run, steps }))
}
