//! What an event costs, step by step.

use super::{Event, Handling, Prices};

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
            lines.extend(handling.lines(prices));
        }
        let (step, units, unit) = ("logs".to_owned(), self.log_kilobytes, "KB");
        // A kilobyte for each of a million events is a gigabyte.
        lines.push(Line { step, units, unit, dollars: units * prices.log_gigabytes });
        lines
    }

    /// Dollars for a million of them.
    #[must_use]
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.lines(prices).iter().map(|line| line.dollars).sum()
    }
}

impl Handling {
    /// What it costs, step by step.
    #[must_use]
    pub fn lines(&self, prices: &Prices) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut line = |what: &str, units: f64, unit, price: f64| {
            if units > 0.0 {
                let step = format!("`{}`: {what}", self.consumer);
                lines.push(Line { step, units, unit, dollars: units * price });
            }
        };
        let (calls, time, writes, reads) = ("calls", "GB·s", "write units", "read units");
        line("queue", self.queue_requests, "requests", prices.queue_requests);
        line("function", self.function.calls, calls, prices.function_calls);
        line("time", self.function.gb_seconds(), time, prices.function_gb_seconds);
        line("inbox", self.inbox_writes, writes, prices.table_writes);
        line("look-ups", self.reads, reads, prices.table_reads);
        line("steps", self.transitions, "transitions", prices.transitions);
        line("rate limit", self.rate_writes, writes, prices.table_writes);
        line("callbacks", self.callbacks, "requests", prices.api_requests);
        line("callbacks: function", self.callbacks * Self::CALLBACK.calls, calls, prices.function_calls);
        line("callbacks: time", self.callbacks * Self::CALLBACK.gb_seconds(), time, prices.function_gb_seconds);
        line("callbacks: look-ups", self.callbacks, reads, prices.table_reads);
        line("callbacks: delivery records", self.callbacks, writes, prices.table_writes);
        lines
    }

    /// Dollars for a million of them.
    #[must_use]
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.lines(prices).iter().map(|line| line.dollars).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{
        Call,
        events::{ASSIGNED, CREATED, EMAIL, RUN},
    };

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
        // 6 for the commit, 2 in the index, 1 for the mark, 2 for the timeline, 3 in the inbox for the mail and 2 for webhooks.
        let writes = ASSIGNED.dollars(&Prices { table_writes: 1.0, ..free });
        assert!((writes - 16.0).abs() < 1e-9, "{writes}");
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
        let (none, email, both) = (only(&[]), only(&[EMAIL]), only(&[EMAIL, RUN]));
        let run = Event { handlings: &[RUN], ..CREATED }.dollars(&Prices::US_EAST_1) - none;
        assert!((both - email - run).abs() < 1e-9 && run > 175.0, "7 transitions are 175 dollars");
    }
}
