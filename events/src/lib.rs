//! What is said: the events of the system, the envelope they travel in, and their schemas.
//!
//! Nothing here does IO or knows an async runtime. The layers above depend on this crate, never the other way round.
//!
//! - [`Event`]: one struct per fact, with a stable type name, a version and a JSON Schema.
//! - [`Envelope`]: a CloudEvents 1.0 envelope around an event; [`AnyEnvelope`] when the event's type isn't known yet.
//! - [`Outgoing`]: an encoded event on its way to a topic; its body is what every consumer will read, byte for byte.
//! - [`Clock`] and [`Rng`]: time and randomness, injected, so that a simulation can own them.

mod app;
mod blobs;
pub mod catalogue;
mod claim_check;
mod decode;
mod envelope;
mod event;
mod ids;
mod outgoing;
mod personal;
mod submission;
mod time;
mod traceparent;

pub use app::{AppAssigned, AppUnassigned};
pub use blobs::{BlobError, BlobKey, Blobs};
pub use claim_check::{EXTENDED_SIZE_ATTRIBUTE, Pointer, PointerError};
pub use decode::{DecodeError, MAX_BODY_BYTES};
pub use envelope::{AnyEnvelope, Envelope, Header, Origin};
pub use event::{Event, EventType, EventTypeError, UpcastError};
pub use ids::{AppId, EventId, IdError, SubmissionId, TenantId, UserId};
pub use outgoing::{EncodeError, Outgoing};
pub use personal::Personal;
pub use submission::{SubmissionCreated, SubmissionUpdated};
pub use time::{BoxFuture, Clock, Rng, Timestamp, at_millis};
pub use traceparent::{TraceParent, TraceParentError};
