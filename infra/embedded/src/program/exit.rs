//! How the program ends.

use std::{fmt, io, process::ExitCode};

use crate::{OpenError, PartError, StoreError, SystemError, config::ConfigError, sink::MailboxError};

/// Ends a program: tells what stopped it, if anything did, and gives the exit code.
#[must_use]
pub fn end(program: &str, result: Result<Exit, Stopped>) -> ExitCode {
    let (exit, message) = match result {
        Ok(exit) => (exit, None),
        Err(Stopped { exit, message }) => (exit, message),
    };
    if let Some(message) = message {
        super::print::prose(format_args!("{program}: {message}"));
    }
    exit.into()
}

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
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
pub struct Stopped {
    /// How the program ends.
    pub exit: Exit,
    /// What to tell; `None` when there is nobody left to tell it to.
    pub message: Option<String>,
}

impl Stopped {
    /// Ends with this code and message.
    #[must_use]
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: Some(message.to_string()) }
    }

    /// Ends as failed, with this message.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
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

impl From<MailboxError> for Stopped {
    fn from(error: MailboxError) -> Self {
        let exit = match error {
            MailboxError::NotFound(_) => Exit::NothingMatched,
            MailboxError::Ambiguous { .. } => Exit::Usage,
            MailboxError::Io { .. } => Exit::Unreachable,
        };
        Self::new(exit, error)
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
