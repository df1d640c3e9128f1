//! How far a run has come: a tree beside the plan's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The results of steps, by their ids.
pub(super) type Results = BTreeMap<String, Value>;

/// How far a block has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The step that it is at, from 0; the number of its steps when it is through.
    #[serde(rename = "i")]
    pub(super) step: usize,
    /// What it is at there; nothing before it has come to the step, and where the step failed at once.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Box<At>>,
    /// When it came there: what `NOW()` is, however often it is asked for.
    #[serde(
        rename = "e",
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) since: Option<Timestamp>,
}

impl Cursor {
    pub(super) fn since(&self) -> Timestamp {
        self.since.unwrap_or_default()
    }
}

/// What a run is at in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    /// An action was asked for.
    Act(Asked),
    /// Somebody was asked, and may decide until the moment beside it.
    Ask(Asked, #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")] Timestamp),
    /// It waits: at which attempt, and until when.
    Wait(u32, #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")] Timestamp),
    /// It is about to begin, in another turn: this one had done enough. With the number of the attempt that the run is woken by.
    Pause(u32, #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")] Timestamp),
    /// One of the blocks of an `if` or a `switch`, the last for `else`.
    Pick(usize, Cursor),
    /// All blocks of a `parallel`.
    All(Vec<Branch>),
    /// The items of a `for_each`.
    Each(Items),
    /// The step has failed, and it is at what its author wants done then.
    Handle(Cursor),
}

/// Something that is being tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Which attempt it is, from 1, over all that was ever tried here.
    #[serde(rename = "n")]
    pub(super) attempt: u32,
    /// When it is due.
    #[serde(rename = "t", with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub(super) due: Timestamp,
    /// How often it was tried again, by the reason.
    #[serde(rename = "r", default, skip_serializing_if = "Tries::is_none")]
    pub(super) tries: Tries,
    /// Whether it was given up trying.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) failed: bool,
}

/// How often something was tried again, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tries {
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub(super) transient: u32,
    #[serde(rename = "o", default, skip_serializing_if = "is_zero")]
    pub(super) timeout: u32,
    #[serde(rename = "h", default, skip_serializing_if = "is_zero")]
    pub(super) throttled: u32,
}

impl Tries {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A block with results of its own: a branch of a `parallel`, or the block of an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Branch {
    #[serde(rename = "c")]
    pub(super) cursor: Cursor,
    #[serde(rename = "r", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) results: Results,
}

/// How far a `for_each` has come. The list itself isn't kept: nothing that it is made of can change while the items are worked
/// through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Items {
    /// The first item that wasn't begun.
    pub(super) next: u32,
    /// The items that were begun and aren't through.
    pub(super) open: BTreeMap<u32, Branch>,
    /// What is kept of those that are through, by their indices; empty if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) kept: Vec<Value>,
}
