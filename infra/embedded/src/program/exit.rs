//! How the program ends when something of this crate fails.

use sendoff_host::{Exit, Stopped};

use sendoff_consumers::ResolveError;

use crate::{DoubtError, OpenError, StoreError, SystemError, sink::ShelfError};

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Folder { .. } | OpenError::Missing { .. } | OpenError::Store(_) => Exit::Unreachable,
            OpenError::Threads(_) => Exit::Failed,
            // The rest are guards: the data is in use, of another kind or version, or cut off.
            _ => Exit::Refused,
        };
        Self::new(exit, error)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::NoSuchQueue(_) => Exit::NothingMatched,
            StoreError::Refused(_) => Exit::Refused,
            _ => Exit::Unreachable,
        };
        Self::new(exit, error)
    }
}

impl From<SystemError> for Stopped {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::Open(error) => error.into(),
            SystemError::Store(error) => error.into(),
            SystemError::NotLoopback(error) => Self::new(Exit::Refused, error),
            other => Self::failed(other),
        }
    }
}

impl From<ShelfError> for Stopped {
    fn from(error: ShelfError) -> Self {
        let exit = match error {
            ShelfError::NotFound { .. } => Exit::NothingMatched,
            ShelfError::Ambiguous { .. } => Exit::Usage,
            ShelfError::Io { .. } => Exit::Unreachable,
        };
        Self::new(exit, error)
    }
}

impl From<DoubtError> for Stopped {
    fn from(error: DoubtError) -> Self {
        let exit = match error {
            DoubtError::Store(error) => return error.into(),
            DoubtError::Resolve(ResolveError::Unknown(_)) => Exit::NothingMatched,
            DoubtError::Resolve(ResolveError::Busy(_)) | DoubtError::Leased => Exit::Refused,
            DoubtError::Resolve(ResolveError::Inbox(_)) => Exit::Unreachable,
        };
        Self::new(exit, error)
    }
}
