//! Whether what an SLO speaks of can be measured at all: a type of the mix, or a consumer that gets it.

use sendoff_consumers::{WORKFLOW_KICKOFF, WORKFLOW_STEPS};
use sendoff_host::config::nearest;

use super::{Metric, Phase, Slo, SloError};
use crate::scenario::{
    Kind::{self, *},
    Scenario,
};

/// What people are told of.
const TOLD: &[Kind] = &[AppAssigned, SubmissionCreated];

impl Slo {
    /// The consumers of the embedded system, as long as nobody adds one, and what each of them gets.
    pub const STANDARD: [(&str, &[Kind]); 7] = [
        ("email", TOLD),
        ("push", TOLD),
        ("sms", TOLD),
        ("webhook", &[AppAssigned, AppUnassigned, SubmissionCreated, SubmissionUpdated]),
        ("whatsapp", TOLD),
        (
            WORKFLOW_KICKOFF,
            &[SubmissionCreated, SubmissionUpdated, WorkflowRequested, WorkflowPublished, ApprovalDecided],
        ),
        (WORKFLOW_STEPS, &[WorkflowStep]),
    ];

    /// The consumers of the embedded system that get something of the scenario.
    #[must_use]
    pub fn standard_consumers(scenario: &Scenario) -> Vec<&'static str> {
        let gets = |kinds: &[Kind]| scenario.mix.iter().any(|event| kinds.contains(&event.kind));
        Self::STANDARD.into_iter().filter(|(_, kinds)| gets(kinds)).map(|(name, _)| name).collect()
    }

    /// The consumers that the scenario's SLOs name. Whether they are there only the system knows.
    #[must_use]
    pub fn consumers(scenario: &Scenario) -> Vec<&str> {
        let named = scenario.slo.iter().filter_map(|slo| match &slo.metric {
            Metric::Latency { of: Some(of), .. } => Some(of.as_str()),
            _ => None,
        });
        named.filter(|name| !scenario.mix.iter().any(|event| event.kind.word() == *name)).collect()
    }

    /// Checks that whatever the scenario's SLOs name is there. Without `consumers` nobody knows yet who they are.
    ///
    /// # Errors
    ///
    /// [`SloError`] of the first one that could never be measured.
    pub fn check_names(scenario: &Scenario, consumers: Option<&[&str]>) -> Result<(), SloError> {
        let kinds: Vec<&str> = scenario.mix.iter().map(|event| event.kind.word()).collect();
        scenario.slo.iter().try_for_each(|slo| slo.check_name(&kinds, consumers))
    }

    fn check_name(&self, kinds: &[&str], consumers: Option<&[&str]>) -> Result<(), SloError> {
        let Metric::Latency { phase, of: Some(of), .. } = &self.metric else { return Ok(()) };
        let (known, what) = match (phase, consumers) {
            (Phase::Publish, _) => (kinds.to_vec(), "no type of the mix, and what is published has no consumer yet"),
            (_, Some(consumers)) => {
                ([kinds, consumers].concat(), "neither a type of the mix nor a consumer that gets it")
            }
            (_, None) => return Ok(()),
        };
        if known.contains(&of.as_str()) {
            return Ok(());
        }
        let near = nearest(of, known.iter().copied());
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        Err(SloError {
            text: self.text.clone(),
            why: format!("`{of}` is {what}{hint}; there are {}", known.join(", ")),
        })
    }
}
