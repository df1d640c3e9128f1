//! By the table: state and event in one commit.

use std::borrow::Cow;

use sendoff_events::{AnyEnvelope, Clock, Outgoing, at_millis};
use sendoff_producers::{
    CommitError, Expected, RecordKey, Records, UnitOfWork, Write,
    model::{Stored as _, Submission},
};
use serde_json::{Map, Value, json};

use super::{Sent, event, misplaced, refused};
use crate::target::{Accepted, Parcel, SendError};

/// Commits an event with a submission that it tells of. The same event again writes the same record again.
pub(super) async fn send(records: &dyn Records, clock: &dyn Clock, parcel: &Parcel) -> Sent {
    let Some(event) = event(parcel) else { return misplaced("table") };
    let Some((key, data)) = state(event) else { return refused("its body is no envelope") };
    let work = UnitOfWork::new(event.tenant().clone(), "load", at_millis(clock.now()))
        .write(Write { key, expected: Expected::Any, data: Some(data) })
        .tell(event.clone());
    match records.commit(work).await {
        Ok(_) => Ok(Accepted { events: vec![event.id()] }),
        Err(error @ CommitError::Unavailable(_)) => Err(SendError::Unknown(error.to_string())),
        Err(error) => refused(&error.to_string()),
    }
}

/// The submission that the event tells of; one of its own where it tells of something else.
fn state(event: &Outgoing) -> Option<(RecordKey, Value)> {
    let envelope = AnyEnvelope::decode(event.body()).ok()?;
    let told: Map<String, Value> = serde_json::from_str(envelope.data.get()).ok()?;
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let id = event.id().to_string();
    let (app, submission) = (text("app_id").unwrap_or("load"), text("submission_id").unwrap_or(&id));
    let author = ["author_id", "editor_id", "user_id"].into_iter().find_map(text).unwrap_or("load");
    let data = json!({
        "app_id": app,
        "submission_id": submission,
        "author_id": author,
        "revision": told.get("revision").and_then(Value::as_u64).unwrap_or(1),
        "fields": { "load": envelope.header.correlation },
    });
    let key = RecordKey::new(event.tenant(), Cow::Borrowed(Submission::COLLECTION), format!("{app}/{submission}"));
    Some((key, data))
}
