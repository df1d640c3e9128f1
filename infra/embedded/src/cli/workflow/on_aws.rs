//! The runs of a deployment on AWS.

use std::sync::Arc;

use sendoff_aws::{
    Aws, Environment, Store,
    settings::{Need, Settings, environment},
    worker::WorkerError,
};
use sendoff_embedded::program::Stopped;
use sendoff_host::{SystemClock, SystemRng};

/// Those of the deployment that the environment names, by the variables that its functions have. The table of records is only
/// needed to list them, and to look at what was published.
pub(super) async fn store(with_records: bool) -> Result<Store, Stopped> {
    let needs: &[Need] = if with_records {
        &[Need::Table, Need::InboxTable, Need::Machines]
    } else {
        &[Need::InboxTable, Need::Machines]
    };
    let settings = Settings::read(environment(), needs)?;
    let aws = Aws::load(Environment::of(environment())).await.map_err(WorkerError::from)?;
    Ok(Store::new(aws, settings.resources(), Arc::new(SystemClock), Arc::new(SystemRng::new())))
}
