//! What a million events cost on AWS: calls and units of each step, times list prices. Every assumption is a named field, so
//! that a measured number can take its place.
//!
//! `cargo run -p sendoff-tests --bin generate` writes the tables into `docs/DEPLOY.md`.

use std::fmt::Write as _;

/// List prices in US dollars, without free tiers and discounts.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// Where and when they were read.
    pub of: &'static str,
    /// A million requests to an HTTP API.
    pub api_requests: f64,
    /// A million calls of functions.
    pub function_calls: f64,
    /// A million gigabyte-seconds of functions on arm64.
    pub function_gb_seconds: f64,
    /// A million write units of an on-demand table (1 KB each; a transaction takes two for each).
    pub table_writes: f64,
    /// A million read units of an on-demand table (4 KB each, strongly consistent).
    pub table_reads: f64,
    /// A million messages to a topic (64 KB each).
    pub publishes: f64,
    /// A million requests to a standard queue (64 KB each).
    pub queue_requests: f64,
    /// A million state transitions of a standard state machine.
    pub transitions: f64,
    /// A gigabyte of logs taken in.
    pub log_gigabytes: f64,
    /// An alarm for a month.
    pub alarm_months: f64,
    /// A metric of one's own for a month.
    pub metric_months: f64,
    /// A dashboard for a month.
    pub dashboard_months: f64,
    /// A secret for a month.
    pub secret_months: f64,
}

impl Prices {
    /// The region that AWS quotes its prices in.
    pub const US_EAST_1: Self = Self {
        of: "us-east-1 (standard table class, functions on arm64) as published in 2025",
        api_requests: 1.00,
        function_calls: 0.20,
        function_gb_seconds: 13.3334,
        table_writes: 0.625,
        table_reads: 0.125,
        publishes: 0.50,
        queue_requests: 0.40,
        transitions: 25.00,
        log_gigabytes: 0.50,
        alarm_months: 0.10,
        metric_months: 0.30,
        dashboard_months: 3.00,
        secret_months: 0.40,
    };
}

/// A call of a function, as it is billed.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// How many of them there are for each event; less than one where several events share a call.
    pub calls: f64,
    /// Milliseconds of each.
    pub milliseconds: f64,
    /// Memory in megabytes, as the template has it.
    pub megabytes: f64,
}

impl Call {
    fn gb_seconds(self) -> f64 {
        self.calls * self.milliseconds / 1000.0 * self.megabytes / 1024.0
    }
}

/// What one consumer does with one event.
#[derive(Debug, Clone, Copy)]
pub struct Handling {
    /// The consumer.
    pub consumer: &'static str,
    /// Requests to the queue: the topic's delivery (counted to be on the safe side), and its share of a receive and a delete.
    pub queue_requests: f64,
    /// Writes of the inbox record, each of one unit up to 1 KB: claim, settle, and for a `Once` effect *sending* in between.
    pub inbox_writes: f64,
    /// Reads of records: the app, and the users.
    pub reads: f64,
    /// The function.
    pub function: Call,
    /// State transitions of the run that it starts.
    pub transitions: f64,
}

/// What one event causes, from the request to the end.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its type.
    pub event_type: &'static str,
    /// Requests to the API.
    pub requests: f64,
    /// The API's function.
    pub api: Call,
    /// The authorizer, where its answer isn't remembered.
    pub authorizer: Call,
    /// Reads before the commit: the records that the request is about, and the answer to its key.
    pub reads: f64,
    /// Kilobytes that each item of the commit counts as: the record, the event in the outbox, the request's key.
    pub commit_kilobytes: [f64; 3],
    /// Writes to the sparse index: the event comes in with the commit, and leaves it with the mark.
    pub index_writes: f64,
    /// Writes of the mark: the event's item, in kilobytes.
    pub mark_kilobytes: f64,
    /// Publishes to the topic.
    pub publishes: f64,
    /// The relay: it looks whether the event is marked.
    pub relay: Call,
    /// Reads of the relay.
    pub relay_reads: f64,
    /// The reactions.
    pub reactions: Call,
    /// Items that reactions commit, of one kilobyte each: an entry in the timeline.
    pub reaction_items: f64,
    /// Its consumers.
    pub handlings: &'static [Handling],
    /// Kilobytes of logs.
    pub log_kilobytes: f64,
}

/// How many messages or changes share a call of a function while there is enough to do: less than the ten or hundred that a
/// batch holds.
const SHARED: f64 = 5.0;

/// The mail server's answer takes most of it; the messages of a batch are sent at the same time.
const EMAIL: Handling = Handling {
    consumer: "email",
    queue_requests: 1.0 + 2.0 / SHARED,
    inbox_writes: 3.0,
    reads: 3.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 400.0, megabytes: 256.0 },
    transitions: 0.0,
};

