//! What can be said of a call without doing it.

use sendoff_producers::model::Channel;

use super::{
    ActionError, WEBHOOK,
    call::Call,
    database::{DATABASE, DatabaseCall},
    http::{HTTP, HttpCall},
    messages,
    record::{RECORD, RecordCall},
};

/// Whether `action` would take the call, as far as its text says: it is read as the action reads it, and nobody is asked. Whether its
/// connection, its user or its app is there stays open. An approval is none of these actions: [`approval_mails`](super::approval_mails)
/// says the same of its calls.
///
/// # Errors
///
/// What the action would answer on sight.
pub fn check_call(action: &str, call: &str) -> Result<(), ActionError> {
    match action {
        HTTP => HttpCall::read(call).map(drop),
        DATABASE => DatabaseCall::read(call).map(drop),
        RECORD => RecordCall::read(call).map(drop),
        WEBHOOK => Call::read(WEBHOOK, call).map(drop),
        name => match Channel::ALL.into_iter().find(|channel| channel.name() == name) {
            Some(channel) => messages::read(channel, call).map(drop),
            None => Err(ActionError::invalid("there is no such action")),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::action::ActionErrorKind;

    fn checked(action: &str, fields: Value) -> Result<(), ActionError> {
        let mut call = json!({ "action": action, "idempotency_key": "run/step", "tenant": "acme" });
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        check_call(action, &call.to_string())
    }

    #[test]
    fn every_action_takes_its_own_calls() {
        for (action, fields) in [
            ("email", json!({ "to": { "address": "ada@example.org" }, "subject": "S", "text": "T" })),
            ("sms", json!({ "to": { "address": "+4915187654321" }, "text": "T" })),
            ("whatsapp", json!({ "to": { "user": "ada" }, "text": "T" })),
            ("push", json!({ "to": { "user": "ada" }, "title": "T", "body": "B" })),
            ("webhook", json!({ "to": { "app": "crm", "webhook": "w" }, "payload": 1 })),
            ("http", json!({ "connection": "c", "method": "GET", "path": ["orders", "7"] })),
            ("database", json!({ "connection": "c", "sql": "select :n", "params": { "n": 1 } })),
            ("record", json!({ "app": "crm", "author": "ada", "create": { "fields": {} } })),
        ] {
            assert_eq!(checked(action, fields), Ok(()), "{action}");
        }
    }

    #[test]
    fn what_an_action_refuses_on_sight_is_refused_in_its_words() {
        for (action, fields, why) in [
            (
                "email",
                json!({ "to": { "address": "../admin" }, "subject": "S", "text": "T" }),
                "`to.address` can't be used",
            ),
            ("sms", json!({ "to": { "address": "0151" }, "text": "T" }), "`to.address` can't be used"),
            ("sms", json!({ "to": { "user": "ada" }, "text": "" }), "`text` must have 1 to"),
            ("whatsapp", json!({ "to": { "user": "" }, "text": "T" }), "`to.user` must have 1 to"),
            ("push", json!({ "to": { "address": "a b" }, "title": "T", "body": "B" }), "`to.address` can't be used"),
            ("http", json!({ "connection": "c", "method": "GET", "path": ["../admin"] }), "`path` must be without"),
            (
                "http",
                json!({ "connection": "c", "method": "GET", "path": "/", "headers": { "X": "a\r\n" } }),
                "no header can have",
            ),
            ("database", json!({ "connection": "c", "sql": "select :n" }), "has no `n`"),
            ("record", json!({ "app": "crm", "author": "", "create": { "fields": {} } }), "`author` must have 1 to"),
            ("fax", json!({}), "there is no such action"),
        ] {
            let error = checked(action, fields).unwrap_err();
            assert!(error.kind == ActionErrorKind::Permanent && error.message.contains(why), "{action}: {error}");
        }
    }
}
