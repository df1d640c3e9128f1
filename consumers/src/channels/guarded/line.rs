//! The lines of those who were too fast: each is told a turn of its own.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_events::{Rng, Timestamp};

use crate::{
    moments::{is_of_another_time, later, since},
    rates::Moments,
};

/// The longest that a provider's word holds others up.
const MAX_HOLD: Duration = Duration::from_secs(10);
/// How long a line gets at most. Whoever comes later is put somewhere in it.
const MAX_LINE: Duration = Duration::from_secs(900);
/// How far apart turns are where no rate says it.
const APART: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Lines(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Until when nothing goes, as the provider said.
    holds: Moments,
    /// The last turn that was given away.
    ends: Moments,
}

impl Lines {
    /// Lets nothing of `bucket` go for a while.
    pub(super) fn hold(&self, bucket: &str, by: Duration, now: Timestamp) {
        let until = later(now, by.min(MAX_HOLD));
        let mut inner = self.inner();
        if inner.holds.get(bucket, now).is_none_or(|held| held < until) {
            inner.holds.set(bucket, until, now);
        }
    }

    /// How long nothing of `bucket` goes.
    pub(super) fn held(&self, bucket: &str, now: Timestamp) -> Option<Duration> {
        let until = self.inner().holds.get(bucket, now).filter(|until| !is_of_another_time(*until, MAX_HOLD, now));
        until.map(|until| since(now, until))
    }

    /// When it is the turn of a message that may not go for `wait`: an interval after the one before it, and up to an interval
    /// more, since other processes keep a line too.
    pub(super) fn turn(
        &self,
        bucket: &str,
        wait: Duration,
        interval: Option<Duration>,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Duration {
        let interval = interval.unwrap_or(APART);
        let first = later(now, wait);
        let mut inner = self.inner();
        let turn = match inner.ends.get(bucket, now) {
            Some(last) => later(last, interval).max(first),
            None => first,
        };
        let turn = if since(first, turn) > MAX_LINE {
            later(first, MAX_LINE.mul_f64(rng.next_f64()))
        } else {
            inner.ends.set(bucket, turn, now);
            turn
        };
        since(now, turn).saturating_add(interval.min(MAX_LINE).mul_f64(rng.next_f64()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
