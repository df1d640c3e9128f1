//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sendoff_embedded::config::{Config, ConfigError, ConfigFile, Inputs};

const AFTER_HELP: &str = "\
Exit codes: 0 all done, 1 failed, 2 wrong usage or configuration, 3 partly done, 4 nothing matched, 5 refused by a guard,
7 the data can't be reached.";

/// Looks into dead-letter queues and replays what is in them.
#[derive(Debug, Parser)]
#[command(name = "dlq", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// The configuration file; `sendoff.toml` in this folder if there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The data folder
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the queues, how many dead letters each has, and their most frequent reason
    Ls {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Shows the dead letters of a queue and why they failed, without touching them
    Show {
        /// The queue, by its consumer's name
        queue: String,
        /// Only those with this reason
        #[arg(long)]
        reason: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Moves dead letters back to their queue. What was done already is skipped when they run
    Replay {
        /// The queue, by its consumer's name
        queue: String,
        /// Only those with this reason
        #[arg(long)]
        reason: Option<String>,
        /// Does it; without this it only says what it would do
        #[arg(long)]
        apply: bool,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Json,
}

impl Cli {
    /// The configuration of `sendoff`, which says where the data is.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Config::load(&Inputs {
            flags: self.data.iter().map(|data| ("--data".to_owned(), "data".to_owned(), data.clone())).collect(),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            file: self.config.clone().map_or(ConfigFile::Usual, ConfigFile::Named),
        })
    }
}
