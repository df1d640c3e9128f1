//! One event of each kind.

use sendoff_events::{
    AppAssigned, AppUnassigned, ApprovalDecided, Clock, Decision, EncodeError, Envelope, Event, Origin, Outgoing, Rng,
    StepKind, SubmissionCreated, SubmissionId, SubmissionUpdated, WorkflowId, WorkflowPublished, WorkflowRequested,
    WorkflowStep,
};

use super::people::People;
use crate::{RunId, scenario::Kind};

/// What an event is about, where others are about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The app that somebody was assigned.
    Assignment,
    /// The submission that somebody changes again and again.
    Submission,
    /// The workflow of somebody's app.
    Workflow,
    /// Nothing that another one is about.
    Alone,
}

/// What events of this kind are about.
pub(super) fn about(kind: Kind) -> About {
    match kind {
        Kind::AppAssigned | Kind::AppUnassigned => About::Assignment,
        Kind::SubmissionUpdated => About::Submission,
        Kind::WorkflowPublished | Kind::WorkflowRequested => About::Workflow,
        Kind::ApprovalDecided | Kind::SubmissionCreated | Kind::WorkflowStep => About::Alone,
    }
}

/// What makes an event: its place in the run, and whom it is about.
pub(super) struct Making<'a> {
    pub(super) run: &'a RunId,
    pub(super) number: u64,
    pub(super) people: &'a People,
    pub(super) who: usize,
    /// Its number among those about the same, from 1.
    pub(super) sequence: u32,
    pub(super) clock: &'a dyn Clock,
    pub(super) rng: &'a dyn Rng,
}

impl Making<'_> {
    /// The event of this kind, encoded.
    pub(super) fn event(&self, kind: Kind) -> Result<Outgoing, EncodeError> {
        let (app_id, user_id) = (self.people.app(self.who).clone(), self.people.user(self.who).clone());
        let first = self.people.first(self.who).clone();
        let revision = u64::from(self.sequence);
        match kind {
            Kind::AppAssigned => self.encode(AppAssigned { app_id, user_id, assigned_by: first }),
            Kind::AppUnassigned => self.encode(AppUnassigned { app_id, user_id, unassigned_by: first }),
            Kind::SubmissionCreated => {
                let submission_id = self.id(&format!("{}-{}", self.run, self.number))?;
                self.encode(SubmissionCreated { app_id, submission_id, author_id: user_id, revision: 1 })
            }
            Kind::SubmissionUpdated => {
                let submission_id = self.id(&format!("{}-of-{}", self.run, self.who))?;
                let changed_fields = vec!["amount".to_owned(), "reason".to_owned()];
                let revision = revision + 1;
                self.encode(SubmissionUpdated { app_id, submission_id, editor_id: user_id, revision, changed_fields })
            }
            Kind::WorkflowPublished => {
                let version = self.sequence;
                self.encode(WorkflowPublished { app_id, workflow: self.workflow()?, version })
            }
            Kind::WorkflowRequested => self.encode(WorkflowRequested {
                app_id,
                workflow: self.workflow()?,
                submission_id: None,
                requested_by: Some(user_id),
                scheduled_by: None,
            }),
            Kind::ApprovalDecided => self.encode(ApprovalDecided {
                run: self.workflow_run(),
                instance: "ask".into(),
                decision: Decision::Approved,
                by: user_id,
                comment: None,
            }),
            Kind::WorkflowStep => self.encode(WorkflowStep {
                run: self.workflow_run(),
                instance: "tell".into(),
                attempt: 1,
                kind: StepKind::Act,
            }),
        }
    }

    fn encode<E: Event>(&self, data: E) -> Result<Outgoing, EncodeError> {
        let origin = Origin {
            source: "/sendoff/load".into(),
            tenant: self.people.tenant(self.who).clone(),
            correlation: Some(self.run.correlation(self.number)),
            causation: None,
            traceparent: None,
            hops: 0,
        };
        Envelope::new(data, origin, Some(u64::from(self.sequence)), self.clock, self.rng).encode()
    }

    fn workflow_run(&self) -> String {
        format!("load-{}-{}", self.run, self.number)
    }

    fn workflow(&self) -> Result<WorkflowId, EncodeError> {
        named::<WorkflowPublished, _, _>("load".parse())
    }

    fn id(&self, text: &str) -> Result<SubmissionId, EncodeError> {
        named::<SubmissionCreated, _, _>(text.parse())
    }
}

/// A name that we make ourselves. One that breaks its rule is an event that can't be written.
fn named<E: Event, T, F: std::fmt::Display>(name: Result<T, F>) -> Result<T, EncodeError> {
    name.map_err(|error| EncodeError {
        event_type: sendoff_events::EventType::of::<E>(),
        source: serde::ser::Error::custom(error),
    })
}
