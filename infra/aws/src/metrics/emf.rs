//! The meter of Lambda functions: CloudWatch's embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//! CloudWatch Logs makes metrics of what is printed, so that measuring costs no call.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sendoff_consumers::{Count, Meter, Span};
use sendoff_events::Clock;
use serde_json::{Map, Value, json};

/// How many values of one metric a line may hold.
const VALUES: usize = 100;

/// The dimension of all metrics.
const DIMENSION: &str = "Consumer";

/// Gathers measurements in memory until [`flush`](Self::flush), at the end of an invocation, writes them.
pub struct EmfMeter {
    namespace: String,
    clock: Arc<dyn Clock>,
    gathered: Mutex<BTreeMap<String, Gathered>>,
}

/// What was measured of one consumer.
#[derive(Default)]
struct Gathered {
    counts: BTreeMap<Count, u64>,
    /// In milliseconds.
    times: BTreeMap<Span, Vec<f64>>,
}

impl EmfMeter {
    /// A meter for this namespace of CloudWatch.
    #[must_use]
    pub fn new(namespace: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { namespace: namespace.into(), clock, gathered: Mutex::default() }
    }

    /// Writes what was gathered since the last time: one JSON line for each consumer, and more where one can't hold all the
    /// durations. Writes nothing when nothing was measured.
    ///
    /// # Errors
    ///
    /// When the writer takes no more; what was gathered is lost then.
    pub fn flush(&self, out: &mut impl Write) -> io::Result<()> {
        let gathered = mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.clock.now().as_millisecond();
        let mut text = Vec::new();
        for (consumer, mut values) in gathered {
            // Counts are in the first line only: in each they would be counted again.
            while !values.counts.is_empty() || !values.times.is_empty() {
                let line = self.line(now, &consumer, values.take_line());
                serde_json::to_writer(&mut text, &line)?;
                text.push(b'\n');
            }
        }
        out.write_all(&text)?;
        out.flush()
    }

    fn line(&self, now: i64, consumer: &str, metrics: Vec<Metric>) -> Value {
        let names: Vec<_> = metrics.iter().map(|m| json!({"Name": m.name, "Unit": m.unit})).collect();
        let mut line = Map::new();
        let about = json!({
            "Timestamp": now,
            "CloudWatchMetrics": [{"Namespace": self.namespace, "Dimensions": [[DIMENSION]], "Metrics": names}],
        });
        line.insert("_aws".into(), about);
        line.insert(DIMENSION.into(), consumer.into());
        line.extend(metrics.into_iter().map(|metric| (metric.name.to_owned(), metric.value)));
        Value::Object(line)
    }
}

struct Metric {
    name: &'static str,
    unit: &'static str,
    value: Value,
}

impl Gathered {
    /// Takes as much as one line may hold.
    fn take_line(&mut self) -> Vec<Metric> {
        let counts = mem::take(&mut self.counts).into_iter();
        let mut metrics: Vec<_> =
            counts.map(|(what, n)| Metric { name: what.name(), unit: "Count", value: n.into() }).collect();
        for (what, values) in &mut self.times {
            let rest = values.split_off(values.len().min(VALUES));
            let some = mem::replace(values, rest);
            metrics.push(Metric { name: what.name(), unit: "Milliseconds", value: some.into() });
        }
        self.times.retain(|_, values| !values.is_empty());
        metrics
    }
}

impl Meter for EmfMeter {
    fn count(&self, what: Count, consumer: &str, n: u64) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let count = gathered.entry(consumer.to_owned()).or_default().counts.entry(what).or_default();
        *count = count.saturating_add(n);
    }

    fn time(&self, what: Span, consumer: &str, took: Duration) {
        // Microseconds are fine enough, and short to write.
        let milliseconds = (took.as_secs_f64() * 1e6).round() / 1e3;
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entry(consumer.to_owned()).or_default().times.entry(what).or_default().push(milliseconds);
    }
}

#[cfg(test)]
mod tests;
