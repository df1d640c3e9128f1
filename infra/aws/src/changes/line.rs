//! The shards of the stream brought into one line of numbered changes, and how far it has been dealt with.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use sendoff_consumers::{Change, Position};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    later,
    record::StreamRecord,
    shards::{Cursor, Listed, Page},
};
use crate::item::Damage;

/// How often the shards are listed. A shard lasts about four hours.
const LIST: Duration = Duration::from_secs(10);

/// How far a reaction has come: what its checkpoint says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// How many changes it has dealt with.
    pub(super) done: u64,
    /// How far in each shard.
    pub(super) shards: BTreeMap<String, Progress>,
}

/// How far a reaction has come in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Progress {
    /// Up to and including the record with this sequence number.
    At(String),
    /// To its end.
    Finished,
}

/// A position: the epoch of the lease under which the change was read, and its number in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

impl Place {
    /// Padded, so that positions sort as texts.
    pub(super) fn position(self) -> Position {
        Position(format!("{:020}.{:020}", self.epoch, self.number))
    }

    pub(super) fn parse(position: &Position) -> Option<Self> {
        let (epoch, number) = position.0.split_once('.')?;
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
    }
}

/// The changes that were read and not dealt with yet, in order, and the shards that they come from.
#[derive(Default)]
pub(super) struct Line {
    done: u64,
    waiting: VecDeque<Waiting>,
    shards: BTreeMap<String, Shard>,
    listed_at: Option<Timestamp>,
}

struct Waiting {
    shard: String,
    sequence: String,
    change: Change,
}

/// What is known of a shard.
#[derive(Default)]
struct Shard {
    parent: Option<String>,
    /// Up to where everything is dealt with.
    done: Option<String>,
    /// Up to where it is read.
    read: Option<String>,
    iterator: Option<String>,
    /// It was read to its end.
    is_closed: bool,
    /// How many of its changes wait.
    waiting: usize,
}

impl Line {
    /// The line that goes on after what was dealt with.
    pub(super) fn resume(standing: Standing) -> Self {
        let shards = standing.shards.into_iter().map(|(id, progress)| {
            let shard = match progress {
                Progress::At(sequence) => {
                    Shard { done: Some(sequence.clone()), read: Some(sequence), ..Shard::default() }
                }
                Progress::Finished => Shard { is_closed: true, ..Shard::default() },
            };
            (id, shard)
        });
        Self { done: standing.done, shards: shards.collect(), ..Self::default() }
    }

    /// How far it has been dealt with, for the checkpoint.
    pub(super) fn standing(&self) -> Standing {
        let progress = |shard: &Shard| {
            if shard.is_closed && shard.waiting == 0 {
                Some(Progress::Finished)
            } else {
                shard.done.clone().map(Progress::At)
            }
        };
        let shards = self.shards.iter().filter_map(|(id, shard)| Some((id.clone(), progress(shard)?))).collect();
        Standing { done: self.done, shards }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the last change that was dealt with.
    pub(super) const fn done(&self) -> u64 {
        self.done
    }

    /// The first `max` changes that wait.
    pub(super) fn first(&self, max: usize, epoch: u64) -> Vec<Change> {
        let numbered = self.waiting.iter().zip(self.done + 1..).take(max);
        let change = |(waiting, number): (&Waiting, u64)| Change {
            position: Place { epoch, number }.position(),
            ..waiting.change.clone()
        };
        numbered.map(change).collect()
    }

    /// Notes that everything up to and including this number is dealt with; false when nothing has this number.
    pub(super) fn finish(&mut self, number: u64) -> bool {
        let many = number.checked_sub(self.done).and_then(|many| usize::try_from(many).ok());
        let Some(many) = many.filter(|many| *many <= self.waiting.len()) else { return false };
        for waiting in self.waiting.drain(..many) {
            if let Some(shard) = self.shards.get_mut(&waiting.shard) {
                shard.waiting -= 1;
                // Behind its last change there may be records of other things.
                shard.done = if shard.waiting == 0 { shard.read.clone() } else { Some(waiting.sequence) };
            }
        }
        self.done = number;
        true
    }

    pub(super) fn is_list_due(&self, now: Timestamp) -> bool {
        self.listed_at.is_none_or(|listed| later(listed, LIST) <= now)
    }

    /// Takes note of the shards that there are.
    pub(super) fn list(&mut self, listed: Vec<Listed>, now: Timestamp, reaction: &str) {
        self.shards.retain(|id, shard| {
            let is_there = listed.iter().any(|listed| listed.id == *id);
            if !is_there && !shard.is_closed {
                tracing::error!(
                    reaction,
                    shard = id,
                    after = shard.read.as_deref(),
                    "a shard of the change stream was trimmed before its end was read: the changes in it after this \
                     sequence number are lost to this reaction"
                );
                shard.is_closed = true;
            }
            is_there || shard.waiting > 0
        });
        for Listed { id, parent } in listed {
            self.shards.entry(id).or_default().parent = parent;
        }
        self.listed_at = Some(now);
    }

    /// Where to read on: in the shards that aren't at their end, and whose parents are or are gone.
    pub(super) fn readable(&self) -> Vec<Cursor> {
        let is_open = |id: &String| self.shards.get(id).is_some_and(|shard| !shard.is_closed);
        let readable = self
            .shards
            .iter()
            .filter(|(_, shard)| !shard.is_closed && shard.parent.as_ref().is_none_or(|parent| !is_open(parent)));
        let cursor = |(id, shard): (&String, &Shard)| Cursor {
            shard: id.clone(),
            after: shard.read.clone(),
            iterator: shard.iterator.clone(),
        };
        readable.map(cursor).collect()
    }

    /// Appends what was read of a shard.
    pub(super) fn push(&mut self, id: &str, page: Page, reaction: &str) {
        let Some(shard) = self.shards.get_mut(id) else { return };
        let records = match page {
            Page::Trimmed => {
                tracing::error!(
                    reaction,
                    shard = id,
                    after = shard.read.as_deref(),
                    "the change stream keeps 24 hours, and this reaction is further behind: the changes after this \
                     sequence number that are older are lost to it; it goes on with the oldest that there is"
                );
                (shard.read, shard.iterator) = (None, None);
                return;
            }
            Page::Expired => {
                shard.iterator = None;
                return;
            }
            Page::Records { records, next } => {
                shard.is_closed = next.is_none();
                shard.iterator = next;
                records
            }
        };
        if shard.is_closed {
            // Its children begin.
            self.listed_at = None;
        }
        for Read { sequence, change } in records {
            // What can't be read was put aside.
            if let Ok(Some(change)) = change {
                shard.waiting += 1;
                self.waiting.push_back(Waiting { shard: id.to_owned(), sequence: sequence.clone(), change });
            }
            if shard.waiting == 0 {
                shard.done = Some(sequence.clone());
            }
            shard.read = Some(sequence);
        }
    }
}

/// What stands at a place of a shard.
pub(super) struct Read {
    pub(super) sequence: String,
    /// The change of a record, if it is one.
    pub(super) change: Result<Option<Change>, Unreadable>,
}

/// A record of the stream that can't be read.
pub(super) struct Unreadable {
    pub(super) record: StreamRecord,
    pub(super) damage: Damage,
}

impl From<StreamRecord> for Read {
    fn from(record: StreamRecord) -> Self {
        let (sequence, change) = (record.sequence.clone(), record.change());
        Self { sequence, change: change.map_err(|damage| Unreadable { record, damage }) }
    }
}
