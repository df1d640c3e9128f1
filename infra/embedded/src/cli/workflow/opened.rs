//! The runs of a data folder, or of a deployment on AWS.

use std::sync::Arc;

use sendoff_consumers::{Audit, Workflows};
use sendoff_embedded::{Store, StoreOptions, config::Config, program::Stopped};
use sendoff_producers::Records;

use super::found;
use crate::cli::{args::Backend, reading};

/// Runs that a command is about.
pub(super) struct Opened {
    pub(super) workflows: Arc<dyn Workflows>,
    /// What was published.
    pub(super) records: Arc<dyn Records>,
    /// What people did to them.
    pub(super) audit: Arc<dyn Audit>,
    /// The data folder that they are in.
    store: Option<Store>,
}

impl Opened {
    /// To list them, or to look at what was published: on AWS both take the table of records.
    pub(super) async fn with_records(config: &Config, backend: Backend) -> Result<Self, Stopped> {
        match backend {
            Backend::Embedded => reading::open(config).map(Self::within),
            Backend::Aws => on_aws(true).await,
        }
    }

    /// To look at one.
    pub(super) async fn to_look(config: &Config, backend: Backend) -> Result<Self, Stopped> {
        match backend {
            Backend::Embedded => reading::open(config).map(Self::within),
            Backend::Aws => on_aws(false).await,
        }
    }

    /// To change what becomes of one, beside the process that serves them.
    pub(super) async fn to_steer(config: &Config, backend: Backend) -> Result<Self, Stopped> {
        match backend {
            Backend::Embedded => Ok(Self::within(Store::open_beside(&config.settings.data, StoreOptions::default())?)),
            Backend::Aws => on_aws(false).await,
        }
    }

    fn within(store: Store) -> Self {
        let (workflows, records, audit) = (found::workflows(&store), store.records(), store.audit());
        Self { workflows, records, audit, store: Some(store) }
    }

    /// Waits until what was changed is durable.
    pub(super) async fn close(self) {
        if let Some(store) = self.store {
            store.shutdown().await;
        }
    }
}

#[cfg(feature = "aws")]
async fn on_aws(with_records: bool) -> Result<Opened, Stopped> {
    let store = super::on_aws::store(with_records).await?;
    Ok(Opened { workflows: store.workflows(), records: store.records(), audit: store.audit(), store: None })
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_: bool) -> Result<Opened, Stopped> {
    Err(crate::cli::backend::not_built("workflow runs"))
}
