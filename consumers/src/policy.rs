//! How a handler is run: attempts, backoff, timeout, and what its effect allows.

use std::time::Duration;

use sendoff_events::Rng;

use crate::Backoff;

/// What may happen to a message, declared by its handler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// How often it is run before it is dead-lettered. Counted when an attempt begins, so that a crash loop ends too.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How long to wait where it is put off, which uses up no attempt, and nobody has said for how long. By the deliveries.
    pub deferral: Backoff,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What doing it twice would mean.
    pub effect: Effect,
    /// What to do when the outcome of an effect is unknown.
    pub on_doubt: OnDoubt,
}

/// How many times as long as a provider has said it is waited at most.
const STRETCH: u32 = 240;

impl Policy {
    /// Five attempts over about a minute, 30 s each, for an effect that may be repeated.
    pub const DEFAULT: Self = Self {
        max_attempts: 5,
        backoff: Backoff::DEFAULT,
        deferral: Backoff::DEFAULT,
        timeout: Duration::from_secs(30),
        effect: Effect::Repeatable,
        on_doubt: OnDoubt::Hold { window: Duration::ZERO },
    };

    /// How long to wait where a provider says that it is too fast, and for how long. Each wait is a delivery, of which queues
    /// allow so many, so its word counts between the deferral at that many deliveries and the longest deferral. Deliveries that
    /// waited for something else count as well, so no more than [`STRETCH`] times as much is made of its word.
    pub(crate) fn patience(&self, told: Duration, deliveries: u32, rng: &dyn Rng) -> Duration {
        let least = self.deferral.delay(deliveries, rng).min(told.saturating_mul(STRETCH));
        told.max(least).min(self.deferral.cap)
    }
}

/// What doing a thing twice would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Harmless: a conditional write, a start by name. Not marked before it begins.
    Repeatable,
    /// Somebody would notice: a message. Marked as *sending* before it begins, at the cost of one write.
    Once,
}

/// What to do when a `Once` effect may or may not have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDoubt {
    /// Do it again, with the same idempotency key: better twice than never. As often, and after as long, as after a failure:
    /// for effects that the other side knows again by their key.
    Resend,
    /// As [`Resend`](Self::Resend), but later and not so often: for effects of which somebody notices each. Afterwards it is
    /// dead-lettered as `outcome-unknown` for a person to resolve.
    ResendSeldom {
        /// How often it is done again at most while its outcome remains unknown.
        times: u32,
        /// How long to wait before each: at least half of what this says. A peer that broke off needs time to come to itself.
        backoff: Backoff,
    },
    /// Don't: wait `window` for the provider's status callback, then dead-letter as `outcome-unknown` for a person to resolve.
    Hold {
        /// How long to wait.
        window: Duration,
    },
}

impl OnDoubt {
    /// Whether what may have happened is done again without anybody's decision.
    #[must_use]
    pub const fn resends(&self) -> bool {
        matches!(self, Self::Resend | Self::ResendSeldom { .. })
    }

    /// Whether it is done again once so many attempts have ended in doubt.
    pub(crate) const fn resends_after(&self, unknowns: u32) -> bool {
        match self {
            Self::Resend => true,
            Self::ResendSeldom { times, .. } => unknowns <= *times,
            Self::Hold { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the longest wait.
    struct Most;

    impl Rng for Most {
        fn next_u64(&self) -> u64 {
            u64::MAX
        }
    }

    #[test]
    fn a_provider_s_word_counts_between_the_deferral_so_far_and_its_longest() {
        let deferral = Backoff { base: Duration::from_secs(10), cap: Duration::from_secs(4 * 3600) };
        let policy = Policy { deferral, ..Policy::DEFAULT };
        let waits =
            |told, deliveries| policy.patience(Duration::from_secs(told), deliveries, &Most).as_secs_f64().ceil();
        assert_eq!([waits(1, 1), waits(1, 2), waits(1, 5), waits(1, 60)], [10.0, 20.0, 160.0, 240.0]);
        assert_eq!([waits(30, 5), waits(30, 60)], [160.0, 7200.0]);
        assert_eq!([waits(60, 1), waits(60, 3)], [60.0, 60.0], "what is longer than the deferral counts");
        assert_eq!([waits(36_000, 1), waits(u64::MAX, 1)], [14_400.0, 14_400.0]);
    }
}
