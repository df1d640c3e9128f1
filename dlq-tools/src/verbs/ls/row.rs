//! What is said of a queue.

use sendoff_consumers::{DeadLetterKind, DeadLetterQueue};
use sendoff_embedded::program::print::one_line;
use sendoff_events::Timestamp;
use serde::Serialize;

use crate::{snapshot::peek::Peeked, verbs::source::span};

pub(super) const HEADING: [&str; 7] =
    ["QUEUE", "WAITING", "IN FLIGHT", "OLDEST", "FIRST LOSS", "LAST HOUR", "TOP REASON"];

/// A queue as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) queue: String,
    kind: &'static str,
    /// The consumer's queue that they go back to.
    target: Option<String>,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    retention_s: Option<u64>,
    oldest_at: Option<Timestamp>,
    pub(super) oldest_age_s: Option<u64>,
    first_loss_at: Option<Timestamp>,
    pub(super) first_loss_s: Option<u64>,
    /// How many came in the last hour.
    pub(super) arrivals_per_hour: Option<u64>,
    pub(super) top_reason: Option<String>,
    /// From 0 to 1.
    pub(super) top_share: Option<f64>,
    /// How many letters the figures are of; `None` when they are of all.
    pub(super) sampled: Option<u64>,
    untouchable: Option<String>,
}

impl Row {
    pub(super) fn of(queue: &DeadLetterQueue, peeked: Option<&Peeked>, now: Timestamp) -> Self {
        let facts = peeked.map(|peeked| &peeked.facts);
        let oldest = facts.and_then(|facts| facts.oldest);
        let loss = oldest.zip(queue.retention).and_then(|(oldest, retention)| oldest.checked_add(retention).ok());
        let total: u64 = facts.map_or(0, |facts| facts.reasons.iter().map(|(_, count)| count).sum());
        let top = facts.and_then(|facts| facts.reasons.first());
        let kind = match queue.kind {
            DeadLetterKind::Consumer(_) => "consumer",
            DeadLetterKind::Undelivered(_) => "undelivered",
            DeadLetterKind::Reaction(_) => "reaction",
            DeadLetterKind::Quarantine(_) => "quarantine",
            DeadLetterKind::Foreign => "foreign",
        };
        Self {
            queue: queue.name.clone(),
            kind,
            target: queue.kind.target().map(str::to_owned),
            waiting: queue.waiting,
            in_flight: queue.in_flight,
            retention_s: queue.retention.map(|retention| retention.as_secs()),
            oldest_at: oldest,
            oldest_age_s: oldest.map(|oldest| seconds(oldest, now)),
            first_loss_at: loss,
            first_loss_s: loss.map(|loss| seconds(now, loss)),
            arrivals_per_hour: facts.map(|facts| facts.arrived),
            top_reason: top.map(|(reason, _)| reason.clone().unwrap_or_else(|| "not said".to_owned())),
            top_share: top.map(|(_, count)| *count as f64 / total.max(1) as f64),
            sampled: peeked.and_then(|peeked| peeked.sampled).filter(|sampled| *sampled < queue.waiting + queue.in_flight),
            untouchable: queue.untouchable.clone(),
        }
    }

    /// Rows with less of it come first: those that lose a letter, those that keep all, those that hold none.
    pub(super) fn urgency(&self) -> impl Ord + use<> {
        let is_empty = self.waiting + self.in_flight == 0;
        (is_empty, self.first_loss_at.is_none(), self.first_loss_at, self.queue.clone())
    }

