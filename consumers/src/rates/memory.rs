//! Buckets in the process's memory: enough where one process does all the sending.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sendoff_events::{BoxFuture, Timestamp};

use super::{Rate, Rates, RatesError, gcra};
use crate::moments::is_of_another_time;

/// How many buckets are kept at most.
const MAX: usize = 10_000;

/// Moments by name, each forgotten once it is past. At most [`MAX`]: beyond that those that would be past first are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Moments(HashMap<String, Timestamp>);

impl Moments {
    /// The moment of that name, if it is still to come.
    pub(crate) fn get(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.0.get(name).copied().filter(|moment| *moment > now)
    }

    /// Keeps a moment.
    pub(crate) fn set(&mut self, name: &str, moment: Timestamp, now: Timestamp) {
        if let Some(kept) = self.0.get_mut(name) {
            *kept = moment;
            return;
        }
        if self.0.len() >= MAX {
            self.make_room(now);
        }
        self.0.insert(name.to_owned(), moment);
    }

    /// Forgets what is past; if that is little, as much again of what will be past first. Looking through all of them is paid for
    /// by as many that come in afterwards.
    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, moment| *moment > now);
        if self.0.len() > MAX - MAX / 10 {
            let mut moments: Vec<Timestamp> = self.0.values().copied().collect();
            let (_, limit, _) = moments.select_nth_unstable(MAX / 10);
            let limit = *limit;
            self.0.retain(|_, moment| *moment > limit);
        }
    }
}

/// Rate limits of one process.
#[derive(Debug, Default)]
pub struct MemoryRates(Mutex<Moments>);

impl MemoryRates {
    /// Buckets that are all full.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn take_now(&self, bucket: &str, rate: Rate, now: Timestamp) -> Option<Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = rate.tolerance().saturating_add(rate.step());
        let full_at = buckets.get(bucket, now).filter(|full_at| !is_of_another_time(*full_at, longest, now));
        match gcra(full_at, rate, now) {
            Ok(tat) => {
                buckets.set(bucket, tat, now);
                None
            }
            Err(wait) => Some(wait),
        }
    }
}

impl Rates for MemoryRates {
    fn take<'a>(
        &'a self,
        bucket: &'a str,
        rate: Rate,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Duration>, RatesError>> {
        Box::pin(async move { Ok(self.take_now(bucket, rate, now)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
    }

    #[test]
    fn each_bucket_is_counted_by_itself() {
        let rates = MemoryRates::new();
        let rate = Rate { interval: Duration::from_secs(1), burst: 1 };
        let take = |bucket, millis| futures::executor::block_on(rates.take(bucket, rate, at(millis))).unwrap();
        assert_eq!(take("twilio/a", 0), None);
        assert_eq!(take("twilio/b", 0), None);
        assert_eq!(take("twilio/a", 400), Some(Duration::from_millis(600)));
        assert_eq!(take("twilio/a", 1000), None);
    }

    #[test]
    fn ever_new_buckets_do_not_fill_the_memory_and_do_not_free_the_busy_ones() {
        let rates = MemoryRates::new();
        let rate = Rate { interval: Duration::from_secs(3600), burst: 1 };
        let busy = Rate { interval: Duration::from_secs(7200), burst: 1 };
        rates.take_now("busy", busy, at(0));
        for i in 0..2 * MAX {
            rates.take_now(&i.to_string(), rate, at(i64::try_from(i).unwrap()));
        }
        assert!(rates.0.lock().unwrap().0.len() <= MAX);
        assert!(rates.take_now("busy", busy, at(0)).is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_a_bucket_for_as_long_as_it_was_ahead() {
        const AHEAD: i64 = 7_200_000;
        let rates = MemoryRates::new();
        let rate = Rate { interval: Duration::from_secs(1), burst: 2 };
        for _ in 0..2 {
            assert_eq!(rates.take_now("sms", rate, at(AHEAD)), None);
        }
        assert_eq!(rates.take_now("sms", rate, at(AHEAD)), Some(Duration::from_secs(1)));
        // Another thread may have looked at the clock later.
        assert_eq!(rates.take_now("sms", rate, at(AHEAD - 1)), Some(Duration::from_millis(1001)));
        assert_eq!(rates.take_now("sms", rate, at(0)), None);
        assert_eq!(rates.take_now("sms", rate, at(0)), None);
        assert_eq!(rates.take_now("sms", rate, at(0)), Some(Duration::from_secs(1)));
    }
}
