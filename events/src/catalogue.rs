//! All events there are: what the schemas, the documents and every check over "each event" are made from.

use schemars::Schema;
use serde_json::Value;

use crate::{
    AnyEnvelope, AppAssigned, AppUnassigned, DecodeError, Event, EventType, SubmissionCreated, SubmissionUpdated,
};

/// What is known of one event.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event's type at its present version.
    pub event_type: EventType,
    /// The JSON Schema of its data.
    pub schema: fn() -> Schema,
    /// Decodes any version of it and gives the data in the shape of the present one.
    pub normalise: fn(AnyEnvelope<'_>) -> Result<Value, DecodeError>,
}

impl Entry {
    fn of<E: Event>() -> Self {
        Self { event_type: EventType::of::<E>(), schema: || schemars::schema_for!(E), normalise: normalise::<E> }
    }
}

fn normalise<E: Event>(envelope: AnyEnvelope<'_>) -> Result<Value, DecodeError> {
    let event = envelope.into_event::<E>()?;
    let event_type = EventType::of::<E>();
    serde_json::to_value(&event.data).map_err(|source| DecodeError::BadData { event_type, source })
}

/// Every event, sorted by name. A new event is added here and nowhere else.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        Entry::of::<AppAssigned>(),
        Entry::of::<AppUnassigned>(),
        Entry::of::<SubmissionCreated>(),
        Entry::of::<SubmissionUpdated>(),
    ]
}
