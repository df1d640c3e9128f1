//! The generic cell rate algorithm (ITU-T I.371): a bucket is one number.

use std::time::Duration;

use sendoff_events::Timestamp;

use super::Rate;
use crate::moments::{later, since};

/// Takes one message from a bucket: what the bucket is afterwards, or how long to wait.
///
/// A bucket is its *theoretical arrival time*: the moment at which it will be full again, in whole **microseconds** since 1970
/// ([`Timestamp::as_microsecond`]). Milliseconds would round 1,500 messages a second to 1,000. A bucket that doesn't exist
/// (`None`), or whose moment is past, is full. Nobody has to refill it, and one that is forgotten once it is full is not missed.
///
/// With `step` = [`Rate::step`] and `tolerance` = [`Rate::tolerance`], a store that can write under a condition takes with two
/// updates that exclude each other, and needs neither a transaction nor a read:
///
/// | update | condition |
/// |---|---|
/// | `tat = tat + step` | `tat > now AND tat <= now + tolerance` |
/// | `tat = now + step` | `tat doesn't exist OR tat <= now` |
///
/// If neither applies, the wait is `tat - tolerance - now`, of the `tat` that the failed update tells. The store may let go of a
/// bucket at its moment.
///
/// All who share a bucket have to agree about the time about as well as the burst lasts. A clock that is ahead fills nothing, but
/// lets the others wait for as long as it is ahead.
///
/// # Errors
///
/// How long to wait. Nothing was taken, so whoever waits as long may still find that somebody was faster.
pub fn gcra(tat: Option<Timestamp>, rate: Rate, now: Timestamp) -> Result<Timestamp, Duration> {
    let now = whole(now);
    let tat = tat.map_or(now, |tat| tat.max(now));
    let ahead = since(now, tat);
    match ahead.checked_sub(rate.tolerance()) {
        None | Some(Duration::ZERO) => Ok(later(tat, rate.step())),
        Some(wait) => Err(wait),
    }
}

/// The moment cut to whole microseconds.
fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_at_once_and_then_one_an_interval() {
        let rate = Rate { interval: Duration::from_millis(100), burst: 3 };
        let mut tat = None;
        for _ in 0..3 {
            tat = Some(gcra(tat, rate, at(0)).unwrap());
        }
        assert_eq!(gcra(tat, rate, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(gcra(tat, rate, at(99_999)), Err(Duration::from_micros(1)));
        tat = Some(gcra(tat, rate, at(100_000)).unwrap());
        assert_eq!(gcra(tat, rate, at(100_000)), Err(Duration::from_millis(100)));
        assert_eq!(gcra(tat, rate, at(10_000_000)), Ok(at(10_100_000)), "a long rest saves up no more than the burst");
    }

    #[test]
    fn an_interval_below_a_millisecond_is_kept() {
        let rate = Rate { burst: 1, ..Rate::per_second(1500) };
        let tat = gcra(None, rate, at(0)).unwrap();
        assert_eq!(tat, at(667));
        assert_eq!(gcra(Some(tat), rate, at(600)), Err(Duration::from_micros(67)));
    }

    #[test]
    fn no_rate_is_too_odd_to_reckon_with() {
        for rate in [
            Rate { interval: Duration::ZERO, burst: 0 },
            Rate { interval: Duration::MAX, burst: u32::MAX },
            Rate { interval: Duration::MAX, burst: 1 },
        ] {
            let tat = gcra(None, rate, at(0)).unwrap();
            assert!(tat > at(0));
            assert!(gcra(Some(Timestamp::MAX), rate, Timestamp::MIN).is_err() || rate.burst > 1);
        }
    }

    proptest! {
        /// The promise: in no window more than the burst and one for each interval that has passed.
        #[test]
        fn no_window_lets_through_more_than_the_burst_and_one_an_interval(
            burst in 1_u32..6,
            step in 1_u64..2000,
            gaps in proptest::collection::vec(0_i64..3000, 1..120),
        ) {
            let rate = Rate { interval: Duration::from_micros(step), burst };
            let (mut now, mut tat, mut taken) = (0, None, Vec::new());
            for gap in gaps {
                now += gap;
                if let Ok(next) = gcra(tat, rate, at(now)) {
                    tat = Some(next);
                    taken.push(now);
                }
            }
            for (i, begin) in taken.iter().enumerate() {
                for (j, end) in taken.iter().enumerate().skip(i) {
                    let most = u64::from(burst) + u64::try_from(end - begin).unwrap() / step;
                    prop_assert!((j - i + 1) as u64 <= most, "{} in {} µs", j - i + 1, end - begin);
                }
            }
        }

        /// Waiting as told is neither too short nor longer than needed.
        #[test]
        fn whoever_waits_as_told_gets_through_and_a_microsecond_less_is_too_early(
            burst in 1_u32..6,
            step in 1_u64..2000,
            tat in 0_i64..20_000,
        ) {
            let rate = Rate { interval: Duration::from_micros(step), burst };
            if let Err(wait) = gcra(Some(at(tat)), rate, at(0)) {
                let wait = i64::try_from(wait.as_micros()).unwrap();
                prop_assert!(gcra(Some(at(tat)), rate, at(wait)).is_ok());
                prop_assert!(gcra(Some(at(tat)), rate, at(wait - 1)).is_err());
            }
        }

        /// The two updates that the documentation gives do what the function does.
        #[test]
        fn two_conditional_updates_amount_to_the_same(
            burst in 1_u32..6,
            step in 1_i64..2000,
            tat in proptest::option::of(-5000_i64..20_000),
        ) {
            let rate = Rate { interval: Duration::from_micros(step.unsigned_abs()), burst };
            let tolerance = i64::try_from(rate.tolerance().as_micros()).unwrap();
            let updated = match tat {
                Some(tat) if tat > 0 && tat <= tolerance => Ok(at(tat + step)),
                Some(tat) if tat > 0 => Err(Duration::from_micros((tat - tolerance).unsigned_abs())),
                _ => Ok(at(step)),
            };
            prop_assert_eq!(gcra(tat.map(at), rate, at(0)), updated);
        }
    }
}
