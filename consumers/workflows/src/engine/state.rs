//! All that a run remembers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::{Cursor, Results};

/// All that a run remembers, beside its plan. It is compact JSON of a form of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The form of this JSON.
    #[serde(rename = "v")]
    pub(super) form: Form,
    pub(super) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
    /// How often it was taken up again.
    pub(super) redrives: u32,
    /// How many steps it has come to.
    pub(super) steps: u32,
    pub(super) facts: Facts,
    pub(super) vars: BTreeMap<String, Value>,
    pub(super) results: Results,
    pub(super) cursor: Cursor,
}

/// What never changes in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) run: String,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub(super) started: Timestamp,
    pub(super) input: Value,
}

impl RunState {
    /// The run's name.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.facts.run
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Why it failed; nothing unless its status is [`Failed`](Status::Failed).
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// How often it was taken up again.
    #[must_use]
    pub const fn redrives(&self) -> u32 {
        self.redrives
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Timestamp {
        self.facts.started
    }

    /// What it was started with.
    #[must_use]
    pub const fn input(&self) -> &Value {
        &self.facts.input
    }

    /// Its variables.
    #[must_use]
    pub const fn vars(&self) -> &BTreeMap<String, Value> {
        &self.vars
    }

    /// The results of steps as far as they are known outside of what is still under way.
    #[must_use]
    pub const fn results(&self) -> &BTreeMap<String, Value> {
        &self.results
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It isn't at its end; maybe it waits.
    Running,
    /// It has come to its end.
    Succeeded,
    /// A step of it failed for good. It can be taken up again from there.
    Failed,
    /// A person stopped it.
    Stopped,
}

/// Why a step or a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name: `Action.Permanent`, `States.Timeout`, `Workflow.Failed`.
    pub error: String,
    /// What went wrong, for people.
    pub cause: String,
}

impl Failure {
    pub(super) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// The form of a state's JSON. There is one so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Form;

impl Form {
    const NUMBER: u32 = 1;
}

impl From<Form> for u32 {
    fn from(_: Form) -> Self {
        Form::NUMBER
    }
}

impl TryFrom<u32> for Form {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number == Self::NUMBER {
            return Ok(Self);
        }
        Err(format!(
            "the run's state has the form {number}, and this version reads {}: run the version that wrote it",
            Self::NUMBER
        ))
    }
}
