//! Moments: as many as the rate says, none skipped, in order.

use std::{path::PathBuf, time::Duration};

use proptest::prelude::*;
use sendoff_load::arrivals::{Rate, Shape};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn a_constant_rate_is_exact_after_days() {
    let shape = Shape::Constant(rate("7/s"));
    let days = Duration::from_secs(3 * 86_400);
    let all: Vec<Duration> = shape.arrivals(days, 0).collect();
    assert_eq!(all.len(), 7 * 3 * 86_400);
    // The last of each second is where it would be after a second, not a nanosecond further.
    assert_eq!(all[7 * 100_000], Duration::from_secs(100_000));
}

#[test]
fn a_rate_reads_and_prints_itself() {
    for text in ["500/s", "2.5/s", "30/min", "0.001/h", "1000000/s"] {
        assert_eq!(rate(text).to_string(), text);
    }
    for wrong in ["500", "/s", "0/s", "-1/s", "1e3/s", "1/day", "1.2345/s", "2000000/s", "NaN/s", ""] {
        assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
    }
}

#[test]
fn a_ramp_sends_as_many_as_its_average_and_ever_faster() {
    let shape = Shape::Ramp { from: rate("10/s"), to: rate("90/s") };
    let all: Vec<Duration> = shape.arrivals(Duration::from_secs(20), 0).collect();
    assert_eq!(all.len(), 1000);
    let in_second = |second| all.iter().filter(|moment| moment.as_secs() == second).count();
    assert!((11..=13).contains(&in_second(0)), "{}", in_second(0));
    assert!((87..=89).contains(&in_second(19)), "{}", in_second(19));
}

#[test]
fn a_spike_has_its_rates_where_it_says() {
    let shape = Shape::Spike {
        base: rate("10/s"),
        peak: rate("200/s"),
        at: Duration::from_secs(5),
        lasting: Duration::from_secs(2),
    };
    let all: Vec<Duration> = shape.arrivals(Duration::from_secs(10), 0).collect();
    let in_second = |second| all.iter().filter(|moment| moment.as_secs() == second).count();
    assert_eq!((0..10).map(in_second).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 200, 200, 10, 10, 10]);
}

#[test]
fn random_moments_follow_from_the_seed_and_wait_as_long_as_they_should() {
    let shape = Shape::Poisson(rate("1000/s"));
    let all: Vec<Duration> = shape.arrivals(Duration::from_secs(100), 3).collect();
    assert_eq!(all, shape.arrivals(Duration::from_secs(100), 3).collect::<Vec<_>>());
    assert_ne!(all, shape.arrivals(Duration::from_secs(100), 4).collect::<Vec<_>>());
    // 100,000 are expected with a deviation of 316; the waits are spread as widely as they are long.
    assert!((98_500..101_500).contains(&all.len()), "{}", all.len());
    let waits: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0).collect();
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    let deviation = (waits.iter().map(|wait| (wait - mean).powi(2)).sum::<f64>() / waits.len() as f64).sqrt();
    assert!((mean - 1.0).abs() < 0.03 && (deviation - 1.0).abs() < 0.03, "{mean} {deviation}");
}

#[test]
fn a_trace_is_sent_as_it_was_and_its_peak_is_that_of_its_fullest_second() {
    let moments: Vec<Duration> = [0, 100, 900, 1500, 1600, 1700, 1800, 5000].map(Duration::from_millis).into();
    let shape = Shape::Trace { file: PathBuf::from("x"), moments: moments.clone().into() };
    assert_eq!(shape.arrivals(Duration::from_secs(60), 0).collect::<Vec<_>>(), moments);
    assert_eq!(shape.peak(), 5.0, "900 to 1800 ms");
    assert_eq!(shape.arrivals(Duration::from_secs(2), 0).count(), 7);
    assert_eq!((shape.expected(Duration::from_secs(2)), shape.expected(Duration::from_secs(5))), (7, 7));
}

fn rates() -> impl Strategy<Value = Rate> {
    (1_u32..5_000, prop_oneof![Just("s"), Just("min"), Just("h")])
        .prop_map(|(events, unit)| format!("{events}/{unit}").parse().unwrap())
}

fn shapes() -> impl Strategy<Value = Shape> {
    let seconds = || (0_u64..20).prop_map(Duration::from_secs);
    prop_oneof![
        rates().prop_map(Shape::Constant),
        rates().prop_map(Shape::Poisson),
        (rates(), rates()).prop_map(|(from, to)| Shape::Ramp { from, to }),
        (rates(), rates(), seconds(), seconds()).prop_map(|(base, peak, at, lasting)| Shape::Spike {
            base,
            peak,
            at,
            lasting
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn moments_are_in_order_and_within_the_run(shape in shapes(), seconds in 1_u64..30, seed: u64) {
        let duration = Duration::from_secs(seconds);
        let all: Vec<Duration> = shape.arrivals(duration, seed).collect();
        prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "in order");
        prop_assert!(all.iter().all(|moment| *moment < duration), "within the run");
    }

    #[test]
    fn a_constant_rate_skips_nothing_wherever_it_is_cut(events in 1_u32..100_000, seconds in 1_u64..50) {
        let shape = Shape::Constant(Rate::per_second(events));
        let count = shape.arrivals(Duration::from_secs(seconds), 0).count() as u64;
        prop_assert_eq!(count, u64::from(events) * seconds);
        prop_assert_eq!(shape.expected(Duration::from_secs(seconds)), count);
    }

    #[test]
    fn how_many_come_is_known_without_counting_them(shape in shapes(), seconds in 1_u64..30) {
        prop_assume!(!matches!(shape, Shape::Poisson(_)));
        let duration = Duration::from_secs(seconds);
        prop_assert_eq!(shape.expected(duration), shape.arrivals(duration, 0).count() as u64);
    }

    #[test]
    fn the_longer_a_run_is_the_more_it_sends_and_none_differently(shape in shapes(), seconds in 2_u64..20, seed: u64) {
        // A ramp is another one when it takes longer.
        prop_assume!(!matches!(shape, Shape::Ramp { .. }));
        let all: Vec<Duration> = shape.arrivals(Duration::from_secs(seconds), seed).collect();
        let part: Vec<Duration> = shape.arrivals(Duration::from_secs(seconds / 2), seed).collect();
        let before = all.iter().take_while(|moment| **moment < Duration::from_secs(seconds / 2)).count();
        prop_assert_eq!(&all[..before], &part[..]);
    }
}
