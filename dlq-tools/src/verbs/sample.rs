//! `dlq sample`: a few letters of each group, spread over the time in which they failed: the first, the last, and some between.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sendoff_embedded::program::print::one_line;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

use super::{
    Common, Output,
    groups::{Key, key},
    source::{Source, letters},
    stream::{Stream, nothing},
};
use crate::{
    Session,
    deployment::Access,
    redact::{Redact, Showing},
    select::{Selection, Selector, each, failed_at},
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
    /// How many letters of each group
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_group: u32,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let redact = Redact::for_session(session, args.showing);
    let mut groups: BTreeMap<Key, BTreeSet<(Timestamp, String)>> = BTreeMap::new();
    each(&snapshot, &selector, |letter| {
        let place = (failed_at(&letter), letter.message.message_id.clone());
        groups.entry(key(&letter)).or_default().insert(place);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    let mut stream = Stream::new(common.output);
    for ((group, consumer, event_type), members) in &groups {
        let chosen = spread(members.len(), args.per_group as usize);
        if common.output == Output::Table {
            let [consumer, event_type] =
                [consumer, event_type].map(|text| one_line(text.as_deref().unwrap_or("unknown")));
            let all = letters(members.len() as u64);
            let group = one_line(&redact.text(group));
            session.data(format_args!("group {group} of {consumer}, {event_type}: {} of {all}\n\n", chosen.len()))?;
        }
        let ids = members.iter().enumerate().filter(|(place, _)| chosen.contains(place)).map(|(_, (_, id))| id);
        for id in ids {
            let Some(letter) = snapshot.letter(id)? else { continue };
            let lost_at = snapshot.lost_at(&letter);
            match common.output {
                Output::Table => session.data(format_args!("{}\n", view::full(&letter, lost_at, &redact)))?,
                Output::Json | Output::Ndjson => stream.item(session, &view::json(&letter, lost_at, &redact))?,
            }
        }
    }
    stream.end(session)?;
    if groups.is_empty() {
        session.prose(nothing(&snapshot)?);
        return Ok(Exit::NothingMatched);
    }
    if redact.hides() {
        session.prose("personal data is hidden; --show-personal shows it");
    }
    Ok(Exit::Done)
}

/// The places of `few` out of `all`, as evenly spread as they can be, the first and the last among them.
fn spread(all: usize, few: usize) -> BTreeSet<usize> {
    match few {
        _ if all <= few => (0..all).collect(),
        1 => [0].into(),
        few => (0..few).map(|place| place * (all - 1) / (few - 1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_few_are_spread_over_all_with_the_first_and_the_last() {
        assert_eq!(spread(0, 3), [].into());
        assert_eq!(spread(2, 3), [0, 1].into());
        assert_eq!(spread(9, 3), [0, 4, 8].into());
        assert_eq!(spread(10, 1), [0].into());
        assert_eq!(spread(10, 4), [0, 3, 6, 9].into());
        for (all, few) in [(1000, 7), (8, 7), (7, 7)] {
            assert_eq!(spread(all, few).len(), few);
        }
    }
}
