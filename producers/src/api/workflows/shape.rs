//! Versions and runs as callers send and see them.

use schemars::JsonSchema;
use sendoff_events::{AppId, SubmissionId, Timestamp, UserId, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::OfApp;
use crate::model::WorkflowVersion;

/// A published version of a workflow.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WorkflowVersionSummary")]
pub(super) struct Summary {
    /// The app's id.
    app_id: AppId,
    /// The workflow's name.
    workflow: WorkflowId,
    /// The version's number, from 1.
    #[schemars(range(min = 1))]
    version: u32,
    /// Whether it is the one that is started.
    active: bool,
    /// The SHA-256 of the canonical definition, in hexadecimal digits: versions that say the same have the same.
    sha256: String,
    /// Who published it.
    published_by: UserId,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    published_at: Timestamp,
}

/// A published version of a workflow, with what it does.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WorkflowVersion")]
pub(super) struct View {
    #[serde(flatten)]
    pub(super) summary: Summary,
    /// The definition in its canonical form.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub(super) definition: Value,
}

/// What a run is to be about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WorkflowRunInput")]
#[expect(dead_code, reason = "it describes the body, which is read field by field so that every flaw is reported")]
pub(super) struct RunInput {
    /// A submission of the app. Without one the fields of the run have no values.
    submission_id: Option<SubmissionId>,
}

/// A run that will be started.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WorkflowRunRequested")]
pub(super) struct RunView {
    /// The app's id.
    pub(super) app_id: AppId,
    /// The workflow's name.
    pub(super) workflow: WorkflowId,
    /// The submission that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) submission_id: Option<SubmissionId>,
    /// Who asked for it.
    pub(super) requested_by: UserId,
}

impl Summary {
    pub(super) fn of((app_id, workflow): &OfApp, number: u32, version: &WorkflowVersion, active: bool) -> Self {
        Self {
            app_id: app_id.clone(),
            workflow: workflow.clone(),
            version: number,
            active,
            sha256: version.sha256.clone(),
            published_by: version.published_by.clone(),
            published_at: version.published_at,
        }
    }
}

pub(super) fn sample() -> Value {
    json!({
        "app_id": "expenses",
        "workflow": "expense-approval",
        "version": 3,
        "active": true,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "published_by": "ada",
        "published_at": "2026-11-24T08:00:00Z",
    })
}

pub(super) fn sample_view() -> Value {
    let mut view = sample();
    view["definition"] = sample_definition();
    view
}

pub(super) fn sample_definition() -> Value {
    json!({
        "workflow": "expense-approval",
        "app": "expenses",
        "fields": { "amount": "number" },
        "on": [{ "submission": "created", "when": "{amount} > 100" }, { "manual": true }],
        "steps": [
            {
                "id": "tell",
                "email": {
                    "to": { "user": "{{ {submission.author} }}" },
                    "subject": "We look at it",
                    "text": "You spent {{ {amount} }}.",
                },
            },
        ],
    })
}

pub(super) fn sample_run() -> Value {
    json!({
        "app_id": "expenses",
        "workflow": "expense-approval",
        "submission_id": "01938d1e-7b2c-7000-8000-000000000000",
        "requested_by": "ada",
    })
}
