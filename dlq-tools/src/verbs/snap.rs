//! `dlq snap`.

use std::{path::PathBuf, time::Duration};

use sendoff_consumers::DeadLetterQueue;
use sendoff_embedded::program::print::table;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde::Serialize;

use super::{
    Common, Output,
    source::{find_queue, letters, span, take_told},
};
use crate::{
    Session,
    deployment::{Access, Deployment},
    snapshot::{self, Snapshot, Taken, take::Took},
};

/// The longest lease of SQS, and the shortest that is longer than a few calls.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
const SHORTEST: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue: its name as `dlq ls` shows it, or its consumer's
    queue: String,
    /// Goes on with the newest snapshot of the queue that wasn't taken to its end, or with the one of --into
    #[arg(long)]
    resume: bool,
    /// The file; by default one in the work folder, named after the queue and the moment
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// For how long letters are leased at a time, where looking needs leases; 30s to 12h. They are prolonged while it lasts
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = hold)]
    hold: Duration,
    /// At most so many letters: the other verbs use such a snapshot only when it is named
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

fn hold(text: &str) -> Result<Duration, String> {
    let wrong = || "use a time such as `10m`, between 30s and 12h".to_owned();
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let span = Duration::try_from(span).map_err(|_| wrong())?;
    if (SHORTEST..=LONGEST).contains(&span) { Ok(span) } else { Err(wrong()) }
}

#[derive(Serialize)]
struct Report<'a> {
    queue: &'a str,
    #[serde(rename = "path")]
    file: String,
    /// In the file, and of those the ones that are new.
    letters: u64,
    added: u64,
    /// How many the queue said that it had.
    depth: u64,
    leased: u64,
    released: u64,
    /// By how many the receive counts rose.
    receives: u64,
    begun_at: Timestamp,
    ended_at: Option<Timestamp>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let deployment = common.open(session, Access::Look).await?;
    let queue = find_queue(&deployment, &args.queue).await?;
    let path = path(session, &deployment, &queue, &args)?;
    let took = take_told(session, &deployment, &queue, path, args.hold, args.max).await?;
    tell(session, common.output, &queue, &took)?;
    warn(session, &queue, &args, &took)?;
    Ok(if took.is_stopped { Exit::Partly } else { Exit::Done })
}

/// The file that is written: a new one, or the one that is gone on with.
fn path(
    session: &mut Session,
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    args: &Args,
) -> Result<PathBuf, Stopped> {
    if let Some(named) = &args.into {
        let path = session.folder.join(named);
        return match (path.exists(), args.resume) {
            (true, false) => {
                let why = format!("{} is there already: name another file, or go on with it by --resume", named.display());
                Err(Stopped::new(Exit::Refused, why))
            }
            (false, true) => {
                Err(Stopped::new(Exit::NothingMatched, format_args!("there is no snapshot at {} to go on with", named.display())))
            }
            _ => Ok(path),
        };
    }
    let unfinished = snapshot::newest(&deployment.work, &deployment.letters.deployment(), &queue.name, true)?;
    match (unfinished, args.resume) {
        (Some(unfinished), true) => Ok(unfinished.path().to_owned()),
        (None, true) => {
            let why = format!("there is no snapshot of `{}` to go on with: leave --resume out", queue.name);
            Err(Stopped::new(Exit::NothingMatched, why))
        }
        (unfinished, false) => {
            if let Some(unfinished) = unfinished {
                let name = file_name(&unfinished);
                session.prose(format_args!("{name} wasn't taken to its end; --resume would go on with it"));
            }
            Ok(snapshot::file(&deployment.work, &queue.name, session.clock.now()))
        }
    }
}

fn tell(session: &mut Session, output: Output, queue: &DeadLetterQueue, took: &Took) -> Result<(), Stopped> {
    let Taken { depth, leased, released, receives, begun_at, ended_at, .. } = took.snapshot.taken().clone();
    let path = took.snapshot.path();
    let path = path.strip_prefix(&session.folder).unwrap_or(path);
    let report = Report {
        queue: &queue.name,
        file: path.display().to_string(),
        letters: took.snapshot.count()?,
        added: took.added,
        depth,
        leased,
        released,
        receives,
        begun_at,
        ended_at,
    };
    match output {
        Output::Table => {
            let heading = ["QUEUE", "LETTERS", "NEW", "LEASED", "RELEASED", "RECEIVES", "FILE"];
            let numbers = [report.letters, report.added, leased, released, receives].map(|n| n.to_string());
            let [letters, added, leased, released, receives] = numbers;
            let row = [report.queue.to_owned(), letters, added, leased, released, receives, report.file];
            session.data(table(heading, [row]))?;
        }
        Output::Json => session.json(&report)?,
        Output::Ndjson => session.json_line(&report)?,
    }
    Ok(())
}

/// Says what the numbers don't say by themselves.
fn warn(session: &mut Session, queue: &DeadLetterQueue, args: &Args, took: &Took) -> Result<(), Stopped> {
    let Taken { depth, leased, released, .. } = took.snapshot.taken().clone();
    if took.is_stopped {
        session.prose(format_args!("stopped before its end; `dlq snap {} --resume` goes on", queue.name));
    }
    if released < leased {
        session.prose(format_args!(
            "{} of the leases ended by themselves or weren't answered for: those letters can be received again within {}",
            leased - released,
            span(args.hold)
        ));
    }
    let count = took.snapshot.count()?;
    if !took.is_stopped && count < depth {
        let why = match (args.max, queue.in_flight) {
            (Some(_), _) => "as many as --max lets it. The other verbs use it only when it is named with --snapshot",
            (None, _) if queue.fifo => {
                "a first-in-first-out queue gives out no more of a group while its first are leased: a plan over these \
                 moves them, and then the next ones can be seen"
            }
            (None, 1..) => "the others are leased to somebody else, or came and went",
            (None, 0) => "the queue counts only about, or letters came and went",
        };
        session.prose(format_args!("{} of about {depth}: {why}", letters(count)));
    }
    Ok(())
}

fn file_name(snapshot: &Snapshot) -> String {
    snapshot.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}
