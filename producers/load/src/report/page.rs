//! The report as a page that stands by itself: no script, nothing from elsewhere, light and dark.

use std::fmt::Write as _;

use super::{
    build::{bytes, micros, time},
    chart::{Axis, Chart, Curve, escape},
    model::{Latency, Report, Word},
    text::sum,
};
use crate::{reconcile::Account, slo::Phase};

impl Report {
    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let is_good = self.verdict.word == Word::Ok;
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>Load test {run}</title><style>{css}</style></head><body>\
             <h1>Load test {run} <span class=\"verdict {class}\">{word}</span></h1><p class=\"facts\">{started:.0}, {target}</p>",
            run = escape(&self.run),
            css = include_str!("page.css"),
            class = if is_good { "good" } else { "bad" },
            word = self.verdict.word.text(),
            started = self.started,
            target = escape(&self.place.target),
        );
        self.notes(&mut page);
        self.checks(&mut page);
        self.rates_table(&mut page);
        self.account_table(&mut page);
        self.latency_table(&mut page);
        self.charts(&mut page);
        self.facts(&mut page);
        page.push_str("</body></html>\n");
        page
    }

    fn notes(&self, page: &mut String) {
        let lost = self.lost.iter().map(|l| format!("lost: event {} (number {}) at {}", l.event, l.number, l.consumer));
        let notes: Vec<String> =
            self.verdict.notes.iter().cloned().chain(self.troubles.iter().cloned()).chain(lost).collect();
        if notes.is_empty() {
            return;
        }
        page.push_str("<ul class=\"notes\">");
        for note in notes {
            let _ = write!(page, "<li>{}</li>", escape(&note));
        }
        page.push_str("</ul>");
    }

    fn checks(&self, page: &mut String) {
        page.push_str("<h2>What had to hold</h2><table><thead><tr><th>SLO</th><th>measured</th><th>holds</th></tr></thead><tbody>");
        for check in &self.verdict.checks {
            let (class, word) = (if check.holds { "yes" } else { "no" }, check.word());
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
                escape(&check.slo),
                escape(&check.shown)
            );
        }
        page.push_str("</tbody></table>");
    }

    fn rates_table(&self, page: &mut String) {
        let health = &self.generator;
        page.push_str("<h2>Rates and the generator</h2>");
        let late = if health.sent == 0 { 0.0 } else { health.late as f64 * 100.0 / health.sent as f64 };
        let rows = [
            ("requested", format!("{:.1}/s on average ({})", self.rates.requested, self.scenario.rate)),
            ("offered", format!("{:.1}/s over {}", self.rates.offered, time(self.sending_s))),
            ("accepted", format!("{:.1}/s", self.rates.accepted)),
            ("done while sending", format!("{:.1}/s", self.rates.done)),
            ("drained", self.drain_s.map_or_else(|| "never".into(), |s| format!("{} after the last send", time(s)))),
            (
                "generator",
                format!(
                    "{late:.3} % of sends more than {} late (p50 {}, p99 {}, max {}); {:.1} in a call, at most {} on their way in",
                    micros(health.late_after_us),
                    micros(health.p50_us),
                    micros(health.p99_us),
                    micros(health.max_us),
                    health.batch,
                    health.most_outstanding
                ),
            ),
        ];
        list(page, &rows);
    }

    fn account_table(&self, page: &mut String) {
        let way = &self.sending.events;
        let _ = write!(
            page,
            "<h2>The account</h2><p class=\"facts\">{} events sent: {} accepted, {} found although nobody answered, {} refused, {} \
             not confirmed and not there, {} unknown. {} sent again, {} poisonous.</p>",
            way.sent,
            way.accepted,
            way.found,
            way.refused,
            way.not_there,
            way.unknown,
            self.sending.again.sent,
            self.sending.poison.sent
        );
        page.push_str("<div class=\"wide\"><table><thead><tr>");
        for heading in HEADINGS {
            let _ = write!(page, "<th>{heading}</th>");
        }
        page.push_str("</tr></thead><tbody>");
        for account in &self.accounts {
            row(page, "", account);
        }
        row(page, " class=\"sum\"", &self.total);
        page.push_str("</tbody></table></div>");
        let verdict = if self.total.sent() == self.total.accounted() { "It adds up." } else { "It does not add up." };
        let _ = write!(
            page,
            "<p class=\"note\">sent = done + suppressed + repeated + unseen + dead-lettered + repetitions dead-lettered + poison \
             dead-lettered + in doubt + in flight + lost, counted in deliveries to one consumer: {} = {}. {verdict}</p>",
            self.total.sent(),
            sum(&self.total)
        );
    }

    fn latency_table(&self, page: &mut String) {
        page.push_str(
            "<h2>Latencies</h2><p class=\"facts\">Publish ack and end to end count from the intended moment. What wasn't at its end \
             counts with the time that it took so far. Where – stands, fewer than ten \
             values lie beyond the percentile.</p><div class=\"wide\">\
             <table><thead><tr><th>phase</th><th class=\"text\">type</th><th class=\"text\">consumer</th><th>count</th><th>p50</th>\
             <th>p90</th><th>p99</th><th>p99.9</th><th>p99.99</th><th>max</th></tr></thead><tbody>",
        );
        for latency in &self.latencies {
            let Latency { phase, kind, consumer, count, .. } = latency;
            let is_sum = kind.is_none() && consumer.is_none();
            let name = |name: &Option<String>| name.as_deref().map_or_else(|| "all".into(), escape);
            let _ = write!(
                page,
                "<tr{}><td>{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{count}</td>",
                if is_sum { " class=\"sum\"" } else { "" },
                phase.title(),
                name(kind),
                name(consumer)
            );
            for value in latency.shown() {
                let _ = write!(page, "<td>{}</td>", escape(&value));
            }
            page.push_str("</tr>");
        }
        page.push_str("</tbody></table></div>");
    }

    fn charts(&self, page: &mut String) {
        page.push_str("<h2>Curves</h2><div class=\"charts\">");
        let charts = [self.throughput(), self.backlog(), self.over_time(), self.by_percentile(), self.memory()];
        for (number, chart) in charts.iter().enumerate() {
            page.push_str(&chart.svg(number));
        }
        page.push_str("</div>");
    }

    fn throughput(&self) -> Chart<'_> {
        let rate = |count: fn(&crate::run::Sample) -> u64| {
            let pairs = self.samples.windows(2).filter(|pair| pair[1].at > pair[0].at);
            pairs
                .map(|pair| {
                    let events = count(&pair[1]).saturating_sub(count(&pair[0])) as f64;
                    (pair[1].at, Some(events / (pair[1].at - pair[0].at)))
                })
                .collect()
        };
        let width = self.done.width_s.max(1) as f64;
        let done = self.done.counts.iter().enumerate();
        let done = done.map(|(place, count)| (place as f64 * width, Some(*count as f64 / width)));
        Chart {
            title: "Throughput, a second",
            description: format!(
                "Offered {:.0}/s, accepted {:.0}/s on average. Deliveries done count each consumer by itself.",
                self.rates.offered, self.rates.accepted
            ),
            x_label: "seconds",
            x: Axis::Numbers,
            y: Axis::Numbers,
            curves: vec![
                Curve { name: "sent".into(), points: rate(|sample| sample.sent) },
                Curve { name: "accepted".into(), points: rate(|sample| sample.accepted) },
                Curve { name: "deliveries done".into(), points: done.collect() },
            ],
        }
    }

    fn backlog(&self) -> Chart<'_> {
        let mut names: Vec<&String> = self.samples.iter().flat_map(|sample| sample.backlog.keys()).collect();
        names.sort();
        names.dedup();
        let of = |name: &String| {
            let points = self.samples.iter().map(|s| (s.at, s.backlog.get(name).map(|waiting| *waiting as f64)));
            Curve { name: name.clone(), points: points.collect() }
        };
        let most = self.usage.backlog.or_else(|| self.samples.iter().filter_map(crate::run::Sample::backlog).max());
        Chart {
            title: "Backlog: messages that wait or are being handled",
            description: format!("At most {} messages in all queues together.", most.unwrap_or_default()),
            x_label: "seconds",
            x: Axis::Numbers,
            y: Axis::Numbers,
            curves: names.into_iter().map(of).filter(|curve| curve.known().any(|(_, y)| y > 0.0)).collect(),
        }
    }

    fn over_time(&self) -> Chart<'_> {
        let of = |name: &str, share: f64| {
            let parts = self.windows.parts.iter().enumerate();
            let points = parts.map(|(place, part)| {
                let value = part.phases.get(&Phase::E2e).and_then(|counts| super::quantile(counts, share));
                (place as f64 * self.windows.width_s, value.map(|micros| micros as f64 / 1e6))
            });
            Curve { name: name.into(), points: points.collect() }
        };
        Chart {
            title: "End to end over time, by intended moment",
            description: self.in_words(Phase::E2e),
            x_label: "seconds",
            x: Axis::Numbers,
            y: Axis::Times,
            curves: vec![of("p50", 0.5), of("p99", 0.99), of("max", 1.0)],
        }
    }

    fn by_percentile(&self) -> Chart<'_> {
        // The axis counts nines: 0 is p0, 1 is p90, 2 is p99.
        let of = |phase: Phase| {
            let counts = self.distribution(phase);
            // As far as ten values lie beyond it, and to p99.99 at most.
            let tenths = ((counts.values().sum::<u64>() as f64 / 10.0).log10() * 10.0 + 1e-6).min(40.0);
            let places = (0..=40).map(f64::from).filter(|tenth| *tenth <= tenths);
            let points = places.map(|tenth| tenth / 10.0).map(|nines| {
                let value = super::quantile(&counts, 1.0 - 10_f64.powf(-nines));
                (nines, value.map(|micros| micros as f64 / 1e6))
            });
            Curve { name: phase.title().into(), points: points.collect() }
        };
        Chart {
            title: "Latency by percentile",
            description: Phase::ALL.map(|phase| self.in_words(phase)).join(" "),
            x_label: "percentile",
            x: Axis::Nines,
            y: Axis::Times,
            curves: Phase::ALL.into_iter().map(of).filter(|curve| !curve.points.is_empty()).collect(),
        }
    }

    fn memory(&self) -> Chart<'_> {
        let points = self.samples.iter().map(|sample| (sample.at, sample.memory.map(|bytes| bytes as f64)));
        Chart {
            title: "Resident memory, without the load test's own ledger",
            description: format!("At most {}.", self.usage.memory.map_or_else(|| "unknown".into(), bytes)),
            x_label: "seconds",
            x: Axis::Numbers,
            y: Axis::Bytes,
            curves: vec![Curve { name: "resident".into(), points: points.collect() }],
        }
    }

    fn in_words(&self, phase: Phase) -> String {
        self.overall(phase).map_or_else(
            || format!("{}: nothing was measured.", phase.title()),
            |latency| {
                let [p50, _, p99, .., max] = latency.shown();
                format!("{}: p50 {p50}, p99 {p99}, max {max}.", phase.title())
            },
        )
    }

    fn facts(&self, page: &mut String) {
        let (place, scenario, usage) = (&self.place, &self.scenario, &self.usage);
        page.push_str("<h2>What was run, and where</h2>");
        let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
        let mut rows = vec![
            ("scenario", format!("{}, seed {}, via {}", scenario.name, scenario.seed, scenario.via.word())),
            ("mix", scenario.mix.join("; ")),
            ("keys", scenario.keys.clone()),
            ("shares", scenario.shares.clone()),
            ("durability", place.durability.clone().unwrap_or_else(|| "the system's own".into())),
            ("build", format!("{} {}", place.version, place.build)),
            (
                "machine",
                format!(
                    "{} × {}, {} of memory, {}",
                    place.processors,
                    place.processor,
                    known(place.memory.map(bytes)),
                    place.system
                ),
            ),
            ("memory", format!("{} resident at most", known(usage.memory.map(bytes)))),
            ("on disk", known(usage.stored.map(bytes))),
            (
                "cost",
                usage.cost_per_million.map_or_else(
                    || "nothing is paid".into(),
                    |c| format!("about ${c:.2} a million events by list prices"),
                ),
            ),
        ];
        if let Some(commit) = &place.commit {
            rows.push(("checked out here", commit.clone()));
        }
        list(page, &rows);
    }
}