    pub(super) fn cells(&self) -> [String; 7] {
        let is_empty = self.waiting + self.in_flight == 0;
        let (at_least, at_most) = if self.sampled.is_some() { ("≥ ", "≤ ") } else { ("", "") };
        let unknown = || if is_empty { "-" } else { "?" }.to_owned();
        let time = |seconds| span(std::time::Duration::from_secs(seconds));
        let oldest = self.oldest_age_s.map_or_else(unknown, |age| format!("{at_least}{}", time(age)));
        let loss = match (self.first_loss_s, self.retention_s) {
            (Some(0), _) => "now".to_owned(),
            (Some(left), _) => format!("{at_most}{}", time(left)),
            (None, None) if !is_empty => "never".to_owned(),
            (None, _) => unknown(),
        };
        let arrivals = self.arrivals_per_hour.map_or_else(unknown, |count| format!("{at_least}{count}"));
        let sampled = self.sampled.map(|sampled| format!(", sampled {sampled} of {}", self.waiting)).unwrap_or_default();
        let reason = match (&self.top_reason, self.top_share, &self.untouchable) {
            (Some(reason), Some(share), _) => format!("{} {:.0}%{sampled}", one_line(reason), share * 100.0),
            (_, _, Some(why)) => format!("not looked into: {}", one_line(why)),
            _ => unknown(),
        };
        let (waiting, in_flight) = (self.waiting.to_string(), self.in_flight.to_string());
        [one_line(&self.queue), waiting, in_flight, oldest, loss, arrivals, reason]
    }
}

/// From one moment to a later one, or 0.
fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use sendoff_consumers::DeadLetterFacts;

    use super::*;

    pub(in crate::verbs::ls) fn queue(name: &str, waiting: u64) -> DeadLetterQueue {
        DeadLetterQueue {
            name: name.into(),
            kind: DeadLetterKind::Consumer("email".into()),
            waiting,
            in_flight: 0,
            retention: Some(Duration::from_secs(14 * 86_400)),
            fifo: false,
            untouchable: None,
            facts: None,
        }
    }

    pub(in crate::verbs::ls) fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + day * 86_400).unwrap()
    }

    pub(in crate::verbs::ls) fn peeked(oldest: i64, sampled: Option<u64>) -> Peeked {
        let reasons = vec![(Some("bad-template".into()), 2), (None, 1)];
        Peeked { facts: DeadLetterFacts { oldest: Some(at(oldest)), arrived: 3, reasons }, sampled }
    }

    #[test]
    fn figures_of_a_sample_say_that_they_are() {
        let row = Row::of(&queue("q", 5000), Some(&peeked(0, Some(3))), at(4));
        assert_eq!(row.cells(), ["q", "5000", "0", "≥ 4d", "≤ 10d", "≥ 3", "bad-template 67%, sampled 3 of 5000"]);
        let row = Row::of(&queue("q", 3), Some(&peeked(0, Some(3))), at(4));
        assert_eq!(row.cells(), ["q", "3", "0", "4d", "10d", "3", "bad-template 67%"], "a sample of all is all");
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        assert_eq!(Row::of(&queue("q", 3), None, at(4)).cells(), ["q", "3", "0", "?", "?", "?", "?"]);
        assert_eq!(Row::of(&queue("q", 0), None, at(4)).cells(), ["q", "0", "0", "-", "-", "-", "-"]);
        let kept = DeadLetterQueue { retention: None, ..queue("q", 3) };
        assert_eq!(Row::of(&kept, None, at(4)).cells()[4], "never");
        let harmed = DeadLetterQueue { untouchable: Some("it has a redrive policy".into()), ..queue("q", 3) };
        assert_eq!(Row::of(&harmed, None, at(4)).cells()[6], "not looked into: it has a redrive policy");
    }

    #[test]
    fn what_is_lost_first_stands_on_top() {
        let row = |name, waiting, oldest: Option<i64>| {
            let peeked = oldest.map(|oldest| peeked(oldest, None));
            Row::of(&queue(name, waiting), peeked.as_ref(), at(20))
        };
        let mut rows =
            [row("empty", 0, None), row("later", 1, Some(10)), row("unknown", 1, None), row("now", 1, Some(1))];
        rows.sort_by_key(Row::urgency);
        assert_eq!(rows.each_ref().map(|row| &*row.queue), ["now", "later", "unknown", "empty"]);
        assert_eq!(rows[0].cells()[4], "now");
    }
}
