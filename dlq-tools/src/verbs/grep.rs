//! `dlq grep`: the letters that fit, one line each.

use std::ops::ControlFlow;

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};

use super::{
    Common, Output,
    source::{Source, letters},
    stream::{Stream, nothing},
};
use crate::{
    Session,
    deployment::Access,
    redact::{Redact, Showing},
    select::{Selection, Selector, each, urgency},
    view::{HEADING, Line},
};

/// How many lines are aligned with each other. Not all, so that no number of letters fills the memory.
const PAGE: usize = 1000;
/// So many letters stand in the order in which they are lost: more would fill the memory.
const ORDERED: usize = 10_000;

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
    let mut shown = Shown { output: common.output, page: Page::default(), stream: Stream::new(common.output) };
    let (mut first, mut is_ordered) = (Vec::new(), true);
    let seen = each(&snapshot, &selector, |letter| {
        if !args.count {
            let lost_at = snapshot.lost_at(&letter);
            let line = Line::of(&letter, lost_at, &redact);
            first.push((urgency(&letter, lost_at), line));
            if is_ordered && first.len() > ORDERED {
                is_ordered = false;
            }
            if !is_ordered {
                first.drain(..).try_for_each(|(_, line)| shown.line(session, line))?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if args.count {
        counted(session, common.output, seen)?;
    } else {
        first.sort_by(|(one, _), (other, _)| one.cmp(other));
        first.into_iter().try_for_each(|(_, line)| shown.line(session, line))?;
        shown.end(session)?;
    }
    if seen == 0 {
        session.prose(nothing(&snapshot)?);
        return Ok(Exit::NothingMatched);
    }
    if !args.count {
        let order = if is_ordered { "" } else { ", so many that they stand in the order of their message ids" };
        session.prose(format_args!("{}{order}", letters(seen)));
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

/// What is printed.
struct Shown {
    output: Output,
    page: Page,
    stream: Stream,
}

impl Shown {
    fn line(&mut self, session: &mut Session, line: Line) -> Result<(), Stopped> {
        match self.output {
            Output::Table => self.page.add(session, line),
            Output::Json | Output::Ndjson => self.stream.item(session, &line),
        }
    }

    fn end(mut self, session: &mut Session) -> Result<(), Stopped> {
        self.page.print(session)?;
        self.stream.end(session)
    }
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
