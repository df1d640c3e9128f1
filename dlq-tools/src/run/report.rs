//! What a run has done. It adds up: each planned letter stands under exactly one of its counts.

use std::collections::BTreeMap;

use sendoff_host::Exit;
use serde::{Deserialize, Serialize};

use super::{Ended, Stage, State};
use crate::plan::Plan;

/// What a run has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The plan's hash.
    pub plan: String,
    /// How it ended: `finished`, `paused`, `aborted`; `broken-off` when nobody wrote that.
    pub ended: String,
    /// Why, when it didn't finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many letters the plan sends: the sum of the six that follow.
    pub planned: u64,
    /// Sent, and deleted.
    pub moved: u64,
    /// Sent, and still in the dead-letter queue.
    pub sent_not_deleted: u64,
    /// Nobody knows whether they were sent.
    pub ambiguous: u64,
    /// Not sent: they had left the queue.
    pub gone: u64,
    /// Not sent, for the reasons in `skips`.
    pub skipped: u64,
    /// Not sent yet: their turn hasn't come, or somebody else holds them.
    pub waiting: u64,
    /// Why letters were skipped, and how many.
    pub skips: BTreeMap<String, u64>,
    /// Why letters had to be left for now, and how many; they are among those that wait.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<String, u64>,
    /// How many of those that were sent were sent twice or more, since nobody knew. Their consumer does them once.
    pub resent: u64,
    /// How many were sent, and gone before this run had deleted them: it broke off in between, or somebody else moved them, too.
    pub perhaps_twice: u64,
    /// How many of those that are gone may have been sent by this run, before somebody else moved them.
    pub gone_in_doubt: u64,
    /// How many of those that were sent have failed again.
    pub returned: u64,
    /// Of how many the end is known: not all are watched when there are many.
    pub watched: u64,
    /// How many of those that were sent have come to an end and didn't come back, as far as they were watched.
    #[serde(default)]
    pub done: u64,
    /// Of how many of those that were sent the end isn't known: the watch was over before, or they weren't watched.
    #[serde(default)]
    pub not_ended: u64,
    /// How many records were opened so that what was done runs once more.
    pub reopened: u64,
    /// Where they were sent, in the words of the plan.
    #[serde(default)]
    pub to: String,
    /// For how long the plan has what was sent watched, in seconds; 0 when it isn't.
    #[serde(default)]
    pub watch_s: u64,
}

impl Report {
    /// That of a run that ended so; `None` when nobody wrote how.
    #[must_use]
    pub fn of(plan: &Plan, state: &State, ended: Option<&Ended>) -> Self {
        let (ended, why) = match ended {
            None => ("broken-off", None),
            Some(Ended::Finished) => ("finished", None),
            Some(Ended::Paused { why, .. }) => ("paused", Some(why.clone())),
            Some(Ended::Aborted { by }) => ("aborted", Some(format!("{by} wanted it"))),
        };
        Self {
            plan: plan.hash().to_owned(),
            ended: ended.to_owned(),
            why,
            planned: state.planned(),
            moved: state.count(Stage::Moved),
            sent_not_deleted: state.count(Stage::Sent),
            ambiguous: state.count(Stage::Ambiguous) + state.count(Stage::Intended),
            gone: state.count(Stage::Gone),
            skipped: state.count(Stage::Skipped),
            waiting: state.count(Stage::Waiting),
            skips: state.skips().clone(),
            waits: state.waits().clone(),
            resent: state.resent(),
            perhaps_twice: state.perhaps_twice(),
            gone_in_doubt: state.gone_in_doubt(),
            returned: state.returned(),
            watched: state.watched(),
            done: state.watched().saturating_sub(state.returned()),
            not_ended: state.sent().saturating_sub(state.watched()),
            reopened: state.reopened(),
            to: plan.head().to.to_string(),
            watch_s: plan.head().watch_s,
        }
    }

    /// Whether each planned letter stands under exactly one count.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.planned == self.moved + self.sent_not_deleted + self.ambiguous + self.gone + self.skipped + self.waiting
    }

    /// Whether letters were watched, and not one of them is known to have come to an end: perhaps nobody serves their consumer.
    #[must_use]
    pub const fn is_without_evidence(&self) -> bool {
        self.watch_s > 0 && self.watched == 0 && self.not_ended > 0
    }

    /// What the program's exit code says of it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        let is_well = self.returned + self.perhaps_twice == 0 && !self.is_without_evidence();
        if self.ambiguous + self.gone_in_doubt > 0 {
            Exit::InDoubt
        } else if self.moved == self.planned && is_well {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}
