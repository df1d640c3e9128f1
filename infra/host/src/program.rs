//! How a program ends, and what its exit code says.

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{PartError, config::ConfigError};

/// Ends a program: tells what stopped it, if anything did, and gives the exit code.
#[must_use]
pub fn end(program: &str, result: Result<Exit, Stopped>) -> ExitCode {
    let (exit, message) = match result {
        Ok(exit) => (exit, None),
        Err(Stopped { exit, message }) => (exit, message),
    };
    if let Some(message) = message {
        // If nobody listens there, that is fine.
        let _ = writeln!(io::stderr().lock(), "{program}: {message}");
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
