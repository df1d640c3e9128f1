//! `dlq show`: letters in full.

use std::{collections::BTreeSet, ops::ControlFlow};

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
    view,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    showing: Showing,
    /// How many letters are shown, at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Shows all of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let redact = Redact::for_session(session, args.showing);
    let mut stream = Stream::new(common.output);
    let limit = if args.all { u64::MAX } else { args.limit };
    let mut first = BTreeSet::new();
    let seen = each(&snapshot, &selector, |letter| {
        first.insert(urgency(&letter, snapshot.lost_at(&letter)));
        if first.len() as u64 > limit {
            first.pop_last();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut shown = 0;
    for (_, _, _, id) in first {
        let Some(letter) = snapshot.letter(&id)? else { continue };
        let lost_at = snapshot.lost_at(&letter);
        match common.output {
            Output::Table => {
                let gap = if shown == 0 { "" } else { "\n" };
                session.data(format_args!("{gap}{}", view::full(&letter, lost_at, &redact)))?;
            }
            Output::Json | Output::Ndjson => stream.item(session, &view::json(&letter, lost_at, &redact))?,
        }
        shown += 1;
    }
    stream.end(session)?;
    if seen == 0 {
        session.prose(nothing(&snapshot)?);
        return Ok(Exit::NothingMatched);
    }
    if shown < seen {
        session.prose(format_args!("{shown} of {}; --all shows the others too, --limit more of them", letters(seen)));
    }
    if redact.hides() {
        session.prose("personal data is hidden; --show-personal shows it");
    }
    Ok(Exit::Done)
}
