//! What every host needs and no backend owns: the system's clock and its randomness, the machinery of configurations, the
//! systems that workflows may call, the running parts of a process, a server for HTTP, requests to stop it, and how a program ends.

mod clock;
pub mod config;
pub mod connections;
mod parts;
mod program;
#[cfg(feature = "server")]
pub mod server;
mod signals;

pub use clock::{SystemClock, SystemRng};
pub use parts::{PartError, Phase, Phases};
pub use program::{Exit, Stopped, end};
pub use signals::Signals;
