//! `dlq`: what failed, why, and another chance for it.
//!
//! Works on the embedded data folder. Looking works beside a running `sendoff`; a replay needs it stopped, since only one
//! process may write.

mod args;
mod letters;
mod replay;

use std::{io::Write, process::ExitCode};

use clap::Parser;

use args::{Cli, Command};
use sendoff_embedded::{OpenError, StoreError};

/// How the program ends: the codes of `sendoff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Partly = 3,
    NothingMatched = 4,
    Refused = 5,
    Unreachable = 7,
}

/// Why it ended early.
struct Stopped(Exit, String);

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Folder { .. } | OpenError::Missing { .. } | OpenError::Store(_) => Exit::Unreachable,
            OpenError::Threads(_) => Exit::Failed,
            _ => Exit::Refused,
        };
        Self(exit, error.to_string())
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::NoSuchQueue(_) => Exit::NothingMatched,
            StoreError::Refused(_) => Exit::Refused,
            _ => Exit::Unreachable,
        };
        Self(exit, error.to_string())
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // Whoever read the output has gone: `dlq show email | head`.
            std::io::ErrorKind::BrokenPipe => Self(Exit::Done, String::new()),
            _ => Self(Exit::Failed, format!("the output can't be written: {error}")),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match run(&cli).await {
        Ok(exit) => exit,
        Err(Stopped(exit, message)) => {
            if !message.is_empty() {
                // If nobody listens on stderr, the exit code still tells.
                let _ = writeln!(std::io::stderr(), "dlq: {message}");
            }
            exit
        }
    };
    ExitCode::from(exit as u8)
}

async fn run(cli: &Cli) -> Result<Exit, Stopped> {
    let config = cli.config().map_err(|error| Stopped(Exit::Usage, error.to_string()))?;
    let data = &config.settings.data;
    match &cli.command {
        Command::Ls { output } => letters::ls(data, *output).await,
        Command::Show { queue, reason, limit, output } => {
            letters::show(data, queue, reason.as_deref(), *limit, *output).await
        }
        Command::Replay { queue, reason, apply } => replay::run(data, queue, reason.as_deref(), *apply).await,
    }
}
