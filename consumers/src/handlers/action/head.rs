//! What every call begins with.

use std::collections::BTreeMap;

use sendoff_events::{EventId, TenantId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ActionError, fields::Fields};
use crate::{DeliveryId, IdempotencyKey, load};

/// The most bytes of a call: what Step Functions lets a task hand over.
pub(super) const MAX_CALL: usize = 256 * 1024;
/// The most bytes of an idempotency key: the ARN of an execution, and a step.
const MAX_KEY: usize = 512;
/// The most bytes of a subject, a title or a name.
pub(super) const MAX_LINE: usize = 500;

/// Where the mail of an approval has what it says.
const APPROVAL: &str = "/template/data/approval";

/// What tells a call from all others.
pub(super) struct Head {
    /// The work that it is: the consumer and an id made of the call's idempotency key.
    pub(super) key: IdempotencyKey,
    /// The same id by itself.
    pub(super) id: EventId,
    /// What the caller calls it: `{run}/{step}`.
    pub(super) idempotency_key: String,
    /// How often its run was taken up again after it had failed.
    pub(super) redrive: u32,
    /// Of all that it asks for.
    pub(super) hash: [u8; 32],
    pub(super) tenant: TenantId,
}

impl Head {
    /// Whether the run that calls was started by an event of a load test.
    pub(super) fn is_of_load_test(&self) -> bool {
        load::is_run(&self.idempotency_key)
    }

    /// The head of a call of `action`, and the fields that are left.
    pub(super) fn read(action: &'static str, text: &str) -> Result<(Self, Fields), ActionError> {
        if text.len() > MAX_CALL {
            return Err(ActionError::invalid(format!("the call has more than {MAX_CALL} bytes")));
        }
        let mut whole: Value = serde_json::from_str(text).map_err(|_| ActionError::invalid("the call is no JSON"))?;
        let mut fields = Fields::of("", whole.clone())?;
        if fields.text("action", MAX_LINE)? != action {
            return Err(fields.wrong("action", format_args!("must be `{action}`: this function does nothing else")));
        }
        let idempotency_key = fields.text("idempotency_key", MAX_KEY)?;
        if idempotency_key.chars().any(char::is_control) {
            return Err(fields.wrong("idempotency_key", "must be without control characters"));
        }
        let redrive = fields.number("redrive")?;
        let tenant: TenantId = fields.parsed("tenant", "the name of a tenant")?;
        // A run that is taken up again asks for the same.
        if let Some(map) = whole.as_object_mut() {
            map.remove("redrive");
        }
        // So does an approval whose link has another address by now, or another signature: what it is for stands in the key.
        if let Some(approval) = whole.pointer_mut(APPROVAL).and_then(Value::as_object_mut) {
            approval.remove("url");
        }
        let id = event_id(action, &tenant, &idempotency_key);
        let key = IdempotencyKey::new(action, id);
        let hash = Sha256::digest(canonical(&whole)).into();
        Ok((Self { key, id, idempotency_key, redrive, hash, tenant }, fields))
    }
}

/// The actions that keep a record of each call.
const RECORDED: [&str; 8] = ["email", "sms", "whatsapp", "push", "webhook", "http", "database", "record"];

/// The key of the record that `action` keeps of a call.
pub(super) fn record_key(action: &str, tenant: &TenantId, idempotency_key: &str) -> IdempotencyKey {
    IdempotencyKey::new(action, event_id(action, tenant, idempotency_key))
}

/// The keys of the records that a call may have, whichever action it is of.
pub fn record_keys(tenant: &TenantId, idempotency_key: &str) -> impl Iterator<Item = IdempotencyKey> {
    RECORDED.into_iter().map(move |action| record_key(action, tenant, idempotency_key))
}

/// Whether a record is one that an action keeps of a call of a workflow. Then no message goes on with it, but its run.
#[must_use]
pub fn is_call(id: &DeliveryId) -> bool {
    let is_made = |event: EventId| event.as_bytes()[6] >> 4 == 8;
    RECORDED.contains(&id.key.consumer()) && id.event().is_some_and(is_made)
}

/// Whether somebody means an action at all, whichever it is.
pub(super) fn is_one(event: &str) -> bool {
    /// Whatever else stands there, the name of the field and its being text are enough.
    #[derive(serde::Deserialize)]
    struct Shape {
        #[expect(dead_code, reason = "that it is there is what is looked for")]
        action: String,
    }
    serde_json::from_str::<Shape>(event).is_ok()
}

/// The id that stands in place of an event's: a UUID version 8 (RFC 9562) of what tells the call from all others.
fn event_id(action: &str, tenant: &TenantId, idempotency_key: &str) -> EventId {
    let mut hash = Sha256::new();
    for part in [action, tenant.as_str(), idempotency_key] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|n| digest[n]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes)
}

/// The same text for the same value, however its fields were ordered.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let fields =
                sorted.into_iter().map(|(name, value)| format!("{}:{}", Value::from(&**name), canonical(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_call_is_told_from_one_of_an_event() {
        let tenant: TenantId = "acme".parse().unwrap();
        let of = |key| DeliveryId::new(key, "call");
        assert!(record_keys(&tenant, "run/step").map(of).all(|id| is_call(&id)));
        let event: EventId = "0198c5a0-7b6e-7000-8000-000000000001".parse().unwrap();
        assert!(!is_call(&of(IdempotencyKey::new("email", event))));
        let other = event_id("other", &tenant, "run/step");
        assert!(!is_call(&of(IdempotencyKey::new("workflow-kickoff", other))));
    }
}
