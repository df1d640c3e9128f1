//! The listing for Prometheus: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use sendoff_embedded::program::print::one_line;

use super::Row;

/// One gauge: its name, what it says, and its value for a row with the labels that stand beside the queue.
type Gauge = (&'static str, &'static str, fn(&Row) -> Vec<(String, f64)>);

const GAUGES: [Gauge; 6] = [
    ("sendoff_dlq_messages", "Messages in the dead-letter queue.", |row| {
        [("waiting", row.waiting), ("in_flight", row.in_flight)]
            .map(|(state, count)| (format!(",state=\"{state}\""), count as f64))
            .into()
    }),
    (
        "sendoff_dlq_oldest_age_seconds",
        "Age of the oldest message, from when the broker counts it; of a sample where looking needs leases.",
        |row| plain(row.oldest_age_s),
    ),
    (
        "sendoff_dlq_first_loss_seconds",
        "Time until the broker forgets a message, at most that where a sample was looked at; missing where it keeps all, or nothing is known.",
        |row| plain(row.first_loss_s),
    ),
    (
        "sendoff_dlq_arrivals_per_hour",
        "Messages that came in the last hour, at least that many where a sample was looked at.",
        |row| plain(row.arrivals_per_hour),
    ),
    (
        "sendoff_dlq_top_reason_ratio",
        "Share of the messages that failed for the most frequent reason, from 0 to 1; missing where nothing is known.",
        |row| {
            let reason = row.top_reason.as_deref().zip(row.top_share);
            reason
                .map(|(reason, share)| (format!(",reason=\"{}\"", label(&one_line(reason))), share))
                .into_iter()
                .collect()
        },
    ),
    ("sendoff_dlq_sampled", "Messages that the other figures are of; missing where they are of all.", |row| {
        plain(row.sampled)
    }),
];

fn plain(value: Option<u64>) -> Vec<(String, f64)> {
    value.map(|value| (String::new(), value as f64)).into_iter().collect()
}

pub(super) fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for (name, help, values) in GAUGES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for row in rows {
            for (labels, value) in values(row) {
                let _ = writeln!(text, "{name}{{queue=\"{}\"{labels}}} {value}", label(&row.queue));
            }
        }
    }
    text
}

/// A label's value with the three characters escaped that would end it.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{
        super::row::tests::{at, peeked, queue},
        Row, label, text,
    };

    #[test]
    fn figures_of_a_sample_say_of_how_many_they_are() {
        let row = |waiting| Row::of(&queue("q", waiting), Some(&peeked(0, Some(1000))), at(4));
        let told = text(&[row(5000)]);
        assert!(told.contains("\nsendoff_dlq_sampled{queue=\"q\"} 1000\n"), "{told}");
        assert!(!text(&[row(1000)]).contains("sendoff_dlq_sampled{"), "a sample of all is all");
    }

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(label("a\\\"} 1\nb"), "a\\\\\\\"} 1\\nb");
    }
}
