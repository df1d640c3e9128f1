use std::collections::BTreeSet;

use sendoff_events::{BoxFuture, Timestamp};

use super::*;

/// A clock that stands.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(1_764_108_000_123).unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn meter() -> EmfMeter {
    EmfMeter::new("Sendoff/test", Arc::new(Stopped))
}

fn flushed(meter: &EmfMeter) -> String {
    let mut out = Vec::new();
    meter.flush(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Holds a line against the rules of the specification's schema.
fn check(line: &Value) {
    let about = line["_aws"].as_object().expect("`_aws` is an object");
    assert!(about["Timestamp"].is_u64(), "milliseconds since the epoch");
    for directive in about["CloudWatchMetrics"].as_array().expect("a list of directives") {
        let namespace = directive["Namespace"].as_str().expect("a namespace");
        assert!((1..=1024).contains(&namespace.len()));
        for set in directive["Dimensions"].as_array().expect("a list of sets") {
            let set = set.as_array().expect("a set");
            assert!((1..=30).contains(&set.len()));
            for dimension in set {
                let value = line[dimension.as_str().expect("a name")].as_str().expect("a dimension's value is a text");
                assert!((1..=1024).contains(&value.len()));
            }
        }
        let metrics = directive["Metrics"].as_array().expect("a list of metrics");
        assert!((1..=100).contains(&metrics.len()));
        let names: BTreeSet<_> = metrics.iter().map(|m| m["Name"].as_str().expect("a name")).collect();
        assert_eq!(names.len(), metrics.len(), "each name once");
        for metric in metrics {
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().expect("a unit")));
            match &line[metric["Name"].as_str().expect("a name")] {
                Value::Number(_) => {}
                Value::Array(values) => {
                    assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number));
                }
                other => panic!("{other} is neither a number nor a list of them"),
            }
        }
    }
}

#[test]
fn what_was_measured_is_one_line_for_each_consumer() {
    let meter = meter();
    meter.count(Count::Handled, "email", 2);
    meter.count(Count::Handled, "email", 1);
    meter.count(Count::Retried, "email", 1);
    meter.count(Count::Handled, "workflow-kickoff", 1);
    meter.time(Span::HandlerLatency, "email", Duration::from_micros(1500));
    meter.time(Span::HandlerLatency, "email", Duration::from_nanos(12_345_678));
    meter.time(Span::Age, "email", Duration::from_secs(3));
    let text = flushed(&meter);
    assert_eq!(
        text,
        concat!(
            r#"{"Age":[3000.0],"Consumer":"email","Handled":3,"HandlerLatency":[1.5,12.346],"Retried":1,"#,
            r#""_aws":{"CloudWatchMetrics":[{"Dimensions":[["Consumer"]],"Metrics":[{"Name":"Handled","Unit":"Count"},"#,
            r#"{"Name":"Retried","Unit":"Count"},{"Name":"HandlerLatency","Unit":"Milliseconds"},"#,
            r#"{"Name":"Age","Unit":"Milliseconds"}],"Namespace":"Sendoff/test"}],"Timestamp":1764108000123}}"#,
            "\n",
            r#"{"Consumer":"workflow-kickoff","Handled":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["Consumer"]],"#,
            r#""Metrics":[{"Name":"Handled","Unit":"Count"}],"Namespace":"Sendoff/test"}],"Timestamp":1764108000123}}"#,
            "\n",
        )
    );
    text.lines().for_each(|line| check(&serde_json::from_str(line).unwrap()));
}

#[test]
fn what_was_written_is_not_written_again() {
    let meter = meter();
    assert_eq!(flushed(&meter), "");
    meter.count(Count::Published, "api", 1);
    assert_ne!(flushed(&meter), "");
    assert_eq!(flushed(&meter), "");
}

#[test]
fn more_than_a_hundred_durations_take_more_lines_and_nothing_counts_twice() {
    let meter = meter();
    meter.count(Count::Handled, "email", 250);
    for n in 0..250 {
        meter.time(Span::HandlerLatency, "email", Duration::from_millis(n));
    }
    meter.time(Span::Age, "email", Duration::from_secs(1));
    let lines: Vec<Value> = flushed(&meter).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(check);
    let lengths: Vec<_> = lines.iter().map(|line| line["HandlerLatency"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [100, 100, 50]);
    let handled: Vec<_> = lines.iter().filter_map(|line| line["Handled"].as_u64()).collect();
    assert_eq!(handled, [250]);
    assert_eq!(lines.iter().filter(|line| line["Age"].is_array()).count(), 1);
}

#[test]
fn a_writer_that_takes_no_more_is_told() {
    let meter = meter();
    meter.count(Count::Handled, "email", 1);
    assert!(meter.flush(&mut [0_u8; 4].as_mut_slice()).is_err());
}
