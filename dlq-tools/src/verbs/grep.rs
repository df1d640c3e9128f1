//! `dlq grep`: the letters that fit, one line each.

use std::ops::ControlFlow;

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};

use super::{
    Common, Output,
    source::{Source, letters},
    stream::{NOTHING, Stream},
};
use crate::{
    Session,
    deployment::Access,
    redact::{Redact, Showing},
    select::{Selection, Selector, each},
    view::{HEADING, Line},
};

/// How many lines are aligned with each other. Not all, so that no number of letters fills the memory.
const PAGE: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    showing: Showing,
    /// Only counts them
    #[arg(long)]
    count: bool,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let redact = Redact::for_session(session, args.showing);
    let (mut page, mut stream) = (Page::default(), Stream::new(common.output));
    let seen = each(&snapshot, &selector, |letter| {
        if !args.count {
            let line = Line::of(&letter, snapshot.lost_at(&letter), &redact);
            match common.output {
                Output::Table => page.add(session, line)?,
                Output::Json | Output::Ndjson => stream.item(session, &line)?,
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if args.count {
        counted(session, common.output, seen)?;
    } else {
        page.print(session)?;
        stream.end(session)?;
    }
    if seen == 0 {
        session.prose(NOTHING);
        return Ok(Exit::NothingMatched);
    }
    if !args.count {
        session.prose(letters(seen));
    }
    Ok(Exit::Done)
}

fn counted(session: &mut Session, output: Output, seen: u64) -> Result<(), Stopped> {
    let count = serde_json::json!({"letters": seen});
    match output {
        Output::Table => session.data(format_args!("{seen}\n"))?,
        Output::Json => session.json(&count)?,
        Output::Ndjson => session.json_line(&count)?,
    }
    Ok(())
}

/// Lines that are printed together.
#[derive(Default)]
struct Page {
    lines: Vec<Line>,
    printed: bool,
}

impl Page {
    fn add(&mut self, session: &mut Session, line: Line) -> Result<(), Stopped> {
        self.lines.push(line);
        if self.lines.len() < PAGE { Ok(()) } else { self.print(session) }
    }

    fn print(&mut self, session: &mut Session) -> Result<(), Stopped> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let text = table(HEADING, self.lines.drain(..).map(|line| line.cells()));
        // The heading stands once, over the first page.
        let text = if self.printed { text.split_once('\n').map_or("", |(_, rows)| rows) } else { &text };
        self.printed = true;
        Ok(session.data(text)?)
    }
}