const HEADINGS: [&str; 16] = [
    "consumer",
    "sent",
    "done",
    "suppressed",
    "repeated",
    "unseen",
    "dead",
    "again dead",
    "poison dead",
    "in doubt",
    "in flight",
    "lost",
    "doubled",
    "retries",
    "reordered",
    "of ordered",
];

fn row(page: &mut String, class: &str, account: &Account) {
    let _ = write!(page, "<tr{class}><td>{}</td>", escape(&account.consumer));
    for value in [
        account.sent(),
        account.done,
        account.suppressed,
        account.repeated,
        account.unseen,
        account.dead_lettered,
        account.again_dead,
        account.poison_dead,
        account.in_doubt,
        account.in_flight,
    ] {
        let _ = write!(page, "<td>{value}</td>");
    }
    let _ = write!(page, "<td class=\"{}\">{}</td>", if account.lost == 0 { "yes" } else { "no" }, account.lost);
    let doubled = account.doubled.map_or_else(|| "–".into(), |doubled| doubled.to_string());
    let _ = write!(
        page,
        "<td>{doubled}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        account.retries, account.reordered, account.ordered
    );
}

fn list(page: &mut String, rows: &[(&str, String)]) {
    page.push_str("<dl>");
    for (name, text) in rows {
        let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(text));
    }
    page.push_str("</dl>");
}
