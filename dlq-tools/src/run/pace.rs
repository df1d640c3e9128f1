//! No faster than the plan says.

use std::time::Duration;

use sendoff_events::Timestamp;

use super::tick::{after, at_most};

/// A limit of so many letters a second.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u32,
    /// When all that was let through so far is paid for.
    paid: Timestamp,
    /// The most that was paid at once.
    dearest: Duration,
}

impl Pace {
    /// `rate` a second from now on; 0 for no limit.
    pub(super) const fn new(rate: u32, now: Timestamp) -> Self {
        Self { rate, paid: now, dearest: Duration::ZERO }
    }

    /// The most that goes through at once: what half a second pays for, so that a slow rate isn't a row of thrusts.
    pub(super) const fn most(&self, batch: usize) -> usize {
        let half = (self.rate / 2) as usize;
        if self.rate == 0 || half > batch {
            batch
        } else if half == 0 {
            1
        } else {
            half
        }
    }

    /// How long the next has to wait. That is never longer than for what went through at once, also after the clock was set back.
    pub(super) fn wait(&mut self, now: Timestamp) -> Duration {
        self.paid = at_most(self.paid, now, self.dearest);
        self.paid.duration_since(now).try_into().unwrap_or_default()
    }

    /// Pays for `count` letters that go through now.
    pub(super) fn pay(&mut self, count: usize, now: Timestamp) {
        if self.rate > 0 {
            let price = Duration::from_secs(1).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)) / self.rate;
            self.paid = after(self.paid.max(now), price);
            self.dearest = self.dearest.max(price);
        }
    }

    /// Takes back what was paid for letters that didn't go through.
    pub(super) fn refund(&mut self, count: usize) {
        if self.rate > 0 {
            let price = Duration::from_secs(1).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)) / self.rate;
            self.paid = self.paid.checked_sub(price).unwrap_or(Timestamp::MIN);
        }
    }
}
