//! Lists and pages from the snapshot.

use std::ops::ControlFlow;

use sendoff_events::Clock;
use sendoff_host::{Exit, Stopped};

use super::{Page, Row, Rows};
use crate::{
    redact::Redact,
    select::{Selection, Selector, each},
    snapshot::Snapshot,
    verbs::{
        groups::{self, Key, key},
        source,
    },
    view::{self, Line},
};

/// The most letters that a list holds.
const MOST: usize = 1000;
/// The most letters that are named one by one in a plan's head.
const MOST_NAMED: usize = 10_000;

/// What is looked at, and how.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) selection: &'a Selection,
    pub(super) redact: &'a Redact,
    pub(super) clock: &'a dyn Clock,
}

impl Look<'_> {
    /// The groups, and the list of them.
    pub(super) fn groups(&self) -> Result<(Vec<Key>, Rows), Stopped> {
        const COLUMNS: [usize; 6] = [0, 3, 6, 2, 8, 9];
        let selector = Selector::new(self.selection, self.clock)?;
        let (keys, groups): (Vec<Key>, Vec<_>) =
            groups::collect(self.snapshot, &selector, self.redact)?.into_iter().unzip();
        let rows = groups.iter().map(|group| {
            let cells = group.cells();
            Row { cells: COLUMNS.map(|column| cells[column].clone()).into(), ..Row::default() }
        });
        let rows: Vec<Row> = rows.collect();
        let letters = source::letters(groups.iter().map(groups::Group::letters).sum());
        let note = match rows.len() {
            1 => format!("{letters} in 1 group"),
            count => format!("{letters} in {count} groups"),
        };
        let heading = vec!["GROUP", "LETTERS", "FIRST LOSS", "TYPE", "LEDGER", "ERROR"];
        Ok((keys, Rows { heading, rows, at: 0, note, spare: &[2, 4, 3] }))
    }

    /// The letters of a group.
    pub(super) fn letters(&self, group: &Key) -> Result<Rows, Stopped> {
        const COLUMNS: [usize; 7] = [0, 1, 2, 4, 6, 7, 9];
        let (mut rows, mut count) = (Vec::new(), 0);
        self.each_of(group, |letter| {
            count += 1;
            if rows.len() < MOST {
                let lost_at = self.snapshot.lost_at(&letter);
                let cells = Line::of(&letter, lost_at, self.redact).cells();
                let cells = COLUMNS.map(|column| cells[column].clone()).into();
                rows.push(Row { id: letter.message.message_id, cells, is_marked: false });
            }
            ControlFlow::Continue(())
        })?;
        let mut note = source::letters(count);
        if count > MOST as u64 {
            note = format!("the first {MOST} of {note}; / chooses among them");
        }
        let heading = vec!["MESSAGE", "FAILED", "LOST", "TENANT", "LEDGER", "REPLAYS", "ERROR"];
        Ok(Rows { heading, rows, at: 0, note, spare: &[2, 5, 4, 3, 1] })
    }

    /// A letter in full.
    pub(super) fn letter(&self, message_id: &str) -> Result<Page, Stopped> {
        let letter = self.snapshot.letter(message_id)?;
        let letter =
            letter.ok_or_else(|| Stopped::new(Exit::NothingMatched, "the letter isn't in the snapshot any more"))?;
        let text = view::full(&letter, self.snapshot.lost_at(&letter), self.redact);
        let hidden = if self.redact.hides() { "\npersonal data is hidden; --show-personal shows it" } else { "" };
        Ok(Page::new(message_id, &format!("{text}{hidden}")))
    }

    /// The flags that choose exactly the letters of this group, among these groups.
    pub(super) fn of_group(&self, group: &Key, all: &[Key]) -> Result<Selection, Stopped> {
        let (fingerprint, _, event_type) = group;
        let mut selection = Selection { group: Some(fingerprint.clone()), ..self.selection.clone() };
        let others: Vec<&Key> = all.iter().filter(|other| other.0 == *fingerprint && *other != group).collect();
        if others.is_empty() {
            return Ok(selection);
        }
        let is_other = |other: &&Key| {
            let version = event_type.as_deref().and_then(|wanted| other.2.as_deref()?.strip_prefix(wanted));
            version.is_none_or(|rest| !rest.is_empty() && !rest.starts_with(".v"))
        };
        if event_type.is_some() && others.iter().all(is_other) {
            selection.event_type.clone_from(event_type);
            return Ok(selection);
        }
        // No flag tells it from the others: its letters are named.
        let mut ids = Vec::new();
        self.each_of(group, |letter| {
            ids.push(letter.message.message_id);
            if ids.len() > MOST_NAMED { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if ids.len() > MOST_NAMED {
            let why = format!(
                "this group has the fingerprint of others and more than {MOST_NAMED} letters, too many to name each in a plan: choose \
                 fewer with /"
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        Ok(Selection { ids, ..Selection::default() })
    }

    fn each_of(
        &self,
        group: &Key,
        mut see: impl FnMut(crate::letter::Letter) -> ControlFlow<()>,
    ) -> Result<(), Stopped> {
        let selection = Selection { group: Some(group.0.clone()), ..self.selection.clone() };
        let selector = Selector::new(&selection, self.clock)?;
        each(self.snapshot, &selector, |letter| {
            Ok(if key(&letter) == *group { see(letter) } else { ControlFlow::Continue(()) })
        })?;
        Ok(())
    }
}
