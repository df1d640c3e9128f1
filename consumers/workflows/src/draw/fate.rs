//! What became of each step of a run.

use std::collections::BTreeMap;

use crate::engine::{Entry, What};

/// What became of a step. Of a step that ran for several items the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is done.
    Done,
    /// There was nothing to do.
    Skipped,
    /// It is under way, or waits.
    Open,
    /// It was under way when something around it failed or was stopped.
    GivenUp,
    /// It failed.
    Failed,
}

impl Fate {
    /// A word for it, as it stands in pictures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Open => "open",
            Self::GivenUp => "givenup",
            Self::Failed => "failed",
        }
    }
}

/// What became of the steps of a run, by their ids. A step that isn't among them was not come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fates(BTreeMap<String, Fate>);

impl Fates {
    /// What a history tells, its entries in order.
    pub fn of<'a>(history: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut latest = BTreeMap::new();
        for entry in history {
            let Some(instance) = &entry.instance else { continue };
            let fate = match entry.what {
                What::Done | What::Chosen | What::Decided | What::Expired => Fate::Done,
                What::Skipped => Fate::Skipped,
                What::Failed => Fate::Failed,
                What::GivenUp => Fate::GivenUp,
                _ => Fate::Open,
            };
            latest.insert(instance, fate);
        }
        let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
        for (instance, fate) in latest {
            let worst = fates.entry(instance.step.clone()).or_insert(fate);
            *worst = (*worst).max(fate);
        }
        Self(fates)
    }

    /// What became of the step, if the run came to it.
    #[must_use]
    pub fn get(&self, step: &str) -> Option<Fate> {
        self.0.get(step).copied()
    }
}
