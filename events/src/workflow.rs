//! Facts about workflows: what an app's author published, what was asked for, what people decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AppId, Event, Personal, SubmissionId, UserId, WorkflowId};

/// A version of a workflow was published. From now on it is the one that is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowPublished {
    /// The app whose workflow it is.
    pub app_id: AppId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version's number, from 1. What it says never changes.
    #[schemars(range(min = 1))]
    pub version: u32,
}

impl Event for WorkflowPublished {
    const TYPE: &'static str = "workflow.published";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("apps/{}/workflows/{}", self.app_id, self.workflow)
    }
}

/// A run of a workflow was asked for, by a person or by the workflow's schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRequested {
    /// The app whose workflow it is.
    pub app_id: AppId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The submission that the run is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SubmissionId")]
    pub submission_id: Option<SubmissionId>,
    /// Who asked for it; nobody where its schedule did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserId")]
    pub requested_by: Option<UserId>,
    /// Where its schedule did: of which version. Another one that is published since starts a run at the times that it has too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1))]
    pub scheduled_by: Option<u32>,
}

impl Event for WorkflowRequested {
    const TYPE: &'static str = "workflow.requested";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("apps/{}/workflows/{}", self.app_id, self.workflow)
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

impl Decision {
    /// Its name, as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// Somebody decided what a run of a workflow was waiting for. There is one decision for each time it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalDecided {
    /// The run that waits.
    pub run: String,
    /// Which of its steps: the step's id, and in a `for_each` the index of each item.
    pub instance: String,
    /// What was decided: `approved` or `rejected`.
    #[schemars(with = "String", extend("enum" = ["approved", "rejected"]))]
    pub decision: Decision,
    /// Who decided: one of those who were asked.
    pub by: UserId,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub comment: Option<Personal<String>>,
}

impl Event for ApprovalDecided {
    const TYPE: &'static str = "approval.decided";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("runs/{}/steps/{}", self.run, self.instance)
    }
}

/// A step of a run is due. Only the embedded engine says so, to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowStep {
    /// The run.
    pub run: String,
    /// Which of its steps: the step's id, and in a `for_each` the index of each item.
    pub instance: String,
    /// Which attempt at it, from 1.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// What is due: `act` where its action is to be done, `wake` where a wait or a deadline is over.
    #[schemars(with = "String", extend("enum" = ["act", "wake"]))]
    pub kind: StepKind,
}

/// What is due of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// Its action is to be done.
    Act,
    /// A wait or a deadline is over.
    Wake,
}

impl Event for WorkflowStep {
    const TYPE: &'static str = "workflow.step";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("runs/{}/steps/{}", self.run, self.instance)
    }
}
