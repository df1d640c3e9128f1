//! What a run is given.

use sendoff_events::{Header, Timestamp};
use sendoff_producers::model::Submission;
use sendoff_workflows::expr::{Env, Root};
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
    pub(super) input: &'a Value,
    /// The present moment.
    pub(super) now: Timestamp,
}

impl Env for Given<'_> {
    fn value(&self, root: &Root) -> Value {
        match root {
            Root::Field(name) => self.input["fields"].get(name).cloned().unwrap_or_default(),
            Root::Submission => self.input["submission"].clone(),
            Root::Now => Value::from(format!("{:.3}", self.now)),
            // Where there is no run yet, nothing else has a meaning.
            Root::Run | Root::Step(_) | Root::Var(_) | Root::Item(_) => Value::Null,
        }
    }
}
