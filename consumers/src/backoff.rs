//! How long to wait before the next attempt: exponential, capped, with full jitter
//! (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).

use std::time::Duration;

use backon::BackoffBuilder;
use sendoff_events::Rng;

/// The wait doubles from `base` at each attempt up to `cap`; the actual wait is drawn evenly from zero to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Backoff {
    /// From 1 s up to 15 minutes.
    pub const DEFAULT: Self = Self { base: Duration::from_secs(1), cap: Duration::from_secs(900) };

    /// The longest possible wait after failure number `failures`, from 1.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        // 64 doublings overflow any cap, so the sequence need not be walked any further.
        let failures = failures.clamp(1, 64) as usize;
        backon::ExponentialBuilder::new()
            .with_min_delay(self.base)
            .with_max_delay(self.cap)
            .with_factor(2.0)
            .without_max_times()
            .build()
            .nth(failures - 1)
            .unwrap_or(self.cap)
            .min(self.cap)
    }

    /// The wait after failure number `failures`, from 1.
    #[must_use]
    pub fn delay(&self, failures: u32, rng: &dyn Rng) -> Duration {
        self.ceiling(failures).mul_f64(rng.next_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(20) };

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let seconds: Vec<u64> = (1..=7).map(|n| BACKOFF.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(BACKOFF.ceiling(u32::MAX).as_secs(), 20);
        assert_eq!(BACKOFF.ceiling(0).as_secs(), 1);
    }

    #[test]
    fn the_delay_is_drawn_from_the_whole_range() {
        struct Fixed(u64);
        impl Rng for Fixed {
            fn next_u64(&self) -> u64 {
                self.0
            }
        }
        assert_eq!(BACKOFF.delay(4, &Fixed(0)), Duration::ZERO);
        assert_eq!(BACKOFF.delay(4, &Fixed(1 << 63)), Duration::from_secs(4));
        assert!(BACKOFF.delay(4, &Fixed(u64::MAX)) <= Duration::from_secs(8));
    }
}
