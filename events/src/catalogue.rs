//! All events there are: what the schemas, the documents and every check over "each event" are made from.

use schemars::{Schema, SchemaGenerator, schema_for};
use serde_json::Value;

use crate::{
    AnyEnvelope, AppAssigned, AppUnassigned, ApprovalDecided, DecodeError, Event, EventType, SubmissionCreated,
    SubmissionUpdated, WorkflowPublished, WorkflowRequested, WorkflowStep, envelope::data_schema,
};

/// What is known of one event.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event's type at its present version.
    pub event_type: EventType,
    /// The JSON Schema (2020-12) of its data at the present version, as committed under `schemas/`.
    pub schema: fn() -> Schema,
    /// Defines the data's schema in a generator, for a document that holds many schemas, and gives the reference to it.
    pub define: fn(&mut SchemaGenerator) -> Schema,
    /// Decodes any version of it and gives the data in the shape of the present one.
    pub normalise: fn(AnyEnvelope<'_>) -> Result<Value, DecodeError>,
    /// Decodes any version of it and gives what its data says that it is about: what `subject` has to be.
    pub subject: fn(AnyEnvelope<'_>) -> Result<String, DecodeError>,
    /// Every version there ever was, oldest first. All of them can be read, the last one is written.
    pub versions: &'static [Version],
}

/// One version of an event.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// The release of Sendoff that first wrote it; `none` when it was replaced before the first release.
    pub release: &'static str,
    /// What changed since the version before, and how data of that version is brought to this one.
    pub change: &'static str,
    /// Golden envelopes as they stand on the wire (but laid out for reading), at least one: [`AnyEnvelope::decode`]
    /// reads them for as long as the event exists.
    pub samples: &'static [&'static str],
}

impl Entry {
    fn of<E: Event>(versions: &'static [Version]) -> Self {
        Self {
            event_type: EventType::of::<E>(),
            schema: schema::<E>,
            define: SchemaGenerator::subschema_for::<E>,
            normalise: normalise::<E>,
            subject: |envelope| Ok(envelope.into_event::<E>()?.data.subject()),
            versions,
        }
    }

    /// The golden envelopes of all versions, oldest version first.
    pub fn samples(&self) -> impl Iterator<Item = &'static str> {
        self.versions.iter().flat_map(|version| version.samples.iter().copied())
    }
}

fn schema<E: Event>() -> Schema {
    let mut schema = schema_for!(E);
    schema.insert("$id".into(), data_schema(&EventType::of::<E>()).into());
    schema
}

fn normalise<E: Event>(envelope: AnyEnvelope<'_>) -> Result<Value, DecodeError> {
    let event = envelope.into_event::<E>()?;
    let event_type = EventType::of::<E>();
    serde_json::to_value(&event.data).map_err(|source| DecodeError::BadData { event_type, source })
}

/// The names of the events that people and other systems are told of, sorted. The others are between workflows and what runs them.
pub const TOLD: [&str; 4] = [AppAssigned::TYPE, AppUnassigned::TYPE, SubmissionCreated::TYPE, SubmissionUpdated::TYPE];

const FIRST: &str = "First version.";

/// Every event, sorted by name. A new event is added here and nowhere else.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        Entry::of::<AppAssigned>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[
                include_str!("../samples/app.assigned.v1.json"),
                include_str!("../samples/app.assigned.v1.minimal.json"),
            ],
        }]),
        Entry::of::<AppUnassigned>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[include_str!("../samples/app.unassigned.v1.json")],
        }]),
        Entry::of::<ApprovalDecided>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[
                include_str!("../samples/approval.decided.v1.json"),
                include_str!("../samples/approval.decided.v1.minimal.json"),
            ],
        }]),
        Entry::of::<SubmissionCreated>(&[
            Version {
                number: 1,
                release: "none",
                change: FIRST,
                samples: &[include_str!("../samples/submission.created.v1.json")],
            },
            Version {
                number: 2,
                release: "0.1.0",
                change: "`submitted_by` is now `author_id`. `revision` is new: 1 for every submission of version 1.",
                samples: &[
                    include_str!("../samples/submission.created.v2.json"),
                    include_str!("../samples/submission.created.v2.minimal.json"),
                ],
            },
        ]),
        Entry::of::<SubmissionUpdated>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[include_str!("../samples/submission.updated.v1.json")],
        }]),
        Entry::of::<WorkflowPublished>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[include_str!("../samples/workflow.published.v1.json")],
        }]),
        Entry::of::<WorkflowRequested>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[
                include_str!("../samples/workflow.requested.v1.json"),
                include_str!("../samples/workflow.requested.v1.minimal.json"),
            ],
        }]),
        Entry::of::<WorkflowStep>(&[Version {
            number: 1,
            release: "0.1.0",
            change: FIRST,
            samples: &[include_str!("../samples/workflow.step.v1.json")],
        }]),
    ]
}
