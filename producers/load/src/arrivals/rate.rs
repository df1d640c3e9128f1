//! How many in how much time.

use std::{fmt, str::FromStr};

/// A rate, exactly: so many thousandths in so many nanoseconds. Reads `500/s`, `30/min`, `2.5/s`, `100/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of an event in each period.
    thousandths: u64,
    period: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
}

impl Period {
    const fn word(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

const NANOS: u128 = 1_000_000_000;

impl Rate {
    /// What a rate looks like.
    pub const RULE: &str = "a rate from 0.001/h to 1000000/s, such as `500/s`, `2.5/s` or `30/min`";

    /// The largest number of events in a period.
    const MOST: u64 = 1_000_000;

    /// So many events a second.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self { thousandths: events as u64 * 1000, period: Period::Second }
    }

    /// So many events a second, to the thousandth.
    #[must_use]
    pub fn of(per_second: f64) -> Self {
        // Rates are small: the conversion saturates only for what can't be sent anyway.
        let thousandths = (per_second * 1000.0).round().clamp(1.0, Self::MOST as f64 * 1000.0) as u64;
        Self { thousandths, period: Period::Second }
    }

    /// The highest rate of this form that isn't higher: to the thousandth of an event in the first period in which there is one.
    #[must_use]
    pub fn at_most(per_second: f64) -> Self {
        let periods = [Period::Second, Period::Minute, Period::Hour];
        let in_period = |period: Period| per_second * period.seconds() as f64;
        let period = periods.into_iter().find(|period| in_period(*period) >= 1.0).unwrap_or(Period::Hour);
        // What is meant as a whole thousandth may lie just below it. Two rates that differ are much further apart.
        let thousandths = (in_period(period) * 1000.0 + 1e-6).floor().clamp(1.0, Self::MOST as f64 * 1000.0) as u64;
        Self { thousandths, period }
    }

    /// Events a second.
    #[must_use]
    pub fn a_second(self) -> f64 {
        self.thousandths as f64 / 1000.0 / self.period.seconds() as f64
    }

    /// When the event with this number is due, in nanoseconds after the first one, rounded down; no error adds up.
    #[must_use]
    pub fn due(self, number: u64) -> u128 {
        u128::from(number) * u128::from(self.period.seconds()) * 1000 * NANOS / u128::from(self.thousandths)
    }

    /// How many events are due before this moment, in nanoseconds after the first one, that one included.
    #[must_use]
    pub fn count(self, nanos: u128) -> u64 {
        let (above, below) = (nanos * u128::from(self.thousandths), u128::from(self.period.seconds()) * 1000 * NANOS);
        u64::try_from(above.div_ceil(below)).unwrap_or(u64::MAX)
    }
}

/// The text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate reads like `500/s`, `2.5/s` or `30/min`")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (number, unit) = text.split_once('/').ok_or(RateError)?;
        let period = match unit.trim() {
            "s" => Period::Second,
            "min" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(RateError),
        };
        let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 || whole.len() > 7 {
            return Err(RateError);
        }
        let whole: u64 = whole.parse().map_err(|_| RateError)?;
        let part: u64 = format!("{part:0<3}").parse().map_err(|_| RateError)?;
        let thousandths = whole * 1000 + part;
        if thousandths == 0 || thousandths > Self::MOST * 1000 {
            return Err(RateError);
        }
        Ok(Self { thousandths, period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.thousandths / 1000)?;
        match self.thousandths % 1000 {
            0 => {}
            part => write!(f, ".{}", format!("{part:03}").trim_end_matches('0'))?,
        }
        write!(f, "/{}", self.period.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rounded_down_to_what_can_be_said() {
        let cases = [
            (100.0 / 60.0, "1.666/s"),
            (1.001, "1.001/s"),
            (4.35, "4.35/s"),
            (0.5, "30/min"),
            (0.01, "36/h"),
            (1e9, "1000000/s"),
            (0.0, "0.001/h"),
        ];
        for (per_second, shown) in cases {
            assert_eq!(Rate::at_most(per_second).to_string(), shown, "{per_second}");
        }
        for per_second in [1.0 / 3.0, 5.0 / 3.0, 2.0 / 7.0, 1e-3, 1_234.567_89] {
            let rounded = Rate::at_most(per_second).a_second();
            assert!(rounded <= per_second && rounded > per_second * 0.999, "{per_second}: {rounded}");
        }
    }
}
