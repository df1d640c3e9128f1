//! The report in a few lines, for a terminal.

use std::fmt::Write as _;

use sendoff_embedded::program::print::{one_line, table};

use super::{
    build::{bytes, micros, time},
    model::{Latency, Report},
};
use crate::{
    reconcile::{Account, Way},
    slo::Phase,
};

/// What somebody else has said, in one line that steers no terminal, and no longer than this.
pub(crate) fn plain(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    let cut = if end.is_some() { "…" } else { "" };
    one_line(&text[..end.unwrap_or(text.len())]) + cut
}

/// The account of one consumer, as it adds up.
#[must_use]
pub fn sum(account: &Account) -> String {
    let parts = [
        (account.done, "done"),
        (account.suppressed, "suppressed"),
        (account.repeated, "repeated"),
        (account.unseen, "unseen"),
        (account.dead_lettered, "dead-lettered"),
        (account.again_dead, "repetitions dead-lettered"),
        (account.poison_dead, "poison dead-lettered"),
        (account.in_doubt, "in doubt"),
        (account.in_flight, "in flight"),
        (account.lost, "lost"),
    ];
    added(&parts, &["done", "lost"])
}

/// How the sending went, as it adds up.
pub(super) fn way(way: &Way) -> String {
    let parts = [
        (way.accepted, "accepted"),
        (way.found, "found without an answer"),
        (way.refused, "refused"),
        (way.not_there, "not confirmed and not there"),
        (way.unknown, "unknown"),
    ];
    added(&parts, &["accepted", "refused"])
}

/// What isn't nothing, and what is shown always.
fn added(parts: &[(u64, &str)], always: &[&str]) -> String {
    let shown = parts.iter().filter(|(count, name)| *count > 0 || always.contains(name));
    shown.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(" + ")
}

impl Latency {
    /// Its percentiles and the slowest, as a reader reads them; `–` for a percentile with fewer than ten values beyond it, which says
    /// no more than chance does.
    pub(super) fn shown(&self) -> [String; 6] {
        let values = [
            (self.p50_us, 20),
            (self.p90_us, 100),
            (self.p99_us, 1000),
            (self.p999_us, 10_000),
            (self.p9999_us, 100_000),
            (self.max_us, 1),
        ];
        values.map(|(us, takes)| if self.count < takes { "–".into() } else { took(self.phase, us) })
    }
}

/// How long a phase took. All but the publish ack end, or begin and end, with clocks that count milliseconds.
fn took(phase: Phase, us: u64) -> String {
    match (phase, us) {
        (Phase::Publish, us) => micros(us),
        (_, ..1000) => "<1 ms".into(),
        (_, us @ ..100_000) => format!("{:.0} ms", us as f64 / 1e3),
        (_, us) => micros(us),
    }
}

impl Report {
    /// The report in a few lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let durability = self.place.durability.as_ref().map_or_else(String::new, |how| format!(", durability {how}"));
        let _ = writeln!(text, "{}: {}", self.run, self.verdict.word.text());
        let _ = writeln!(text, "{}{durability}, via {}\n", self.place.target, self.scenario.via.word());
        text.push_str(&table(
            ["SLO", "measured", "holds"],
            self.verdict.checks.iter().map(|c| [c.slo.clone(), c.shown.clone(), c.word().to_owned()]),
        ));
        let _ = writeln!(
            text,
            "\nrequested {:.1}/s, offered {:.1}/s, accepted {:.1}/s, done {:.1}/s; drained {}",
            self.rates.requested,
            self.rates.offered,
            self.rates.accepted,
            self.rates.done,
            self.drain_s.map_or_else(|| "never".into(), |s| format!("in {}", time(s)))
        );
        let health = &self.generator;
        let _ = writeln!(
            text,
            "generator: {} of {} sends more than {} late, p99 {}, max {}\n",
            health.late,
            health.sent,
            micros(health.late_after_us),
            micros(health.p99_us),
            micros(health.max_us)
        );
        text.push_str(&table(
            ["phase", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"],
            Phase::ALL.into_iter().filter_map(|phase| self.overall(phase)).map(|latency| {
                let [p50, p90, p99, p999, p9999, max] = latency.shown();
                [latency.phase.title().to_owned(), latency.count.to_string(), p50, p90, p99, p999, p9999, max]
            }),
        ));
        text.push('\n');
        let ways =
            [("events", self.sending.events), ("repetitions", self.sending.again), ("poison", self.sending.poison)];
        for (name, sent) in ways.iter().filter(|(name, way)| way.sent > 0 || *name == "events") {
            let _ = writeln!(text, "{name}: {} sent = {}", sent.sent, way(sent));
        }
        text.push('\n');
        for account in &self.accounts {
            let _ = writeln!(text, "{}: {} sent = {}", account.consumer, account.sent(), sum(account));
        }
        let _ = writeln!(text, "all: {} sent = {}", self.total.sent(), sum(&self.total));
        let known = |value: Option<u64>| value.map_or_else(|| "unknown".into(), bytes);
        let _ = writeln!(
            text,
            "reordered {} of {}, retries {}; memory {} at most, {} on disk{}",
            self.total.reordered,
            self.total.ordered,
            self.total.retries,
            known(self.usage.memory),
            known(self.usage.stored),
            self.usage
                .cost_per_million
                .map_or_else(String::new, |cost| format!(", about ${cost:.2} a million events by list prices"))
        );
        for note in self.verdict.notes.iter().chain(&self.troubles) {
            let _ = writeln!(text, "note: {note}");
        }
        for lost in &self.lost {
            let _ = writeln!(text, "lost: event {} (number {}) at {}", lost.event, lost.number, lost.consumer);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, took};
    use crate::{report::Latency, slo::Phase};

    #[test]
    fn a_time_is_written_as_exactly_as_its_clocks_count() {
        for phase in [Phase::Queue, Phase::Handler, Phase::E2e] {
            let shown = [1, 999, 1000, 3420, 55_007, 99_600, 234_567, 3_456_789].map(|us| took(phase, us));
            assert_eq!(shown, ["<1 ms", "<1 ms", "1 ms", "3 ms", "55 ms", "100 ms", "235 ms", "3.46 s"]);
        }
        assert_eq!(took(Phase::Publish, 3420), "3.42 ms");
    }

    #[test]
    fn a_percentile_of_too_few_values_is_not_shown() {
        let latency = |count| Latency {
            phase: Phase::Publish,
            kind: None,
            consumer: None,
            count,
            mean_us: 2000.0,
            p50_us: 1000,
            p90_us: 2000,
            p99_us: 3000,
            p999_us: 4000,
            p9999_us: 5000,
            max_us: 6000,
        };
        assert_eq!(latency(19).shown(), ["–", "–", "–", "–", "–", "6.00 ms"]);
        assert_eq!(latency(999).shown(), ["1.00 ms", "2.00 ms", "–", "–", "–", "6.00 ms"]);
        assert_eq!(latency(100_000).shown()[4], "5.00 ms");
    }

    #[test]
    fn what_others_say_is_short_and_stays_in_its_line() {
        assert_eq!(plain("\u{1b}[31mno\r\nentry\u{9b}\u{202e}", 300), " [31mno  entry  ");
        assert_eq!(plain("äöü", 3), "äöü");
        assert_eq!(plain("äöüß", 3), "äöü…");
    }
}
