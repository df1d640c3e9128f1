//! What has to hold, and whether it does by what was printed.

use std::fmt::Write as _;

use crate::printed::{Printed, shown};

/// A figure with a limit.
pub(crate) struct Goal {
    /// The benchmark that prints it.
    pub(crate) bench: &'static str,
    what: &'static str,
    limit: Limit,
    unit: &'static str,
    measured: fn(Printed<'_>) -> Option<f64>,
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

use Limit::{AtLeast, AtMost};

const CONSUMERS: [&str; 6] = ["email", "sms", "whatsapp", "push", "webhook", "workflow-kickoff"];
const QUEUES: [&str; 9] = [
    "published, 1 ",
    "published, 16 ",
    "published, 64 ",
    "received, 1 ",
    "received, 16 ",
    "received, 64 ",
    "acked, 1 ",
    "acked, 16 ",
    "acked, 64 ",
];
const SLOWLY: &str = "each call is answered after 10 ms";
const AT_ONCE: &str = "each call is answered at once";
const RUN: &str = "dlq run, with its journal";
const BESIDE: &str = "dlq run : the SDK alone";

pub(crate) const GOALS: [Goal; 26] = [
    functions("instructions to the first `/next`, beside a bare function", AtMost(1.5), "×", |printed| {
        printed.largest(&CONSUMERS, 3)
    }),
    functions("time to it, beside Python with Powertools", AtLeast(100.0), "×", |printed| {
        Some(printed.number(&["Powertools, Python"], 1)? / printed.largest(&CONSUMERS, 5)?)
    }),
    functions("time to it, beside Node with Powertools", AtLeast(50.0), "×", |printed| {
        Some(printed.number(&["Powertools, Node"], 2)? / printed.largest(&CONSUMERS, 5)?)
    }),
    functions("processor time to the first message of TLS", AtMost(2.0), "ms", |printed| {
        printed.number(&["and from the start", "a consumer of ours"], 3)
    }),
    functions("zip of mail and SMS", AtMost(1.5), "MB", |printed| printed.largest(&["email", "sms"], 1)),
    functions("zip of the other consumers", AtMost(2.5), "MB", |printed| printed.largest(&CONSUMERS[2..], 1)),
    functions("resident when it waits for its first event", AtMost(7.0), "MiB", |printed| {
        printed.largest(&CONSUMERS, 8)
    }),
    functions("processor time of a warm batch, beside Python's", AtLeast(8.0), "×", |printed| {
        printed.number(&["and from the start", "Powertools, Python"], 1)
    }),
    functions("processor time of a warm batch, beside Node's", AtLeast(10.0), "×", |printed| {
        printed.number(&["and from the start", "Powertools, Node"], 1)
    }),
    aws("published, received, acked: processor time beside the SDK's", |printed| printed.smallest(&QUEUES, 2)),
    aws("published, received, acked: time in all beside the SDK's", |printed| printed.smallest(&QUEUES, 3)),
    aws("a whole worker, 10 ms a call: processor time beside the SDK's", |printed| {
        printed.number(&["worked, 64 messages at a time, 10 ms a call"], 2)
    }),
    aws("a whole worker, 10 ms a call: time in all beside the SDK's", |printed| {
        printed.number(&["worked, 64 messages at a time, 10 ms a call"], 3)
    }),
    aws("a whole worker, answered at once: processor time beside the SDK's", |printed| {
        printed.number(&["worked, 64 messages at a time"], 2)
    }),
    embedded("handled", AtLeast(15_000.0), "messages/s", |printed| {
        printed.number(&["handled from a full queue, 1 consumer"], 0)
    }),
    embedded("in relation to the engine alone", AtLeast(0.5), "×", |printed| {
        printed.number(&["the engine alone", "ours in relation to it"], 0)
    }),
    embedded("in relation to the best peer", AtLeast(1.0), "×", |printed| {
        printed.number(&["peer apalis", "ours in relation to the best"], 0)
    }),
    embedded("cost of a message among a million, beside ten thousand", AtMost(1.2), "×", |printed| {
        printed.number(&["with 1000000 messages", "both, in relation"], 0)
    }),
    million("lost", AtMost(0.0), "", |printed| printed.number(&["lost=0"], 0)),
    million("doubled", AtMost(0.0), "", |printed| printed.number(&["doubled=0"], 0)),
    million("memory at the end, beside that after two tenths", AtMost(1.1), "×", |printed| {
        let at = |nth| printed.number(&["memory while it was sending:"], nth);
        Some(at(9)? / at(1)?)
    }),
    replay("snapshot, 10 ms a call", AtLeast(10_000.0), "/s", |printed| printed.number(&[SLOWLY, "dlq snap"], 1)),
    replay("replay, 10 ms a call", AtLeast(5000.0), "/s", |printed| printed.number(&[SLOWLY, RUN], 1)),
    replay("replay, 10 ms a call: time in all beside the SDK's", AtLeast(0.9), "×", |printed| {
        printed.number(&[SLOWLY, BESIDE], 0)
    }),
    replay("replay, answered at once: processor time beside the SDK's", AtLeast(0.9), "×", |printed| {
        printed.number(&[AT_ONCE, BESIDE], 1)
    }),
    replay("replay, answered at once", AtLeast(20_000.0), "/s of processor time", |printed| {
        printed.number(&[AT_ONCE, RUN], 2)
    }),
];

type Measured = fn(Printed<'_>) -> Option<f64>;

const fn functions(what: &'static str, limit: Limit, unit: &'static str, measured: Measured) -> Goal {
    Goal { bench: "functions", what, limit, unit, measured }
}

const fn aws(what: &'static str, measured: Measured) -> Goal {
    Goal { bench: "aws", what, limit: AtLeast(0.9), unit: "×", measured }
}

const fn embedded(what: &'static str, limit: Limit, unit: &'static str, measured: Measured) -> Goal {
    Goal { bench: "embedded", what, limit, unit, measured }
}

const fn million(what: &'static str, limit: Limit, unit: &'static str, measured: Measured) -> Goal {
    Goal { bench: "million", what, limit, unit, measured }
}

const fn replay(what: &'static str, limit: Limit, unit: &'static str, measured: Measured) -> Goal {
    Goal { bench: "replay", what, limit, unit, measured }
}

/// The table of all goals, by what each benchmark has printed.
pub(crate) fn table<'a>(printed: impl Fn(&str) -> Option<(&'static str, Printed<'a>)>) -> String {
    let mut text = String::from("| what | goal | measured | holds |\n|---|---|---|---|\n");
    let mut under = "";
    for goal in &GOALS {
        let Some((title, printed)) = printed(goal.bench) else { continue };
        if under != title {
            writeln!(text, "| **{title}** | | | |").unwrap();
            under = title;
        }
        let measured = (goal.measured)(printed);
        let (words, holds) = match goal.limit {
            AtLeast(limit) => (format!("at least {}", shown(limit)), measured.map(|measured| measured >= limit)),
            AtMost(limit) => (format!("at most {}", shown(limit)), measured.map(|measured| measured <= limit)),
        };
        let holds = match holds {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not printed",
        };
        let measured = measured.map_or_else(String::new, shown);
        let unit = if goal.unit.is_empty() { String::new() } else { format!(" {}", goal.unit) };
        writeln!(text, "| {} | {words}{unit} | {measured} | {holds} |", goal.what).unwrap();
    }
    text
}
