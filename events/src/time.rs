//! Time and randomness come in through these two traits, so that a test or a simulation can own both.

use std::{future::Future, pin::Pin, time::Duration};

pub use jiff::Timestamp;

/// A boxed future, the return type of every port: object-safe, and no runtime is named.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The time, and a way to wait for it.
pub trait Clock: Send + Sync {
    /// The present moment. Envelopes and records keep it in milliseconds: see [`at_millis`].
    fn now(&self) -> Timestamp;

    /// Resolves once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A source of random numbers. Need not be cryptographic: it feeds jitter, fences and the random part of ids.
pub trait Rng: Send + Sync {
    /// 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;

    /// A uniformly distributed number in `0.0..1.0`.
    fn next_f64(&self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The moment cut to whole milliseconds, the precision in which everything is stored and sent.
#[must_use]
pub fn at_millis(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}
