//! Workflows: which ones an app has, what was published, and what is waiting for a decision.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use sendoff_events::{AppId, Decision, Personal, TenantId, Timestamp, UserId, WorkflowId};
use sendoff_workflows::Published;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Stored;
use crate::RecordKey;

/// A workflow of an app that is switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveWorkflow {
    /// Its name.
    pub name: WorkflowId,
    /// The published version that is started. A run keeps the version it was started with.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// What starts it, so that whoever handles an event need not read the version of each workflow.
    pub on: BTreeSet<TriggerKind>,
}

/// What starts a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// A new submission.
    Created,
    /// A changed submission.
    Updated,
    /// A time of the day.
    Schedule,
    /// Somebody.
    Manual,
}

/// A published version of a workflow. It is written once and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowVersion {
    /// What it does, in its canonical form.
    pub definition: Value,
    /// The SHA-256 of the canonical definition, in 64 hexadecimal digits.
    pub sha256: String,
    /// Who published it.
    pub published_by: UserId,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub published_at: Timestamp,
}

/// What a run of a workflow asks people to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The run that waits.
    pub run: String,
    /// Which of its steps: the step's id, and in a `for_each` the index of each item.
    pub instance: String,
    /// Who may decide. Any one of them is enough.
    pub approvers: Vec<UserId>,
    /// What they are asked.
    pub title: Personal<String>,
    /// More about it; may be empty.
    pub text: Personal<String>,
    /// From when on it can't be decided any more.
    pub deadline: Timestamp,
    /// How often the run had been taken up again after it had failed, when this deadline was set.
    pub redrive: u32,
    /// What the state machine that waits is called back by, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Personal<String>>,
    /// What was decided. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
}

/// What was decided, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// What.
    pub decision: Decision,
    /// Who.
    pub by: UserId,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Personal<String>>,
    /// When.
    pub at: Timestamp,
}

impl WorkflowVersion {
    /// The version as whoever runs it takes it. Its names are those of the key it stands under.
    #[must_use]
    pub fn published(self, app: &AppId, workflow: &WorkflowId, version: u32) -> Published {
        let Self { definition, sha256, .. } = self;
        Published { app: app.clone(), workflow: workflow.to_string(), version, sha256, definition }
    }
}

impl Stored for WorkflowVersion {
    const COLLECTION: &'static str = "workflow_versions";
}

impl Stored for Approval {
    const COLLECTION: &'static str = "approvals";
}

/// The id of a workflow's versions up to their number, by which they are listed: `{app}/{workflow}/`.
#[must_use]
pub fn workflow_versions(app: &AppId, workflow: &WorkflowId) -> String {
    format!("{app}/{workflow}/")
}

/// The key of a published version: `{app}/{workflow}/{version}`, the number in eight digits, so that versions are listed in order.
#[must_use]
pub fn workflow_version_key(tenant: &TenantId, app: &AppId, workflow: &WorkflowId, version: u32) -> RecordKey {
    RecordKey::new(tenant, WorkflowVersion::COLLECTION, format!("{}{version:08}", workflow_versions(app, workflow)))
}

/// The key of what a step of a run asks: a hash of both, which may hold anything. The hash is of the run's length, the run and the
/// instance, so that no two of them come to the same.
#[must_use]
pub fn approval_key(tenant: &TenantId, run: &str, instance: &str) -> RecordKey {
    let digest = Sha256::digest(format!("{}/{run}/{instance}", run.len()));
    let id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    RecordKey::new(tenant, Approval::COLLECTION, id)
}