/// A workflow of four steps: two transitions for each, and three around them (`infra/aws/asl/run.asl.json`).
const WORKFLOW: Handling = Handling {
    consumer: "workflow-kickoff",
    queue_requests: 1.0 + 2.0 / SHARED,
    inbox_writes: 2.0,
    reads: 1.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 100.0, megabytes: 256.0 },
    transitions: 11.0,
};

const ASSIGNED: Event = Event {
    event_type: "app.assigned",
    requests: 1.0,
    api: Call { calls: 1.0, milliseconds: 40.0, megabytes: 512.0 },
    authorizer: Call { calls: 0.1, milliseconds: 5.0, megabytes: 256.0 },
    reads: 4.0,
    commit_kilobytes: [1.0, 1.0, 1.0],
    index_writes: 2.0,
    mark_kilobytes: 1.0,
    publishes: 1.0,
    relay: Call { calls: 1.0 / SHARED, milliseconds: 20.0, megabytes: 256.0 },
    relay_reads: 1.0,
    // The entry in the timeline is a change too, which the reactions are called for.
    reactions: Call { calls: 2.0 / SHARED, milliseconds: 30.0, megabytes: 256.0 },
    reaction_items: 1.0,
    handlings: &[EMAIL],
    log_kilobytes: 2.0,
};

const CREATED: Event = Event {
    event_type: "submission.created",
    commit_kilobytes: [2.0, 1.0, 1.0],
    handlings: &[EMAIL, WORKFLOW],
    log_kilobytes: 3.0,
    ..ASSIGNED
};

/// The events that the tables are made for.
pub const EVENTS: [Event; 2] = [ASSIGNED, CREATED];

/// One line of the table: a step, how many units of what, and what they cost for a million events.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The step.
    pub step: String,
    /// Units for each event.
    pub units: f64,
    /// What is counted.
    pub unit: &'static str,
    /// Dollars for a million events.
    pub dollars: f64,
}

impl Event {
    /// What it costs, step by step.
    #[must_use]
    pub fn lines(&self, prices: &Prices) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut line = |step: &str, units: f64, unit, price: f64| {
            lines.push(Line { step: step.to_owned(), units, unit, dollars: units * price });
        };
        let (calls, time, writes, reads) = ("calls", "GB·s", "write units", "read units");
        line("API: requests", self.requests, "requests", prices.api_requests);
        let front = [self.api, self.authorizer];
        line("API and authorizer: functions", front.iter().map(|c| c.calls).sum(), calls, prices.function_calls);
        line("API and authorizer: time", front.iter().map(|c| c.gb_seconds()).sum(), time, prices.function_gb_seconds);
        line("API: look-ups", self.reads, reads, prices.table_reads);
        // Each kilobyte of a transaction takes two units.
        line("commit: one transaction", 2.0 * self.commit_kilobytes.iter().sum::<f64>(), writes, prices.table_writes);
        line("commit and mark: the sparse index", self.index_writes, writes, prices.table_writes);
        line("publish", self.publishes, "publishes", prices.publishes);
        line("mark as published", self.mark_kilobytes, writes, prices.table_writes);
        line("relay: function", self.relay.calls, calls, prices.function_calls);
        line("relay: time", self.relay.gb_seconds(), time, prices.function_gb_seconds);
        line("relay: is it marked?", self.relay_reads, reads, prices.table_reads);
        line("reactions: function", self.reactions.calls, calls, prices.function_calls);
        line("reactions: time", self.reactions.gb_seconds(), time, prices.function_gb_seconds);
        line("reactions: timeline", 2.0 * self.reaction_items, writes, prices.table_writes);
        for handling in self.handlings {
            let of = |what: &str| format!("`{}`: {what}", handling.consumer);
            line(&of("queue"), handling.queue_requests, "requests", prices.queue_requests);
            line(&of("function"), handling.function.calls, calls, prices.function_calls);
            line(&of("time"), handling.function.gb_seconds(), time, prices.function_gb_seconds);
            line(&of("inbox"), handling.inbox_writes, writes, prices.table_writes);
            line(&of("look-ups"), handling.reads, reads, prices.table_reads);
            if handling.transitions > 0.0 {
                line(&of("the run's steps"), handling.transitions, "transitions", prices.transitions);
            }
        }
        // A kilobyte for each of a million events is a gigabyte.
        line("logs", self.log_kilobytes, "KB", prices.log_gigabytes);
        lines
    }

    /// Dollars for a million of them.
    #[must_use]
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.lines(prices).iter().map(|line| line.dollars).sum()
    }
}

