//! A function that does actions which workflows call directly, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_consumers::{
    Limits,
    action::{ActionError, ActionErrorKind, ActionResult, Actions, is_action},
};
use sendoff_events::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::lambda::{ActionHost, Function, FunctionError, Invocation, answer, found};

/// Does what calls ask for.
pub(super) struct ActionFunction {
    parts: Parts,
    host: ActionHost,
}

impl ActionFunction {
    /// The function of these actions.
    pub(super) fn new(parts: Parts, actions: Arc<dyn Actions>) -> Self {
        let host = ActionHost::new(actions, parts.clock.clone());
        Self { parts, host }
    }
}

impl Function for ActionFunction {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        if !is_action(event.get()) {
            let expected = "a call of an action, or a ping of the warmer";
            return Err(FunctionError::Event { expected, found: found(event) });
        }
        answer(&self.host.handle(event, &invocation.deadline).await?)
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

/// Several actions behind one function: a call names the one that it wants.
#[derive(Default)]
pub(super) struct Several {
    by_name: BTreeMap<&'static str, Arc<dyn Actions>>,
}

impl Several {
    /// These, with one more.
    pub(super) fn with(mut self, name: &'static str, actions: impl Actions + 'static) -> Self {
        self.by_name.insert(name, Arc::new(actions));
        self
    }

    fn find(&self, call: &str) -> Result<&Arc<dyn Actions>, ActionError> {
        #[derive(Deserialize)]
        struct Named {
            action: String,
        }
        let named: Result<Named, _> = serde_json::from_str(call);
        named.ok().and_then(|named| self.by_name.get(named.action.as_str())).ok_or_else(|| {
            let names: Vec<_> = self.by_name.keys().map(|name| format!("`{name}`")).collect();
            invalid(format!("`action` must be {}: this function does nothing else", names.join(" or ")))
        })
    }
}

impl Actions for Several {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move { self.find(call)?.act(call, limits).await })
    }
}

/// The error of a call that will never do.
pub(super) fn invalid(message: impl Into<String>) -> ActionError {
    ActionError { kind: ActionErrorKind::Permanent, reason: "invalid-call".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{Stop, action::ActionStatus};
    use serde_json::{Map, json};

    use super::*;

    /// Says what it was called with.
    struct Echo(&'static str);

    impl Actions for Echo {
        fn act<'a>(&'a self, call: &'a str, _: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
            let outputs = Map::from_iter([("by".to_owned(), json!(self.0)), ("call".to_owned(), json!(call))]);
            let (provider, provider_id, reason) = (None, None, None);
            let told = ActionResult { status: ActionStatus::Done, provider, provider_id, reason, outputs };
            Box::pin(async move { Ok(told) })
        }
    }

    #[tokio::test]
    async fn a_call_goes_whole_to_the_action_that_it_names_and_to_no_other() {
        let several = Several::default().with("http", Echo("http")).with("database", Echo("database"));
        let limits = Limits { stop: Stop::never(), until: None };
        for name in ["http", "database"] {
            let call = format!(r#"{{"action":"{name}","x":1}}"#);
            let told = several.act(&call, &limits).await.unwrap();
            assert_eq!((&told.outputs["by"], &told.outputs["call"]), (&json!(name), &json!(call)));
        }
        for call in ["", "[]", "{}", r#"{"action":5}"#, r#"{"action":"record"}"#, r#"{"action":"http","action":"sms"}"#]
        {
            let error = several.act(call, &limits).await.unwrap_err();
            assert_eq!((error.kind, error.reason.as_str()), (ActionErrorKind::Permanent, "invalid-call"), "{call}");
            assert!(error.message.contains("`database` or `http`"), "{error}");
        }
    }
}
