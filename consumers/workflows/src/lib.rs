//! Workflows that users define: what an app does after a submission.
//!
//! One definition, two targets. A definition is what an author wrote, JSON or YAML; [`Plan`] is the same, checked: every
//! expression has its type, every name is known. The plan is printed as a Step Functions state machine or carried out by
//! the embedded engine, and both take the same way through it.
//!
//! Nothing here does IO or knows an async runtime, a clock or a random number.

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod asl;
pub mod definition;
pub mod draw;
pub mod engine;
pub mod expr;
mod place;
pub mod plan;
mod problem;
mod published;
pub mod sql;
mod types;
mod uses;

pub use definition::Definition;
pub use plan::Plan;
pub use problem::{Problem, Problems, Span};
pub use published::Published;
pub use types::Type;
pub use uses::Use;
