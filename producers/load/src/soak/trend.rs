//! Whether something grows, or only wavers.

use serde::Serialize;

/// A straight line through points, with how sure its slope is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// Change a second.
    pub slope: f64,
    /// The lower end of the slope's 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The average over the first quarter.
    pub beginning: f64,
    /// Seconds between the first point and the last.
    pub seconds: f64,
}

/// Neighbouring samples know of each other. So many averages of longer stretches know less, and the interval is honest.
const STRETCHES: usize = 30;

impl Trend {
    /// The line through points of seconds and values; `None` with fewer than eight points.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 8 {
            return None;
        }
        let stretches = points.len().min(STRETCHES);
        let place = |stretch: usize| stretch * points.len() / stretches;
        let stretch = |one: usize| mean(&points[place(one)..place(one + 1)]);
        let means: Vec<(f64, f64)> = (0..stretches).map(stretch).collect();
        let count = stretches as f64;
        let (x_mean, y_mean) = mean(&means);
        let sxx: f64 = means.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
        if sxx <= 0.0 {
            return None;
        }
        let sxy: f64 = means.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        let slope = sxy / sxx;
        let rest: f64 = means.iter().map(|(x, y)| (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
        let freedom = count - 2.0;
        let margin = student(freedom) * (rest / freedom / sxx).sqrt();
        let quarter = &points[..points.len().div_ceil(4)];
        Some(Self {
            slope,
            low: slope - margin,
            high: slope + margin,
            beginning: mean(quarter).1,
            seconds: points.last()?.0 - points.first()?.0,
        })
    }

    /// By how much it has grown over all the time at least, as a share of how it began; `floor` stands in for a beginning that is
    /// smaller.
    #[must_use]
    pub fn growth(&self, floor: f64) -> f64 {
        self.low * self.seconds / self.beginning.max(floor)
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    (x / count, y / count)
}

/// The 97.5 % quantile of Student's distribution, by the expansion of Abramowitz and Stegun, 26.7.5.
fn student(freedom: f64) -> f64 {
    let z = 1.959_964_f64;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wavering(slope: f64) -> Vec<(f64, f64)> {
        // A fixed pattern that leans nowhere.
        (0..600).map(|x| (f64::from(x), 100.0 + slope * f64::from(x) + f64::from(x * 7919 % 13 - 6))).collect()
    }

    #[test]
    fn what_wavers_doesnt_grow() {
        let trend = Trend::of(&wavering(0.0)).unwrap();
        assert!(trend.low < 0.0 && trend.high > 0.0, "{trend:?}");
        assert!(trend.growth(1.0) < 0.05);
    }

    #[test]
    fn what_grows_is_seen_although_it_wavers() {
        let trend = Trend::of(&wavering(0.05)).unwrap();
        assert!(trend.low > 0.0 && (0.04..0.06).contains(&trend.slope), "{trend:?}");
        assert!(trend.growth(1.0) > 0.2);
    }

    #[test]
    fn a_jump_at_the_very_end_is_one_of_thirty_and_not_a_stretch_of_its_own() {
        let mut points = wavering(0.0);
        points.truncate(571);
        points[570].1 += 1000.0;
        let trend = Trend::of(&points).unwrap();
        assert!(trend.low < 0.0 && trend.high < 0.2, "{trend:?}");
    }

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(6.0, 2.447), (10.0, 2.228), (28.0, 2.048)] {
            assert!((student(freedom) - table).abs() < 0.01, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_few_points_say_nothing() {
        assert_eq!(Trend::of(&[(0.0, 1.0), (1.0, 2.0)]), None);
    }
}
