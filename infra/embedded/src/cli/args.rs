//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use sendoff_consumers::DeliveryId;
use sendoff_embedded::{
    config::{ConfigFile, Inputs},
    sink::SinkChannel,
};
use sendoff_events::{EventId, TenantId, UserId};

const AFTER_HELP: &str = "\
Exit codes: 0 all done, 1 failed, 2 wrong usage or configuration, 3 partly done, 4 nothing matched, 5 refused by a guard,
6 an outcome in doubt remains, 7 the data can't be reached.";

/// Sends events off: an API, its consumers and a mail server to look at, in one process over one file.
///
/// Without a command it serves until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "sendoff", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that set something: the strongest source of the configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingFlags {
    /// The configuration file; `sendoff.toml` in this folder if there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The folder that everything is kept in
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<String>,

    /// Where the API listens
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Any setting of docs/CONFIG.md, such as `worker.concurrency=8`
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the whole chain: real requests, real consumers, real mail, and what became of each event
    Demo(Demo),
    /// Shows the life of one event
    Trace {
        /// The event's id, as `Sendoff-Event-Id` tells it
        event: EventId,
        #[arg(long, value_enum, default_value_t)]
        output: TableOrJson,
    },
    /// Shows events and outcomes as they happen, until Ctrl-C
    Tail {
        /// Begins with what happened in this time, such as `10m`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        since: Option<Duration>,
        #[arg(long, value_enum, default_value_t)]
        output: TableOrNdjson,
    },
    /// Shows the mail that the mail server inside the process has received
    #[command(subcommand)]
    Mail(Mail),
    /// Shows the messages that the other channels' servers inside the process have received
    #[command(subcommand)]
    Messages(Messages),
    /// Shows the messages of which nobody knows whether they were sent, and settles them
    Doubt(Doubt),
    /// Shows to how many addresses nothing is sent any more and why, and takes single ones back
    Suppression(super::suppression::Suppression),
    /// Shows, tries and checks the texts of messages
    Template(super::template::Template),
    /// Checks, draws, tries, publishes and runs workflows, and shows what became of their runs
    Workflow(super::workflow::Workflow),
    /// Makes a development token, to try the API on this machine with curl
    Token {
        /// Whose data it opens
        #[arg(long, default_value = "acme")]
        tenant: TenantId,
        /// Whose token it is
        #[arg(long, default_value = "admin")]
        user: UserId,
        /// How long it is valid
        #[arg(long, default_value = "12h", value_name = "DURATION", value_parser = duration)]
        ttl: Duration,
    },
    /// Shows or checks the configuration
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Also makes this many submissions whose mail can't be rendered
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) poison: u16,
    /// Where it runs: in one file of this machine, or in a stack of its own in the AWS account that the environment names
    #[arg(long, value_enum, default_value_t, value_name = "BACKEND")]
    pub(crate) backend: Backend,
    /// With `--backend aws`: leaves the stack in place
    #[arg(long)]
    pub(crate) keep: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: TableOrJson,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    #[default]
    Embedded,
    Aws,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// Lists it, the newest last
    Ls {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Shows one mail
    Show {
        /// Its id, or a beginning of it that no other mail has
        id: String,
        #[arg(long, value_enum, default_value_t)]
        output: TextOrJson,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Messages {
    /// Lists them, the newest last
    Ls {
        /// Only those of this channel: `sms`, `whatsapp`, `push` or `webhook`
        #[arg(long)]
        channel: Option<SinkChannel>,
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Shows one message
    Show {
        /// Its id, or a beginning of it that no other message has
        id: String,
        #[arg(long, value_enum, default_value_t)]
        output: TextOrJson,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Doubt {
    /// Whose doubts: those of the data folder, or those of the deployment on AWS that the environment names
    #[arg(long, global = true, value_enum, default_value_t, value_name = "BACKEND")]
    pub(crate) backend: Backend,
    #[command(subcommand)]
    pub(crate) what: DoubtCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DoubtCommand {
    /// Lists them, the oldest first: also those that are tried again without a decision, and when. Ends with 6 when there are any
    Ls {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Says what became of a message. Without --yes it only shows what would be done
    Resolve(Resolve),
    /// Lists what was decided by hand, by whom and why
    Audit {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The delivery's id, as `doubt ls` tells it: `consumer/event-id/step`
    pub(crate) id: DeliveryId,
    /// It was sent: it is done, and is not sent again
    #[arg(long, conflicts_with = "again", required_unless_present = "again")]
    pub(crate) sent: bool,
    /// It was not sent: send it again. If it was sent after all, its recipient gets it twice
    #[arg(long)]
    pub(crate) again: bool,
    /// What the provider calls the message, if you know
    #[arg(long, value_name = "ID", requires = "sent")]
    pub(crate) provider_id: Option<String>,
    /// How you know; kept for others to read
    #[arg(long, value_name = "TEXT", required_if_eq("again", "true"), value_parser = words)]
    pub(crate) because: Option<String>,
    /// Who you are; the user of this terminal unless given
    #[arg(long, value_name = "WHO", env = "USER", required_if_eq("yes", "true"), value_parser = words)]
    pub(crate) by: Option<String>,
    /// Do it
    #[arg(long)]
    pub(crate) yes: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: TextOrJson,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Prints what is in force and where it comes from
    Show {
        #[arg(long, value_enum, default_value_t)]
        output: TableOrJson,
    },
    /// Only checks
    Check,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Json,
    Ndjson,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOrJson {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOrNdjson {
    #[default]
    Table,
    Ndjson,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    #[default]
    Text,
    Json,
}

impl SettingFlags {
    /// What the configuration is made from, with this process's environment.
    pub(crate) fn inputs(&self) -> Inputs {
        let named = [("--data", "data", &self.data), ("--listen", "listen", &self.listen)];
        let named = named.into_iter().filter_map(|(flag, key, value)| Some((flag.into(), key.into(), value.clone()?)));
        let set = self.set.iter().map(|(key, value)| ("--set".to_owned(), key.clone(), value.clone()));
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Inputs {
            flags: named.chain(set).collect(),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            file: self.config.clone().map_or(ConfigFile::Usual, ConfigFile::Named),
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// What a person writes for others to read.
pub(super) fn words(text: &str) -> Result<String, String> {
    const MOST: usize = 500;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MOST || text.chars().any(char::is_control) {
        return Err(format!("write 1 to {MOST} characters on one line"));
    }
    Ok(text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().map_err(|_| "give it with its unit, such as 30s, 10m or 12h")?;
    Duration::try_from(duration).map_err(|_| "it must not be negative".into())
}
