//! Making the part of the template that holds data: topic, queues, tables, buckets, the state machine and the schedules'
//! group. For whoever runs the code elsewhere, such as the demo. What is deployed for good is deployed from the template as a
//! whole.

mod document;
mod stack;
mod subset;

pub use document::{TemplateError, read};
pub use stack::{ProvisionError, Stack};
pub use subset::data;
