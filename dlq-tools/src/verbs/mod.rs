//! The command line: one file per verb.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use sendoff_embedded::program::print::{lines, one_line};
use sendoff_host::{Exit, Stopped};

use crate::{
    Session,
    deployment::{Access, Backend, Deployment, Place},
};

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        $(pub(crate) mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Verb {
            $($(#[$doc])* $name($module::Args),)*
        }

        impl Verb {
            async fn run(self, session: &mut Session, common: &Common) -> Result<Exit, Stopped> {
                match self {
                    $(Self::$name(args) => $module::run(session, common, args).await,)*
                }
            }
        }
    };
}

mod chosen;
pub(crate) mod source;
mod stream;

verbs! {
    /// Lists the dead-letter queues: how full, how old, when the first letter is lost, and why they failed
    Ls ls,
    /// Looks for misconfiguration that loses or hides messages
    Doctor doctor,
    /// Copies a queue to a local file without changing anything in it
    Snap snap,
    /// Groups the letters of a queue by what failed
    Groups groups,
    /// Shows letters in full: the event, why it failed, and what its consumer has recorded
    Show show,
    /// Finds letters: one line each
    Grep grep,
    /// Shows a few letters of each group
    Sample sample,
    /// Changes letters: each becomes a new event, and shows what would differ
    Edit edit,
    /// Says what a replay would do, as a file to review
    Plan plan,
    /// Carries out exactly a plan
    Run run,
    /// Says that somebody else has looked at a plan
    Approve approve,
    /// Lists runs and how far they came
    Runs runs,
    /// Lets a run wait
    Pause pause,
    /// Goes on with a run that waits, or that broke off
    Resume resume,
    /// Ends a run where it is
    Abort abort,
    /// Fetches the records that stream pointers point to, while they live
    Hydrate hydrate,
    /// Writes letters to a file or to S3
    Archive archive,
    /// Puts the letters of an archive back into a dead-letter queue
    Restore restore,
    /// Deletes letters that are archived
    Purge purge,
    /// Puts letters aside, where no replay of the others touches them
    Quarantine quarantine,
    /// Starts failed workflow runs again from where they failed
    RedriveExecutions redrive_executions,
    /// Lists what people did by hand, and checks that nobody changed the list
    Audit audit,
    /// Shows everything on one screen
    Tui tui,
    /// Prints a completion script for a shell
    Completions completions,
    /// Prints the manual, or writes a page per verb into a folder
    Man man,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all done, 1 failed, 2 wrong usage or configuration, 3 partly done, 4 nothing matched, 5 refused by a guard,
6 an outcome in doubt remains, 7 the backend can't be reached.";

/// Looks into dead-letter queues, says why messages failed and when they will be lost, and replays them safely.
#[derive(Debug, Parser)]
#[command(name = "dlq", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// What to work on: `sqlite:PATH`, with a data folder, or `aws`. Without it: `aws` if SENDOFF_QUEUE_URL_BASE is set, and the
    /// configured data folder otherwise
    #[arg(long, global = true, value_name = "BACKEND")]
    backend: Option<Backend>,
    /// The configuration file; `sendoff.toml` in this folder if there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Where snapshots, plans and journals are kept. By default `dlq/` in the data folder; for AWS, `sendoff/dlq/` in
    /// $XDG_STATE_HOME or ~/.local/state
    #[arg(long, global = true, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Who you are, for the audit. By default $USER, or else $LOGNAME
    #[arg(long, global = true, value_name = "WHO")]
    by: Option<String>,
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

impl Common {
    /// Opens what is worked on.
    pub(crate) async fn open(&self, session: &Session, access: Access) -> Result<Deployment, Stopped> {
        Deployment::open(session, &self.place(), access).await
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        let Self { backend, config, data, work, .. } = self.clone();
        Place { backend, config, data, work }
    }

    /// Who is calling.
    pub(crate) fn who(&self, session: &Session) -> Result<String, Stopped> {
        let said = |name: &str| session.variables.get(name).filter(|who| !who.trim().is_empty()).cloned();
        let named = self.by.clone().or_else(|| said("USER")).or_else(|| said("LOGNAME"));
        let who = named.map(|who| who.trim().to_owned()).filter(|who| !who.is_empty());
        let who = who.ok_or_else(|| {
            Stopped::new(Exit::Usage, "who are you? Say --by NAME, or set USER: it is written into the audit")
        })?;
        if one_line(&who) != who {
            let why =
                "who you are has a control character in it, and is written into the audit: say --by NAME without one";
            return Err(Stopped::new(Exit::Usage, why));
        }
        Ok(who)
    }
}

/// The end of a verb that has changed something and told it, or tried to. Whoever reads may have gone: the exit code says what was done
/// all the same.
pub(crate) fn ended(session: &mut Session, told: Result<(), Stopped>, exit: Exit) -> Result<Exit, Stopped> {
    match told {
        Err(Stopped { message: Some(why), .. }) if exit == Exit::Done => Err(Stopped::failed(why)),
        Err(Stopped { message: Some(why), .. }) => {
            session.prose(why);
            Ok(exit)
        }
        Ok(()) | Err(Stopped { message: None, .. }) => Ok(exit),
    }
}

/// Runs the tool with these arguments, the program's name first.
///
/// # Errors
///
/// When it could not do what was asked; with the exit code and what to tell.
pub async fn dlq(arguments: impl IntoIterator<Item = OsString>, session: &mut Session) -> Result<Exit, Stopped> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return told(&error, session),
    };
    cli.verb.run(session, &cli.common).await.map_err(quoting)
}

/// Why it was stopped, without what would steer the terminal: it may be quoted out of any file.
fn quoting(stopped: Stopped) -> Stopped {
    Stopped { message: stopped.message.map(|message| lines(&message)), ..stopped }
}

/// Runs `dlq tui` with these arguments at a console that isn't this process's terminal.
///
/// # Errors
///
/// As [`dlq`], and with [`Exit::Usage`] when it is another verb.
#[cfg(feature = "tui")]
pub async fn dlq_at(
    arguments: impl IntoIterator<Item = OsString>,
    session: &mut Session,
    console: &mut dyn crate::tui::Console,
) -> Result<Exit, Stopped> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli { common, verb: Verb::Tui(args) }) => tui::at(session, &common, args, console).await.map_err(quoting),
        Ok(_) => Err(Stopped::new(Exit::Usage, "only `dlq tui` is shown at a console")),
        Err(error) => told(&error, session),
    }
}

/// What clap has to say: help and version are data, everything else is wrong usage.
fn told(error: &clap::Error, session: &mut Session) -> Result<Exit, Stopped> {
    if error.use_stderr() {
        let _ = write!(session.err, "{}", error.render());
        return Err(Stopped { exit: Exit::Usage, message: None });
    }
    session.data(error.render())?;
    Ok(Exit::Done)
}
