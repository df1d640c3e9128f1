//! The suppressions of a deployment on AWS.

use std::sync::Arc;

use sendoff_aws::{
    Aws, Environment, Store,
    settings::{Need, Settings, environment},
    worker::WorkerError,
};
use sendoff_embedded::program::Stopped;
use sendoff_host::{SystemClock, SystemRng};

use super::{Books, args::SuppressionCommand};

/// The deployment that the environment names, by the variables that its worker takes.
pub(super) async fn open(what: &SuppressionCommand) -> Result<Books, Stopped> {
    // Who does something is written into the inbox's table.
    let needs: &[Need] = if what.writes() { &[Need::Table, Need::InboxTable] } else { &[Need::Table] };
    let settings = Settings::read(environment(), needs)?;
    let aws = Aws::load(Environment::of(environment())).await.map_err(WorkerError::from)?;
    let store = Store::new(aws, settings.resources(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
    Ok(Books { records: store.records(), audit: store.audit() })
}
