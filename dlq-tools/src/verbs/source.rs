//! The queue that a verb is about, and the snapshot that it works on.

use std::path::PathBuf;

use sendoff_host::{Exit, Stopped};

use super::Common;
use crate::{Session, deployment::Deployment, snapshot::Snapshot};

/// Which queue, and which snapshot of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Source {
    /// The queue: its name as `dlq ls` shows it, or its consumer's
    pub(crate) queue: String,
    /// This snapshot; by default the newest of the queue, and if there is none, one is taken
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Takes a new snapshot first
    #[arg(long, conflicts_with = "snapshot")]
    pub(crate) fresh: bool,
}

impl Source {
    /// Opens the snapshot, and says on stderr which one it is and how old.
    pub(crate) async fn open(
        &self,
        _session: &mut Session,
        _common: &Common,
        _deployment: &Deployment,
    ) -> Result<Snapshot, Stopped> {
        Err(Stopped::new(Exit::Failed, "not built yet"))
    }
}
