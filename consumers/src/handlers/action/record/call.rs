//! What a call wants to be made or changed.

use sendoff_events::{AppId, EventId, SubmissionId, UserId};
use serde_json::{Map, Value};

use super::{
    super::{
        ActionError,
        fields::Fields,
        head::{Head, MAX_LINE},
    },
    MAX_HOPS, RECORD,
};
use crate::run_correlation;

/// The most fields of a submission, as the API has it by default.
const MAX_FIELDS: usize = 500;
/// The most bytes of a field's name: names travel in events.
const MAX_NAME: usize = 100;

/// A call, read.
pub(in super::super) struct RecordCall {
    pub(super) head: Head,
    pub(super) app: AppId,
    pub(super) author: UserId,
    /// Through how many runs the chain has come to here.
    pub(super) hops: u32,
    /// The chain that it belongs to; that of its run where nothing is said.
    pub(super) correlation: String,
    /// The event that started the run.
    pub(super) causation: Option<EventId>,
    pub(super) what: What,
}

/// What is to be done. Fields are given with their names.
pub(super) enum What {
    /// A submission with these fields is made.
    Create(Map<String, Value>),
    /// These fields of a submission are set; the others stay.
    Update(SubmissionId, Map<String, Value>),
}

impl RecordCall {
    pub(in super::super) fn read(text: &str) -> Result<Self, ActionError> {
        let (head, mut fields) = Head::read(RECORD, text)?;
        let app = fields.parsed("app", "the id of an app")?;
        let author = fields.parsed("author", "the id of a user")?;
        let hops = fields.number("hops")?;
        let run = head.idempotency_key.split('/').next().unwrap_or_default();
        let correlation =
            fields.optional_text("correlation", MAX_LINE)?.unwrap_or_else(|| run_correlation(run).into_owned());
        if correlation.is_empty() || correlation.chars().any(char::is_control) {
            return Err(fields.wrong("correlation", "must be a text without control characters"));
        }
        let causation = match fields.has("causation") {
            true => Some(fields.parsed("causation", "the id of an event")?),
            false => None,
        };
        let what = match (fields.has("create"), fields.has("update")) {
            (true, false) => {
                let mut create = fields.object("create")?;
                let given = given(&mut create)?;
                create.done()?;
                What::Create(given)
            }
            (false, true) => {
                let mut update = fields.object("update")?;
                let submission = update.parsed("submission", "the id of a submission")?;
                let given = given(&mut update)?;
                update.done()?;
                What::Update(submission, given)
            }
            _ => return Err(ActionError::invalid("there must be `create` or `update`, one of them")),
        };
        // Both are known, whichever was taken.
        let _ = (fields.take("create"), fields.take("update"));
        fields.done()?;
        if hops > MAX_HOPS {
            return Err(ActionError::permanent(
                "hop-limit",
                format!(
                    "the chain went through {hops} runs of workflows, more than {MAX_HOPS}: do two apps write to each other?"
                ),
            ));
        }
        Ok(Self { head, app, author, hops, correlation, causation, what })
    }
}

fn given(fields: &mut Fields) -> Result<Map<String, Value>, ActionError> {
    if !fields.has("fields") {
        return Err(fields.missing("fields"));
    }
    let given = fields.map("fields")?;
    let fits = |name: &String| (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if given.len() > MAX_FIELDS || !given.keys().all(fits) {
        let rule = format!("must have at most {MAX_FIELDS} names of 1 to {MAX_NAME} characters");
        return Err(fields.wrong("fields", rule));
    }
    Ok(given)
}
