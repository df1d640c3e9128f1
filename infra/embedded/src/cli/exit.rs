//! How the program ends.

use std::{fmt, io, process::ExitCode};

use sendoff_embedded::{OpenError, PartError, StoreError, SystemError, config::ConfigError};

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Some of it is done, some failed.
    Partly = 3,
    /// There is nothing of what was asked for.
    NothingMatched = 4,
    /// A guard refused it.
    Refused = 5,
    /// Something may or may not have happened, and nobody has resolved it.
    InDoubt = 6,
    /// The data can't be reached.
    Unreachable = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What to tell; `None` when there is nobody left to tell it to.
    pub(crate) message: Option<String>,
}

impl Stopped {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: Some(message.to_string()) }
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }
}

impl From<ConfigError> for Stopped {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

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
        Self::new(Exit::Unreachable, error)
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

impl From<PartError> for Stopped {
    fn from(error: PartError) -> Self {
        Self::failed(error)
    }
}

/// Whoever read the output has gone (`sendoff tail | head`): that is no failure.
impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { exit: Exit::Done, message: None },
            _ => Self::failed(format_args!("the output can't be written: {error}")),
        }
    }
}
