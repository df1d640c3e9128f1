//! What every host needs and no backend owns: the system's clock and its randomness.

mod clock;

pub use clock::{SystemClock, SystemRng};
