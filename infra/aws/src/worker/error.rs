//! Why the worker doesn't run.

use std::{fmt, io, net::SocketAddr};

use sendoff_consumers::RouterError;
use sendoff_host::{Exit, Stopped, config::ConfigError};

use crate::{CallError, ConnectionError, desk::DeskError, providers::ProvidersError};

/// The worker couldn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Its settings can't be used.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// There is no connection to make calls with.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Something that it works with can't be reached, or not by this role.
    #[error("{}", Calls(.0))]
    Unreachable(Vec<CallError>),
    /// It can't listen.
    #[error("can't listen at {address}: {source}. Choose another address with SENDOFF_LISTEN")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What telling people takes can't be put together: a text, the rules, or a secret.
    #[error("{0}")]
    Desk(String),
    /// What sends can't be put together.
    #[error("{0}")]
    Providers(String),
    /// The handlers contradict each other.
    #[error(transparent)]
    Router(#[from] RouterError),
}

/// All calls that failed, each on its line.
struct Calls<'a>(&'a [CallError]);

impl fmt::Display for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything that it works with can be reached:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl From<DeskError> for WorkerError {
    fn from(error: DeskError) -> Self {
        Self::Desk(error.to_string())
    }
}

impl From<ProvidersError> for WorkerError {
    fn from(error: ProvidersError) -> Self {
        match error {
            ProvidersError::Settings(error) => Self::Settings(error),
            other => Self::Providers(other.to_string()),
        }
    }
}

impl From<WorkerError> for Stopped {
    fn from(error: WorkerError) -> Self {
        let exit = match &error {
            WorkerError::Settings(_) | WorkerError::Connection(ConnectionError::NoRegion) => Exit::Usage,
            WorkerError::Connection(ConnectionError::NoCredentials) | WorkerError::Unreachable(_) => Exit::Unreachable,
            WorkerError::Listen { .. } | WorkerError::Desk(_) | WorkerError::Providers(_) | WorkerError::Router(_) => {
                Exit::Failed
            }
        };
        Self::new(exit, error)
    }
}
