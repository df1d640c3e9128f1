//! The command line: one file per verb.

mod clean;
mod compare;
mod execute;
mod find_max;
mod folder;
mod host;
mod place;
mod report;
mod run;
mod screen;
mod session;
mod shared;
mod soak;
mod stopping;

use std::ffi::OsString;

use clap::{Parser, Subcommand, ValueEnum};
use sendoff_host::{Exit, Stopped};
pub use session::Session;

const AFTER_HELP: &str = "\
Exit codes: 0 all done, 1 failed (something didn't hold or was lost, or the generator was too slow),
2 wrong usage or scenario, 3 ended early, 4 nothing matched, 5 refused or ended by a guard,
6 an outcome in doubt remains, 7 the system can't be reached.
What a scenario can say is described in docs/LOAD.md.";

/// Puts a system under load at an exact rate, and accounts for every single event.
#[derive(Debug, Parser)]
#[command(name = "load", version, after_help = AFTER_HELP, term_width = 100)]
struct Cli {
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs a scenario, and says what became of every event
    Run(run::Args),
    /// Looks for the highest rate that still keeps what has to hold
    FindMax(find_max::Args),
    /// Runs a scenario for long, and says whether memory, backlog or latency creep up
    Soak(soak::Args),
    /// Compares two runs: what differs, and what only seems to
    Compare(compare::Args),
    /// Shows the report of a run again
    Report(report::Args),
    /// Removes everything that a run has left in a system
    Clean(clean::Args),
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document in a line.
    Ndjson,
}

/// Runs the program with these arguments, its name first.
///
/// # Errors
///
/// When it could not do what was asked; with the exit code and what to tell.
pub async fn load(arguments: impl IntoIterator<Item = OsString>, session: &mut Session) -> Result<Exit, Stopped> {
    let Cli { output, verb } = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            session.prose(error.render().to_string().trim_end());
            return Err(Stopped { exit: Exit::Usage, message: None });
        }
        Err(error) => {
            session.data(error.render())?;
            return Ok(Exit::Done);
        }
    };
    match verb {
        Verb::Run(args) => run::run(session, output, args).await,
        Verb::FindMax(args) => find_max::run(session, output, args).await,
        Verb::Soak(args) => soak::run(session, output, args).await,
        Verb::Compare(args) => compare::run(session, output, &args),
        Verb::Report(args) => report::run(session, output, &args),
        Verb::Clean(args) => clean::run(session, output, args).await,
    }
}
