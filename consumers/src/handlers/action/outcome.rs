//! What a call is answered with.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::asking::Kept;
use crate::{DeliveryId, InboxRecord, StepState, Verdict, scrub};

/// What became of it: a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionResult {
    /// Whether it was sent, or done.
    pub status: ActionStatus,
    /// Who took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What else there is to tell, by name: what an action that asks for something was told.
    #[serde(flatten)]
    pub outputs: Map<String, Value>,
}

/// Whether it was sent, or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionStatus {
    /// A provider has taken it.
    Sent,
    /// It was decided not to send it, for a reason that is no failure.
    Skipped,
    /// It was done. Said of what is no message.
    Done,
}

/// How a call failed. The names are part of the interface: state machines go by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionErrorKind {
    /// The same call will never do.
    Permanent,
    /// The same call may do later. It has used up an attempt.
    Transient,
    /// Not now: too fast, an outage, somebody else is at it, or an outcome that may still be found out. No attempt was used.
    Throttled,
}

impl ActionErrorKind {
    /// The name of the error.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permanent => "Action.Permanent",
            Self::Transient => "Action.Transient",
            Self::Throttled => "Action.Throttled",
        }
    }
}

/// A call that failed. Its text holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionError {
    /// How.
    pub kind: ActionErrorKind,
    /// A stable word for why: `invalid-call`, `refused-by-provider`, `outcome-unknown`.
    pub reason: String,
    /// What went wrong.
    pub message: String,
}

impl ActionError {
    /// A call that can't be read or can't be done as it is.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ActionErrorKind::Permanent, reason: "invalid-call".into(), message: message.into() }
    }

    /// A call that is refused for a reason that has a word of its own.
    pub(super) fn permanent(reason: &str, message: impl Into<String>) -> Self {
        Self { kind: ActionErrorKind::Permanent, reason: reason.into(), message: message.into() }
    }

    /// The question of an approval that no mail could ask.
    #[must_use]
    pub fn nobody_asked() -> Self {
        Self::permanent("nobody-asked", "none of the approvers can be reached by mail, or wants mails of workflows")
    }

    pub(super) fn throttled(reason: &str, message: impl Into<String>) -> Self {
        Self { kind: ActionErrorKind::Throttled, reason: reason.into(), message: message.into() }
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for ActionError {}

/// How what is done is told.
pub(super) enum Telling {
    /// A message: who took it, or why it was skipped.
    Message,
    /// What came of it. Where nothing was kept, since a person has settled what nobody knew, these outputs.
    Outputs(Map<String, Value>),
}

/// What the verdict on a call means to its caller, who has no queue that would deliver it again; `record` is what the ledger
/// holds of it since.
pub(super) fn answer(
    verdict: Verdict,
    record: Option<&InboxRecord>,
    telling: Telling,
) -> Result<ActionResult, ActionError> {
    let last = || {
        let last = record.and_then(|record| record.history.last());
        last.map_or_else(|| "there is nothing more to tell".to_owned(), |attempt| attempt.error.clone())
    };
    // Whoever reads why a run failed has to find what it leaves open, however it came to fail.
    let told = |mut message: String| {
        if let Some(doubt) = record.and_then(doubt) {
            message.push_str(&format!("; it is in doubt as {doubt}"));
        }
        message
    };
    match verdict {
        Verdict::Ack { .. } => Ok(match telling {
            Telling::Message => message(record),
            Telling::Outputs(blank) => done(kept(record).unwrap_or(blank)),
        }),
        Verdict::Retry { .. } => {
            Err(ActionError { kind: ActionErrorKind::Transient, reason: "failed".into(), message: told(last()) })
        }
        Verdict::Snooze { .. } if record.is_some_and(InboxRecord::is_doubted) => {
            Err(ActionError::throttled("outcome-unknown", told(format!("whether it was sent isn't known: {}", last()))))
        }
        Verdict::Snooze { .. } => Err(ActionError::throttled("deferred", last())),
        Verdict::Superseded => Err(ActionError::throttled("superseded", "another call has taken it over")),
        Verdict::DeadLetter(failure) => {
            let message = told(scrub(&failure.error));
            Err(ActionError { kind: ActionErrorKind::Permanent, reason: failure.reason, message })
        }
    }
}

/// The name under which a person finds the doubt among all others.
fn doubt(record: &InboxRecord) -> Option<DeliveryId> {
    let (name, _) = record.steps.iter().find(|(_, step)| step.state == StepState::InDoubt)?;
    Some(DeliveryId::new(record.key.clone(), name))
}

/// What stands in the ledger of a message that is done. Of several devices one that was reached is enough.
fn message(record: Option<&InboxRecord>) -> ActionResult {
    let steps = || record.into_iter().flat_map(|record| record.steps.values());
    let sent = steps().find(|step| step.state == StepState::Done);
    let skipped = || steps().find(|step| step.state == StepState::Skipped);
    let outputs = Map::new();
    match sent {
        Some(step) => ActionResult {
            status: ActionStatus::Sent,
            provider: step.provider.clone(),
            provider_id: step.provider_id.clone(),
            reason: None,
            outputs,
        },
        None => ActionResult {
            status: ActionStatus::Skipped,
            provider: None,
            provider_id: None,
            reason: skipped().and_then(|step| step.reason.clone()),
            outputs,
        },
    }
}

/// The outputs that stand in the ledger.
fn kept(record: Option<&InboxRecord>) -> Option<Map<String, Value>> {
    let mut results =
        record.into_iter().flat_map(|record| record.steps.values()).filter_map(|step| step.result.clone());
    results.find_map(|result| match serde_json::from_value(result) {
        Ok(Kept::Outputs(outputs)) => Some(outputs),
        Ok(Kept::Unusable { .. }) | Err(_) => None,
    })
}

const fn done(outputs: Map<String, Value>) -> ActionResult {
    ActionResult { status: ActionStatus::Done, provider: None, provider_id: None, reason: None, outputs }
}
