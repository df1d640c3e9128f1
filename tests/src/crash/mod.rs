//! The crash test: a process that publishes and handles events while it is killed again and again, and the world outside
//! of it, which remembers what really happened.
//!
//! The child (bin `crash_child`) runs [`Child`]; the parent is `tests/suite/crash.rs`. Between them stands a [`Provider`] in
//! the parent, so its counts survive every kill.

mod child;
mod clock;
mod handlers;
mod link;
mod provider;
pub mod workflow;

pub use child::Child;
pub use clock::FastClock;
pub use provider::Provider;

/// The consumer whose effect may be repeated.
pub const REPEATABLE: &str = "audit";
/// The consumer whose effect may happen once, and is held when in doubt.
pub const HELD: &str = "text";
/// The consumer whose effect may happen once, and is sent again when in doubt.
pub const RESENT: &str = "mail";
/// The one step that each of them has.
pub const STEP: &str = "effect";
