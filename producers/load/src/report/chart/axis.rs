//! Where an axis has its ticks, and what stands at them.

use crate::report::time;

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Axis {
    /// Numbers, from none on.
    Numbers,
    /// Bytes, from none on.
    Bytes,
    /// Seconds, which grow by factors.
    Times,
    /// The nines of a percentile: 0 is p0, 1 is p90, 2 is p99.
    Nines,
}

/// A value, and how it is written.
type Tick = (f64, String);

/// An axis has about so many steps.
const STEPS: f64 = 6.0;

impl Axis {
    /// Its ticks, all of them from `least` to `most`.
    pub(super) fn ticks(self, least: f64, most: f64) -> Vec<Tick> {
        match self {
            Self::Numbers => linear(most, 1.0, ""),
            Self::Bytes => {
                let (unit, name) = unit(most);
                linear(most, unit, name)
            }
            Self::Times => factors(least, most),
            Self::Nines => nines(most),
        }
    }
}

fn linear(most: f64, unit: f64, name: &str) -> Vec<Tick> {
    let step = step(most / unit);
    let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    let count = (most / unit / step + 1e-6) as u32;
    let tick = |number| {
        let value = f64::from(number) * step;
        (value * unit, format!("{value:.decimals$}{name}"))
    };
    (0..=count).map(tick).collect()
}

/// The smallest of 1, 2, 5, 10, 20 and so on, or of their tenths, that makes no more than six steps.
fn step(most: f64) -> f64 {
    let least = most / STEPS;
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0].into_iter();
    power * factors.filter(|factor| factor * power >= least * 0.999_999).fold(10.0, f64::min)
}

/// The unit in which [`bytes`](crate::report::bytes) would write it.
fn unit(most: f64) -> (f64, &'static str) {
    let units = [(30, " GiB"), (20, " MiB"), (10, " KiB")];
    let units = units.map(|(shift, name)| ((1_u64 << shift) as f64, name));
    units.into_iter().find(|(unit, _)| most >= 10.0 * unit).unwrap_or((1.0, " B"))
}

/// 1, 2 and 5 of each power of ten, or fewer where that is too much.
fn factors(least: f64, most: f64) -> Vec<Tick> {
    let powers = || least.log10().floor() as i32..=most.log10().ceil() as i32;
    let ticks = |factors: &[f64]| -> Vec<f64> {
        let all = powers().flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        all.filter(|value| (least * 0.999_999..=most * 1.000_001).contains(value)).collect()
    };
    let fine = ticks(&[1.0, 2.0, 5.0]);
    let chosen = match fine.len() {
        0 | 1 if most > least => vec![least, most],
        0 | 1 => vec![most],
        2..=7 => fine,
        _ => ticks(&[1.0]),
    };
    chosen.into_iter().map(|value| (value, time(value))).collect()
}

fn nines(most: f64) -> Vec<Tick> {
    let whole = (most + 1e-6) as u32;
    let mut ticks: Vec<Tick> = (0..=whole).map(|nines| (f64::from(nines), percentile(nines))).collect();
    let half = 2_f64.log10();
    if whole == 0 && most >= half {
        ticks.push((half, "p50".into()));
    }
    ticks
}

fn percentile(nines: u32) -> String {
    match nines {
        0 => "p0".into(),
        1 => "p90".into(),
        2 => "p99".into(),
        more => format!("p99.{}", "9".repeat(more as usize - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: Axis, least: f64, most: f64) -> Vec<String> {
        axis.ticks(least, most).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn percentiles_stand_at_whole_nines() {
        assert_eq!(texts(Axis::Nines, 0.0, 4.0), ["p0", "p90", "p99", "p99.9", "p99.99"]);
        assert_eq!(texts(Axis::Nines, 0.0, 1.9), ["p0", "p90"]);
        assert_eq!(texts(Axis::Nines, 0.0, 0.7), ["p0", "p50"]);
        assert_eq!(texts(Axis::Nines, 0.0, 0.1), ["p0"]);
    }

    #[test]
    fn numbers_stand_where_they_say() {
        assert_eq!(texts(Axis::Numbers, 0.0, 4.0), ["0", "1", "2", "3", "4"]);
        assert_eq!(texts(Axis::Numbers, 0.0, 12.0), ["0", "2", "4", "6", "8", "10", "12"]);
        assert_eq!(texts(Axis::Numbers, 0.0, 311.0), ["0", "100", "200", "300"]);
        assert_eq!(texts(Axis::Numbers, 0.0, 0.9), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        for tenths in 1..5000 {
            let most = f64::from(tenths) / 10.0;
            let ticks = Axis::Numbers.ticks(0.0, most);
            assert!((3..=7).contains(&ticks.len()), "{most} {ticks:?}");
            for (value, text) in ticks {
                assert!((text.parse::<f64>().unwrap() - value).abs() < 1e-9 && value <= most * 1.000_001, "{text}");
            }
        }
    }

    #[test]
    fn bytes_are_whole_numbers_of_one_unit() {
        let mib = f64::from(1 << 20);
        assert_eq!(texts(Axis::Bytes, 0.0, 105.0 * mib), ["0 MiB", "20 MiB", "40 MiB", "60 MiB", "80 MiB", "100 MiB"]);
        assert_eq!(texts(Axis::Bytes, 0.0, 2.0 * mib), ["0 KiB", "500 KiB", "1000 KiB", "1500 KiB", "2000 KiB"]);
        assert_eq!(texts(Axis::Bytes, 0.0, 5.0), ["0 B", "1 B", "2 B", "3 B", "4 B", "5 B"]);
    }

    #[test]
    fn times_stand_at_round_values_of_each_power_of_ten() {
        assert_eq!(texts(Axis::Times, 0.003, 0.12), ["5.00 ms", "10.0 ms", "20.0 ms", "50.0 ms", "100 ms"]);
        assert_eq!(texts(Axis::Times, 0.000_1, 12.0), ["100 µs", "1.00 ms", "10.0 ms", "100 ms", "1.00 s", "10.0 s"]);
        assert_eq!(texts(Axis::Times, 0.006, 0.009), ["6.00 ms", "9.00 ms"]);
        assert_eq!(texts(Axis::Times, 0.003, 0.003), ["3.00 ms"]);
    }
}