/// What the stack costs when nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Alarms.
    pub alarms: f64,
    /// Metrics of our own: each of ten counts and two times, for each consumer, reaction and publisher that has it.
    pub metrics: f64,
    /// Secrets.
    pub secrets: f64,
    /// Queues that functions poll.
    pub polled_queues: f64,
}

/// Lambda keeps five long polls of 20 seconds open at an idle queue.
const POLLS_A_MONTH: f64 = 5.0 * 3.0 * 60.0 * 24.0 * 30.0;

impl Idle {
    /// The template without cache, provisioned concurrency and warmer.
    pub const TEMPLATE: Self = Self { alarms: 34.0, metrics: 30.0, secrets: 2.0, polled_queues: 2.0 };

    /// Dollars for a month.
    #[must_use]
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.alarms * prices.alarm_months
            + self.metrics * prices.metric_months
            + self.secrets * prices.secret_months
            + self.polled_queues * POLLS_A_MONTH / 1e6 * prices.queue_requests
            + prices.dashboard_months
    }
}

/// The tables, as Markdown.
#[must_use]
pub fn report(prices: &Prices) -> String {
    let mut text = format!("List prices of {}; no free tier, no discount.\n", prices.of);
    for event in &EVENTS {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\nA million `{}` events: **${:.2}**\n\n| step | units for each event | | $ for a million |\n|---|---:|---|---:|\n",
            event.event_type,
            event.dollars(prices)
        );
        for Line { step, units, unit, dollars } in event.lines(prices) {
            let _ = writeln!(text, "| {step} | {} | {unit} | {dollars:.2} |", trimmed(units));
        }
    }
    let idle = Idle::TEMPLATE;
    let _ = write!(
        text,
        "\nWhen nothing happens, a month costs ${:.2}: {} alarms, {} metrics, {} secrets, a dashboard, and the polls of {} queues.\n",
        idle.dollars(prices),
        idle.alarms,
        idle.metrics,
        idle.secrets,
        idle.polled_queues
    );
    text
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const BEGIN: &str =
    "<!-- The cost, generated from tests/src/cost.rs by `cargo run -p sendoff-tests --bin generate`. -->\n";
const END: &str = "<!-- The end of what is generated. -->\n";

/// `docs/DEPLOY.md` with its tables up to date.
///
/// # Panics
///
/// When the document has lost the marks that the tables stand between.
#[must_use]
pub fn document() -> String {
    const STANDING: &str = include_str!("../../docs/DEPLOY.md");
    let parts = STANDING.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else { panic!("docs/DEPLOY.md has lost `{BEGIN}` or `{END}`") };
    format!("{before}{BEGIN}\n{}\n{END}{after}", report(&Prices::US_EAST_1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_costs_its_price_and_the_lines_add_up() {
        let free = Prices {
            api_requests: 0.0,
            function_calls: 0.0,
            function_gb_seconds: 0.0,
            table_writes: 0.0,
            table_reads: 0.0,
            publishes: 0.0,
            queue_requests: 0.0,
            transitions: 0.0,
            log_gigabytes: 0.0,
            ..Prices::US_EAST_1
        };
        assert!(ASSIGNED.dollars(&free).abs() < 1e-9);
        // 6 for the commit, 2 in the index, 1 for the mark, 2 for the timeline, 3 in the inbox.
        let writes = ASSIGNED.dollars(&Prices { table_writes: 1.0, ..free });
        assert!((writes - 14.0).abs() < 1e-9, "{writes}");
        // 40 ms of half a gigabyte and a little for the authorizer, by the gigabyte-second.
        let time = Event { relay: none(), reactions: none(), handlings: &[], ..ASSIGNED };
        let time = time.dollars(&Prices { function_gb_seconds: 1.0, ..free });
        assert!((time - (0.02 + 0.1 * 0.005 * 0.25)).abs() < 1e-9, "{time}");
    }

    fn none() -> Call {
        Call { calls: 0.0, milliseconds: 0.0, megabytes: 0.0 }
    }

    #[test]
    fn a_second_consumer_costs_what_it_does() {
        let only = |handlings| Event { handlings, ..CREATED }.dollars(&Prices::US_EAST_1);
        let (none, email, both) = (only(&[]), only(&[EMAIL]), only(&[EMAIL, WORKFLOW]));
        let workflow = Event { handlings: &[WORKFLOW], ..CREATED }.dollars(&Prices::US_EAST_1) - none;
        assert!((both - email - workflow).abs() < 1e-9 && workflow > 275.0, "11 transitions are 275 dollars");
    }
}
