//! `dlq ls`: every dead-letter queue on a line, the one that loses a letter first on top.

mod prometheus;
mod row;

use std::{pin::pin, time::Duration};

use futures::future::{Either, select};
use sendoff_embedded::program::print::table;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Signals, Stopped};

use self::row::Row;
use super::{Common, Output};
use crate::{
    Session,
    deployment::{Access, Deployment},
    snapshot::{peek::peek, take::stopped},
};

/// How far back arrivals are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// How many letters are looked at by default where that needs leases.
const PEEK: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shows it again every so many seconds, until Ctrl-C. Nothing is leased for it unless --peek says so
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    /// In the text format of Prometheus
    #[arg(long)]
    prom: bool,
    /// How many letters of a queue are looked at for their age and reason where every look is a lease (SQS): they are given back at
    /// once, and have been received once more. 0 touches nothing. By default 1000
    #[arg(long, value_name = "N")]
    peek: Option<usize>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    if args.prom && common.output != Output::Table {
        return Err(Stopped::new(Exit::Usage, "--prom is a format of its own: leave out --output"));
    }
    let deployment = common.open(session, Access::Look).await?;
    let Some(every) = args.watch.map(Duration::from_secs) else {
        return show(session, common.output, &deployment, &args).await;
    };
    let mut signals = Signals::listen().map_err(Stopped::failed)?;
    let mut stop = pin!(signals.next());
    let mut is_first = true;
    loop {
        if session.out_is_terminal {
            // Home, and clear what was there.
            session.data("\u{1b}[H\u{1b}[2J")?;
        } else if !is_first && common.output == Output::Table && !args.prom {
            session.data("\n")?;
        }
        is_first = false;
        let shown = match select(pin!(show(session, common.output, &deployment, &args)), &mut stop).await {
            Either::Left((shown, _)) => shown,
            Either::Right(_) => return Ok(Exit::Done),
        };
        match shown {
            // It may be back the next time.
            Err(Stopped { exit: Exit::Unreachable, message: Some(message) }) => session.prose(message),
            shown => drop(shown?),
        }
        if let Either::Right(_) = select(session.clock.sleep(every), &mut stop).await {
            return Ok(Exit::Done);
        }
    }
}

/// Shows them; gives how a single look ends.
async fn show(session: &mut Session, output: Output, deployment: &Deployment, args: &Args) -> Result<Exit, Stopped> {
    let now = session.clock.now();
    let since = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    let max = args.peek.unwrap_or(if args.watch.is_some() { 0 } else { PEEK });
    let (mut rows, mut exit) = (Vec::new(), Exit::Done);
    for queue in deployment.letters.queues(since).await.map_err(stopped)? {
        let peeked = peek(&*deployment.letters, &*session.clock, &queue, max, since).await;
        let peeked = peeked.unwrap_or_else(|error| {
            session.prose(format_args!("`{}` can't be looked into: {error}", queue.name));
            exit = Exit::Partly;
            None
        });
        rows.push(Row::of(&queue, peeked.as_ref(), now));
    }
    rows.sort_by_key(Row::urgency);
    if args.prom {
        session.data(prometheus::text(&rows))?;
        // Whoever scrapes it takes what is known for an answer, and no queues, too.
        return Ok(Exit::Done);
    }
    match output {
        Output::Table => session.data(table(row::HEADING, rows.iter().map(Row::cells)))?,
        Output::Json => session.json(&rows)?,
        Output::Ndjson => rows.iter().try_for_each(|row| session.json_line(row))?,
    }
    if rows.is_empty() {
        session.prose("there are no dead-letter queues");
        exit = Exit::NothingMatched;
    }
    Ok(exit)
}
