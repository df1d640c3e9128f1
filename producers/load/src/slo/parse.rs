//! Reading what a run has to keep.

use std::str::FromStr;

use jiff::SignedDuration;
use sendoff_host::config::nearest;

use super::{Metric, Op, Phase, Point, Slo, What};
use crate::arrivals::Rate;

/// The text says nothing that could be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {why}")]
pub struct SloError {
    pub(super) text: String,
    pub(super) why: String,
}

impl Slo {
    /// Reads some.
    ///
    /// # Errors
    ///
    /// What is wrong with each that says nothing which could be kept.
    pub fn read_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, Vec<SloError>> {
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for text in texts {
            match text.parse() {
                Ok(slo) => all.push(slo),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(all) } else { Err(wrong) }
    }

    /// What one looks like.
    pub const RULE: &str = "what has to hold, such as `e2e p99<5s`, `e2e[email] p99.9<=800ms`, `lost=0`, `dead-lettered<0.1%`, \
                            `throughput>=500/s`, `drain<30s` or `memory<500MiB`";
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(given: &str) -> Result<Self, SloError> {
        let text = given.trim().to_owned();
        let wrong = |why: String| SloError { text: text.clone(), why };
        let at = text.find(['<', '>', '=']).ok_or_else(|| wrong("it has none of < <= = >= >".into()))?;
        let (left, right) = text.split_at(at);
        let (op, value) =
            [("<=", Op::AtMost), (">=", Op::AtLeast), ("<", Op::Below), (">", Op::Above), ("=", Op::Equal)]
                .iter()
                .find_map(|(sign, op)| right.strip_prefix(sign).map(|value| (*op, value.trim())))
                .ok_or_else(|| wrong("it has none of < <= = >= >".into()))?;
        let (metric, limit) = metric(left.trim(), value).map_err(wrong)?;
        Ok(Self { metric, op, limit, text })
    }
}

fn metric(left: &str, value: &str) -> Result<(Metric, f64), String> {
    let mut words = left.split_whitespace();
    let first = words.next().unwrap_or_default();
    let point = words.next();
    if words.next().is_some() {
        return Err(format!("`{left}` has too many words"));
    }
    let (name, of) = match first.split_once('[') {
        Some((name, rest)) => match rest.strip_suffix(']') {
            Some(of) if !of.is_empty() => (name, Some(of.to_owned())),
            _ => return Err(format!("`{first}` has no `]` at its end")),
        },
        None => (first, None),
    };
    if let Some(phase) = Phase::ALL.into_iter().find(|phase| phase.word() == name) {
        let point = point.ok_or_else(|| format!("say which `{name}`: p50, p99, p99.9, max or mean"))?;
        return Ok((Metric::Latency { phase, point: read_point(point)?, of }, seconds(value)?));
    }
    if point.is_some() || of.is_some() {
        return Err(format!("only {} can be asked for a percentile or for one consumer", phases()));
    }
    if let Some(what) = What::ALL.into_iter().find(|what| what.word() == name) {
        return match value.strip_suffix('%') {
            Some(percent) => Ok((Metric::Count { what, share: true }, number(percent)? / 100.0)),
            None => Ok((Metric::Count { what, share: false }, number(value)?)),
        };
    }
    match name {
        "throughput" => Ok((Metric::Throughput, rate(value)?)),
        "accepted" => Ok((Metric::Accepted, rate(value)?)),
        "drain" => Ok((Metric::Drain, seconds(value)?)),
        "memory" => Ok((Metric::Memory, bytes(value)?)),
        _ => {
            let known = Phase::ALL.iter().map(|phase| phase.word()).chain(What::ALL.iter().map(|what| what.word()));
            let known: Vec<_> = known.chain(["throughput", "accepted", "drain", "memory"]).collect();
            let near = nearest(name, known.iter().copied());
            let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            Err(format!("`{name}` isn't measured{hint}; {} are", known.join(", ")))
        }
    }
}

fn phases() -> String {
    Phase::ALL.map(Phase::word).join(", ")
}

fn read_point(text: &str) -> Result<Point, String> {
    match text {
        "max" => Ok(Point::Max),
        "mean" => Ok(Point::Mean),
        _ => {
            let percentile = text.strip_prefix('p').and_then(|number| number.parse::<f64>().ok());
            percentile
                .filter(|p| (0.0..=100.0).contains(p))
                .map(Point::Percentile)
                .ok_or_else(|| format!("`{text}` is none of p0 to p100 (such as p99.9), max and mean"))
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("`{text}` must be a number"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let duration = text.parse::<SignedDuration>().ok().filter(|duration| !duration.is_negative());
    let duration = duration.ok_or_else(|| format!("`{text}` must be a duration, such as `5s` or `250ms`"))?;
    Ok(duration.as_secs_f64())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse::<Rate>().map(Rate::a_second).map_err(|error| format!("`{text}`: {error}"))
}

fn bytes(text: &str) -> Result<f64, String> {
    let unit = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let found = unit.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor as f64)));
    let (digits, factor) = found.unwrap_or((text, 1.0));
    number(digits).map(|number| number * factor).map_err(|_| format!("`{text}` must be a size, such as `500MiB`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Slo {
        text.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn latencies_counts_shares_rates_and_sizes_are_read() {
        let slo = read("e2e p99<5s");
        assert_eq!(slo.metric, Metric::Latency { phase: Phase::E2e, point: Point::Percentile(99.0), of: None });
        assert_eq!((slo.op, slo.limit), (Op::Below, 5.0));
        let slo = read("queue[email] p99.9 <= 800ms");
        let of = Some("email".to_owned());
        assert_eq!(slo.metric, Metric::Latency { phase: Phase::Queue, point: Point::Percentile(99.9), of });
        assert_eq!((slo.op, slo.limit), (Op::AtMost, 0.8));
        assert_eq!(read("dead-lettered<0.1%").limit, 0.001);
        assert_eq!(read("throughput>=500/s").limit, 500.0);
        assert_eq!(read("memory<500MiB").limit, 500.0 * 1024.0 * 1024.0);
    }

    #[test]
    fn what_cannot_be_kept_is_told_with_what_was_probably_meant() {
        let why = |text: &str| text.parse::<Slo>().unwrap_err().to_string();
        assert!(why("dead-letered=0").contains("did you mean `dead-lettered`?"));
        assert!(why("e2e<5s").contains("say which `e2e`"));
        assert!(why("e2e p99").contains("it has none of"));
        assert!(why("e2e p99<5").contains("must be a duration"));
        assert!(why("lost p99=0").contains("only publish, queue, handler, e2e"));
        assert!(why("e2e p101<5s").contains("is none of p0 to p100 (such as p99.9), max and mean"));
    }

    #[test]
    fn lost_stays_whatever_is_said_and_the_others_are_replaced() {
        let said = [read("lost<5"), read("dead-lettered<1%")];
        let texts: Vec<_> = Slo::with_defaults(&said).into_iter().map(|slo| slo.text).collect();
        assert_eq!(texts, ["lost=0", "refused=0", "doubled=0", "in-flight=0", "lost<5", "dead-lettered<1%"]);
    }
}
