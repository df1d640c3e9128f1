//! The report in a few lines, for a terminal.

use std::fmt::Write as _;

use sendoff_embedded::program::print::table;

use super::{
    build::{bytes, micros, time},
    model::Report,
};
use crate::{reconcile::Account, slo::Phase};

/// The account of one consumer, as it adds up.
#[must_use]
pub fn sum(account: &Account) -> String {
    let parts = [
        (account.done, "done"),
        (account.suppressed, "suppressed"),
        (account.repeated, "repeated"),
        (account.dead_lettered, "dead-lettered"),
        (account.poison_dead, "poison dead-lettered"),
        (account.in_doubt, "in doubt"),
        (account.in_flight, "in flight"),
        (account.lost, "lost"),
    ];
    let is_shown = |count: u64, name: &str| count > 0 || ["done", "lost"].contains(&name);
    let parts = parts.iter().filter(|(count, name)| is_shown(*count, name));
    parts.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(" + ")
}

impl Report {
    /// The report in a few lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}: {}\n", self.run, self.verdict.word.text());
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
            Phase::ALL.into_iter().filter_map(|phase| self.overall(phase)).map(|l| {
                [
                    l.phase.title().to_owned(),
                    l.count.to_string(),
                    micros(l.p50_us),
                    micros(l.p90_us),
                    micros(l.p99_us),
                    micros(l.p999_us),
                    micros(l.p9999_us),
                    micros(l.max_us),
                ]
            }),
        ));
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
            self.usage.cost_per_million.map_or_else(String::new, |cost| format!(", ${cost:.2} a million events"))
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
