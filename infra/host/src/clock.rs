//! The real clock and the real randomness: the only place of this crate that asks the system for either.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};

/// The system's time, and tokio's timer to wait by.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that everything else takes the time from")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Random numbers, seeded by the operating system: `SplitMix64`, which within a process never gives the same number twice,
/// and that is what a fence needs. Not for secrets.
#[derive(Debug)]
pub struct SystemRng(AtomicU64);

impl SystemRng {
    /// A generator with a fresh seed.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().build_hasher().finish()))
    }
}

impl Default for SystemRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for SystemRng {
    fn next_u64(&self) -> u64 {
        // Sebastiano Vigna, https://prng.di.unimi.it/splitmix64.c (public domain).
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_do_not_repeat_and_two_generators_differ() {
        let (one, other) = (SystemRng::new(), SystemRng::new());
        let drawn: HashSet<u64> = (0..1000).flat_map(|_| [one.next_u64(), other.next_u64()]).collect();
        assert_eq!(drawn.len(), 2000);
    }
}
