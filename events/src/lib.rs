//! What is said: the events of the system, the envelope they travel in, and their schemas.
//!
//! Nothing here does IO or knows an async runtime. The layers above depend on this crate, never the other way round.
//!
//! - [`Event`]: one struct per fact, with a stable type name, a version and a JSON Schema.
//! - [`Envelope`]: a CloudEvents 1.0 envelope around an event; [`AnyEnvelope`] when the event's type isn't known yet.
//! - [`Outgoing`]: an encoded event on its way to a topic; its body is what every consumer will read, byte for byte.
//! - [`catalogue`]: every event there is, with its schema, history and golden samples; [`reference()`] and [`asyncapi()`]
//!   are the documents made from it.
//! - [`Pointer`] and [`Blobs`]: the claim check, for bodies that are too large for a message.
//! - [`Clock`] and [`Rng`]: time and randomness, injected, so that a simulation can own them.
//!
//! # Examples
//!
//! Reading a body of which nothing is known yet: first the context, which tells the type, then the event itself.
//!
//! ```
//! use sendoff_events::{AnyEnvelope, AppAssigned, DecodeError, Event, SubmissionCreated};
//!
//! fn describe(body: &[u8]) -> Result<String, DecodeError> {
//!     let envelope = AnyEnvelope::decode(body)?;
//!     match envelope.header.event_type.name() {
//!         AppAssigned::TYPE => {
//!             let event = envelope.into_event::<AppAssigned>()?;
//!             Ok(format!("{} was given {}", event.data.user_id, event.data.app_id))
//!         }
//!         // Whatever its version: an older one is brought to the present shape.
//!         SubmissionCreated::TYPE => {
//!             let event = envelope.into_event::<SubmissionCreated>()?;
//!             Ok(format!("{} filled in {}", event.data.author_id, event.data.app_id))
//!         }
//!         _ => Err(DecodeError::UnknownType { found: envelope.header.event_type }),
//!     }
//! }
//!
//! let body = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/submission.created.v1.json"));
//! assert_eq!(describe(body).unwrap(), "ada filled in expenses");
//!
//! let refusal = describe(b"Hello!").unwrap_err();
//! assert_eq!(refusal.reason(), "not-json");
//! ```

mod app;
mod asyncapi;
mod blobs;
pub mod catalogue;
mod claim_check;
mod decode;
mod decode_error;
mod envelope;
mod envelope_schema;
mod event;
mod ids;
mod outgoing;
mod personal;
mod reference;
mod submission;
mod time;
mod traceparent;
mod workflow;

pub use app::{AppAssigned, AppUnassigned};
pub use asyncapi::asyncapi;
pub use blobs::{BlobError, BlobKey, Blobs};
pub use claim_check::{EXTENDED_SIZE_ATTRIBUTE, Pointer, PointerError};
pub use decode::MAX_BODY_BYTES;
pub use decode_error::DecodeError;
pub use envelope::{AnyEnvelope, Envelope, Header, LOAD_PREFIX, MAX_HOPS, Origin};
pub use event::{Event, EventType, EventTypeError, UpcastError};
pub use ids::{AppId, EventId, IdError, SubmissionId, TenantId, UserId, WebhookId, WorkflowId};
pub use outgoing::{EncodeError, Outgoing, OutgoingError};
pub use personal::Personal;
pub use reference::reference;
pub use submission::{SubmissionCreated, SubmissionUpdated};
pub use time::{BoxFuture, Clock, Rng, Timestamp, at_millis};
pub use traceparent::{TraceParent, TraceParentError};
pub use workflow::{ApprovalDecided, Decision, StepKind, WorkflowPublished, WorkflowRequested, WorkflowStep};
