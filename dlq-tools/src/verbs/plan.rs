//! `dlq plan`.

mod making;
mod told;

use std::{path::PathBuf, time::Duration};

pub(crate) use making::{Made, Planning};
use sendoff_host::{Exit, Stopped};
pub(super) use told::show;
#[cfg(feature = "tui")]
pub(crate) use told::told;
pub(crate) use told::{forecasts, subscribers};

use super::{
    Common, Output,
    source::{Source, duration, find_queue},
};
use crate::{
    Session,
    deployment::Access,
    plan::{APPROVALS, Forecast, To},
    select::{Selection, Selector},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// Where the plan is written; by default into the work folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
}

/// What a plan is to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Where the letters are sent: `topic`, or `queue:NAME`. By default the queue of the consumer that they failed at
    #[arg(long, value_name = "WHERE")]
    to: Option<To>,
    /// Sends letters to a queue of another consumer than the one that they failed at
    #[arg(long)]
    yes_other_consumer: bool,
    /// Writes the plan although other subscribers of the topic get the letters again
    #[arg(long)]
    yes_other_subscribers: bool,
    /// How many letters are sent a second at most; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    rate: u32,
    /// How many letters are sent before each pause to watch; then the rest. 0 for no such steps
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,10,100")]
    canary: Vec<u64>,
    /// For how long what was sent is watched, unless all of it has come to an end before
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    watch: Duration,
    /// Pauses the run when a greater share than this of what is watched has failed again, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_returned: u8,
    /// Lets the run wait while the oldest message of the destination, or of a queue that gets letters through the topic, has waited for
    /// longer than this. On SQS that shows some minutes late
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_backlog_age: Option<Duration>,
    /// Lets the run wait while more messages than this wait at the destination, or in a queue that gets letters through the topic
    #[arg(long, value_name = "N")]
    max_backlog: Option<u64>,
    /// Pauses a run that has waited for so long
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    patience: Duration,
    /// A letter that was replayed so often is a loop, and is left where it is
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_replays: u32,
    /// Also sends letters of this forecast: `overtaken`, `loop`, `too-old`, `unreadable`; may be repeated
    #[arg(long, value_name = "FORECAST", value_enum)]
    include: Vec<Forecast>,
    /// Also sends what is done already, so that it is done once more
    #[arg(long, requires = "because")]
    force_rerun: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    check(&args.wanted)?;
    if args.out.as_ref().is_some_and(|path| path.to_string_lossy().ends_with(APPROVALS)) {
        let why = format!("--out: a file that ends with `{APPROVALS}` holds the approvals of a plan: name another");
        return Err(Stopped::new(Exit::Usage, why));
    }
    // What makes no sense is said before anything is opened.
    Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let queue = find_queue(&deployment, &args.source.queue).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let path = args.out.as_ref().map(|path| session.folder.join(path));
    let Args { selection, wanted, .. } = &args;
    let planning = Planning { deployment: &deployment, queue: &queue, snapshot: &snapshot, selection, wanted, by: who };
    match planning.make(&*session.clock, path.as_deref()).await? {
        Made::Plan(plan) => {
            show(session, common, &plan)?;
            return Ok(Exit::Done);
        }
        Made::NoLetter => session.prose("no letter fits: there is nothing to plan"),
        Made::NotAsked(head) => {
            subscribers(&head).into_iter().for_each(|line| session.prose(line));
            return Err(Stopped::new(Exit::Refused, NOT_ASKED));
        }
        Made::NoneSent(head) => {
            if common.output == Output::Table {
                session.data(forecasts(&head))?;
            }
            session.prose(NONE_SENT);
        }
    }
    Ok(Exit::NothingMatched)
}

fn check(wanted: &Wanted) -> Result<(), Stopped> {
    for (forecast, why) in [
        (
            Forecast::InDoubt,
            "what is in doubt is never sent: settle it with `sendoff doubt resolve`, which knows its options",
        ),
        (Forecast::Unsendable, "what can't be sent can't be included: `dlq show` says why"),
        (
            Forecast::Replaced,
            "what was replaced can't be included: only the edited letter is sent. `dlq edit --undo` takes the edit back",
        ),
        (Forecast::Done, "what is done is only sent with --force-rerun --because TEXT"),
    ] {
        let is_forced = forecast == Forecast::Done && wanted.force_rerun;
        if wanted.include.contains(&forecast) && !is_forced {
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    if wanted.because.as_ref().is_some_and(|because| because.trim().is_empty()) {
        return Err(Stopped::new(Exit::Usage, "--because is empty: say why, it is written into the audit"));
    }
    Ok(())
}

/// What is said when other subscribers would get letters again, and nobody said that they may.
pub(crate) const NOT_ASKED: &str = "other subscribers would get these letters again: say --yes-other-subscribers if they may, or leave out `--to topic`";
/// What is said of letters that are all left where they are.
pub(crate) const NONE_SENT: &str =
    "none of these letters would be sent, so there is nothing to plan; --include and --help say what may be";
