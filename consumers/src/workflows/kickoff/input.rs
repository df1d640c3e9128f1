//! What a run is given.

use std::{borrow::Cow, cell::Cell};

use sendoff_events::{Header, Timestamp};
use sendoff_producers::model::Submission;
use sendoff_workflows::{
    engine::MAX_WORK,
    expr::{Env, Root},
};
use serde_json::{Map, Value, json};

/// What a run is given. Nothing in it may change between two deliveries of the event, but for what its submission says.
pub(super) fn input(
    kind: &str,
    header: &Header,
    (workflow, version): (&str, u32),
    submission: Option<&Submission>,
    fields: Map<String, Value>,
) -> Value {
    json!({
        "tenant": header.tenant,
        "workflow": workflow,
        "version": version,
        "trigger": { "kind": kind, "event_id": header.id },
        "submission": {
            "app": submission.map(|found| &found.app_id),
            "id": submission.map(|found| &found.submission_id),
            "author": submission.map(|found| &found.author_id),
            "revision": submission.map(|found| found.revision),
        },
        "hops": header.hops.saturating_add(1),
        "fields": fields,
    })
}

/// What the names in the condition of a trigger stand for.
pub(super) struct Given<'a> {
    /// What the run would be given.
    input: &'a Value,
    /// The present moment.
    now: Timestamp,
    /// How many bytes of values may still be made.
    left: Cell<Option<usize>>,
}

impl<'a> Given<'a> {
    pub(super) const fn new(input: &'a Value, now: Timestamp) -> Self {
        Self { input, now, left: Cell::new(Some(MAX_WORK)) }
    }

    /// Whether what was made of it came to an end within its bounds. If not, it is worth nothing.
    pub(super) const fn was_enough(&self) -> bool {
        self.left.get().is_some()
    }
}

impl Env for Given<'_> {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        match root {
            Root::Field(name) => Cow::Borrowed(&self.input["fields"][name.as_str()]),
            Root::Submission => Cow::Borrowed(&self.input["submission"]),
            Root::Now => Cow::Owned(format!("{:.3}", self.now).into()),
            // Where there is no run yet, nothing else has a meaning.
            Root::Run | Root::Step(_) | Root::Var(_) | Root::Item(_) => Cow::Owned(Value::Null),
        }
    }

    fn may_go_on(&self, bytes: usize) -> bool {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(bytes)));
        self.was_enough()
    }
}
