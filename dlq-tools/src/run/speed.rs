//! How fast letters go: over the last while, so that what was watched or waited for before doesn't count.

use std::{collections::VecDeque, time::Duration};

use sendoff_events::Timestamp;

use super::tick::after;

/// Over how long it is measured.
const WHILE: Duration = Duration::from_secs(10);

/// How many letters had been sent at moments of the last while.
#[derive(Debug, Default)]
pub(super) struct Speed(VecDeque<(Timestamp, u64)>);

impl Speed {
    /// From now on, when so many were sent.
    pub(super) fn begin(&mut self, now: Timestamp, sent: u64) {
        self.0.clear();
        self.0.push_back((now, sent));
    }

    /// How many go a second, now that so many were sent; 0 when that can't be told yet.
    pub(super) fn rate(&mut self, now: Timestamp, sent: u64) -> f64 {
        if self.0.back().is_none_or(|(at, _)| *at > now) {
            // The clock was set back.
            self.begin(now, sent);
        }
        self.0.push_back((now, sent));
        while self.0.get(1).is_some_and(|(at, _)| after(*at, WHILE) <= now) {
            self.0.pop_front();
        }
        let Some((at, before)) = self.0.front() else { return 0.0 };
        let seconds = now.duration_since(*at).as_secs_f64();
        if seconds > 0.0 { sent.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_counts_is_the_last_while() {
        let mut speed = Speed::default();
        assert_eq!(speed.rate(at(0), 0), 0.0, "nothing is known yet");
        let rates: Vec<f64> = (1..=40).map(|second| speed.rate(at(second), second.min(20) as u64 * 7)).collect();
        assert_eq!((rates[0], rates[9], rates[19]), (7.0, 7.0, 7.0));
        assert_eq!((rates[24], rates[29], rates[39]), (3.5, 0.0, 0.0), "it stands still since the twentieth second");
        speed.begin(at(100), 140);
        assert_eq!(speed.rate(at(102), 150), 5.0, "what was before isn't asked for");
        assert_eq!(speed.rate(at(50), 160), 0.0, "the clock was set back");
        assert_eq!(speed.rate(at(52), 166), 3.0);
    }
}
