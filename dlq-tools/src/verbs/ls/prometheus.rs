//! The listing for Prometheus: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use super::Row;

/// One gauge: its name, what it says, and its value for a row with the labels that stand beside the queue.
type Gauge = (&'static str, &'static str, fn(&Row) -> Vec<(&'static str, u64)>);

const GAUGES: [Gauge; 4] = [
    ("sendoff_dlq_messages", "Messages in the dead-letter queue.", |row| {
        vec![(",state=\"waiting\"", row.waiting), (",state=\"in_flight\"", row.in_flight)]
    }),
    (
        "sendoff_dlq_oldest_age_seconds",
        "Age of the oldest message, from when the broker counts it; of a sample where looking needs leases.",
        |row| row.oldest_age_s.map(|age| ("", age)).into_iter().collect(),
    ),
    (
        "sendoff_dlq_first_loss_seconds",
        "Time until the broker forgets a message; missing where it keeps all, or nothing is known.",
        |row| row.first_loss_s.map(|left| ("", left)).into_iter().collect(),
    ),
    ("sendoff_dlq_arrivals_per_hour", "Messages that came in the last hour.", |row| {
        row.arrivals_per_hour.map(|count| ("", count)).into_iter().collect()
    }),
];

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
    use super::label;

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(label("a\\\"} 1\nb"), "a\\\\\\\"} 1\\nb");
    }
}
