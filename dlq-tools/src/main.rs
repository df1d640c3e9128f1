//! `dlq`: what failed, why, and another chance for it.
//!
//! Works on the embedded data folder. Looking works beside a running `sendoff`; a replay needs it stopped, since only one
//! process may write.

mod args;
mod letters;
mod replay;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use sendoff_embedded::program::{Exit, Stopped, end};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    end("dlq", run(&Cli::parse()).await)
}

async fn run(cli: &Cli) -> Result<Exit, Stopped> {
    let config = cli.config()?;
    let data = &config.settings.data;
    match &cli.command {
        Command::Ls { output } => letters::ls(data, *output).await,
        Command::Show { queue, reason, limit, output } => {
            letters::show(data, queue, reason.as_deref(), *limit, *output).await
        }
        Command::Replay { queue, reason, apply } => replay::run(data, queue, reason.as_deref(), *apply).await,
    }
}
