//! The host of actions that a workflow calls directly.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use futures::future::{Either, select};
use sendoff_consumers::{
    Limits, Stop,
    action::{ActionError, ActionErrorKind, ActionResult, Actions},
};
use sendoff_events::Clock;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Deadline, FunctionError};

/// Does what calls ask for, within the time that the function has.
pub struct ActionHost {
    actions: Arc<dyn Actions>,
    clock: Arc<dyn Clock>,
}

impl ActionHost {
    /// A host for `actions`.
    #[must_use]
    pub fn new(actions: Arc<dyn Actions>, clock: Arc<dyn Clock>) -> Self {
        Self { actions, clock }
    }

    /// Does what the call asks for.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Action`], whose kind the state machine goes by; [`FunctionError::Backend`] when there was no time left
    /// to say what became of it, which calling again finds out. [`run`](super::run) makes an action's error of that as well.
    pub async fn handle(&self, call: &RawValue, deadline: &Deadline) -> Result<ActionResult, FunctionError> {
        let limits = Limits { stop: Stop::never(), until: Some(deadline.interrupt) };
        let time_up = self.clock.sleep(Deadline::until(self.clock.now(), deadline.drop));
        match select(pin!(self.actions.act(call.get(), &limits)), time_up).await {
            Either::Left((done, _)) => done.map_err(FunctionError::Action),
            Either::Right(_) => Err(FunctionError::backend("there was no time left to say what became of the action")),
        }
    }
}

/// Whether somebody means an action, however badly: one with a number in place of its name is still nothing else.
pub(super) fn is_meant_in(event: &RawValue) -> bool {
    // Names may occur twice, which only a map reads.
    let fields: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_str(event.get());
    fields.is_ok_and(|fields| fields.contains_key("action"))
}

/// The error of an invocation that was to do an action. State machines know three names, and try again by them; any other
/// would end the run for what may be over in a minute.
pub(super) fn as_action(error: FunctionError) -> FunctionError {
    let (kind, reason) = match &error {
        FunctionError::Action(_) => return error,
        FunctionError::Event { .. } => (ActionErrorKind::Permanent, "invalid-call"),
        FunctionError::Start(_) => (ActionErrorKind::Transient, "not-started"),
        FunctionError::Backend(_) => (ActionErrorKind::Transient, "out-of-reach"),
    };
    FunctionError::Action(ActionError { kind, reason: reason.into(), message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_an_action_has_a_name_that_state_machines_know() {
        let unreadable = FunctionError::Event { expected: "a batch", found: "nothing".into() };
        let own = FunctionError::Action(ActionError {
            kind: ActionErrorKind::Throttled,
            reason: "too-fast".into(),
            message: "not now".into(),
        });
        let errors = [FunctionError::start("no settings"), FunctionError::backend("it is down"), unreadable, own];
        let told = errors.map(|error| {
            let known = as_action(error);
            (known.kind(), known.to_string())
        });
        let told: Vec<_> = told.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        assert_eq!(
            told,
            [
                ("Action.Transient", "not-started: the function can't start: no settings"),
                ("Action.Transient", "out-of-reach: it is down"),
                ("Action.Permanent", "invalid-call: the event can't be worked: expected a batch, nothing"),
                ("Action.Throttled", "too-fast: not now"),
            ]
        );
    }

    #[test]
    fn whoever_names_an_action_means_one_even_if_it_is_no_name() {
        let is_meant = |event: &str| is_meant_in(&RawValue::from_string(event.to_owned()).unwrap());
        for event in [r#"{"action":"sms"}"#, r#"{"action":5}"#, r#"{"action":"sms","action":"sms"}"#] {
            assert!(is_meant(event), "{event}");
        }
        for event in [r#"{"Records":[{"action":"sms"}]}"#, r#"["action"]"#, r#""action""#, "{}"] {
            assert!(!is_meant(event), "{event}");
        }
    }
}
