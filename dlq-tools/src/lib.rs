//! How it is repaired: `dlq`, the on-call engineer's tool.
//!
//! Everything stands on the port [`DeadLetters`](sendoff_consumers::DeadLetters), so it works the same over a data folder and on AWS:
//!
//! - [`deployment`] opens what is looked at.
//! - [`letter`] says what a dead letter is about, whoever put it there.
//! - [`snapshot`] is a local copy of a queue; looking, choosing and planning work on it.
//! - [`select`] chooses letters, [`edit`] changes them.
//! - [`plan`] says what a replay would do, and [`run`] does exactly that.
//! - [`archive`] keeps letters elsewhere. [`doctor`] looks for misconfiguration.
//! - [`view`] shows letters, without what [`redact`] hides.
//! - [`hydrate`] finds the changes that pointers point to. [`executions`] are workflow runs that failed.
//! - [`verbs`] is the command line, and `tui` the same on one screen.

pub mod archive;
pub mod deployment;
pub mod disk;
pub mod doctor;
pub mod edit;
pub mod executions;
pub mod hydrate;
pub mod letter;
pub mod plan;
pub mod redact;
pub mod run;
pub mod select;
pub mod session;
pub mod snapshot;
#[cfg(feature = "tui")]
pub mod tui;
pub mod verbs;
pub mod view;

pub use session::Session;
pub use verbs::dlq;
#[cfg(feature = "tui")]
pub use verbs::dlq_at;
