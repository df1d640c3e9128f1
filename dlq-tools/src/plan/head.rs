//! The first line of a plan: what it is of, for whom, and how it is to be carried out.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use sendoff_consumers::Destination;
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

use super::Forecast;

/// Where letters are sent: `topic`, or `queue:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct To(pub Destination);

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Destination::Topic => f.write_str("topic"),
            Destination::Queue(queue) => write!(f, "queue:{queue}"),
        }
    }
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "topic" => Ok(Self(Destination::Topic)),
            Some(("queue", queue)) if !queue.is_empty() => Ok(Self(Destination::Queue(queue.to_owned()))),
            _ => Err("use `topic`, or `queue:NAME`".into()),
        }
    }
}

impl TryFrom<String> for To {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<To> for String {
    fn from(to: To) -> Self {
        to.to_string()
    }
}

/// When a run stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stops {
    /// The share of what was watched that may come back, between 0 and 1. When more does, the run pauses.
    pub returned_share: f64,
    /// How long the oldest message of the destination may have waited, in seconds. While it is more, the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_age_s: Option<u64>,
    /// How many messages may wait there. While there are more, the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u64>,
    /// For how long it waits before it pauses, in seconds.
    pub patience_s: u64,
}

/// What a run would cost, about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Calls of the broker.
    pub calls: u64,
    /// Their list price in US dollars.
    pub usd: f64,
    /// How long the run takes, in seconds, when nothing has to be waited for.
    pub seconds: u64,
}

/// A million requests to SQS, in US dollars: list price in us-east-1 as published in 2025, for messages up to 64 KiB.
const USD_PER_MILLION: f64 = 0.40;
/// The same of what is published to a topic of SNS; to queues of SQS it delivers for nothing.
const USD_PER_MILLION_PUBLISHED: f64 = 0.50;
/// Both take this many messages in a call.
const PER_CALL: u64 = 10;

impl Estimate {
    /// That of sending `count` letters there: a receive, a send and a delete each, by tens.
    #[must_use]
    pub fn of(count: u64, to: &To, is_billed: bool, rate: u32, canary: &[u64], watch: Duration) -> Self {
        let each = if is_billed { count.div_ceil(PER_CALL) } else { 0 };
        let sent = match &to.0 {
            Destination::Queue(_) => USD_PER_MILLION,
            Destination::Topic => USD_PER_MILLION_PUBLISHED,
        };
        // Rounded to millionths: more would feign a precision that isn't there.
        let (calls, usd) = (3 * each, (each as f64 * (2.0 * USD_PER_MILLION + sent)).round() / 1e6);
        let watches = rungs(canary).take_while(|reached| *reached < count).count() as u64 + u64::from(count > 0);
        let sending = if rate == 0 { 0 } else { count.div_ceil(u64::from(rate)) };
        Self { calls, usd, seconds: sending.saturating_add(watches.saturating_mul(watch.as_secs())) }
    }
}

/// A subscriber of the topic that would get an event type again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherSubscriber {
    /// Its queue.
    pub queue: String,
    /// The event type.
    pub r#type: String,
    /// How many letters of this type would go to it.
    pub letters: u64,
    /// How many of them it has done already, by its records.
    pub done: u64,
}

/// What a plan is of, and how it is to be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of this format: 1.
    pub plan: u32,
    /// The deployment, in the words of [`DeadLetters::deployment`](sendoff_consumers::DeadLetters::deployment).
    pub deployment: String,
    /// The dead-letter queue.
    pub queue: String,
    /// Where its letters are sent.
    pub to: To,
    /// Who made it, as they said.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Which letters, as it was typed.
    pub selection: Vec<String>,
    /// The file name of the snapshot that they were chosen from.
    pub snapshot: String,
    /// When it was taken.
    pub snapshot_at: Timestamp,
    /// How many letters are sent a second at most; 0 for no limit.
    pub rate: u32,
    /// How many letters are sent before each pause to watch; then the rest.
    pub canary: Vec<u64>,
    /// For how long what was sent is watched, in seconds, unless all of it has come to an end before.
    pub watch_s: u64,
    /// When the run stops by itself.
    pub stop: Stops,
    /// A letter that was replayed so often is taken for a loop.
    pub max_replays: u32,
    /// Which forecasts are sent besides those that always are.
    pub include: Vec<Forecast>,
    /// Why what is done already is to run once more; `None` when it isn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_rerun: Option<String>,
    /// How many others have to approve it.
    pub approvals: u32,
    /// How many letters are sent.
    pub send: u64,
    /// How many are left where they are.
    pub leave: u64,
    /// How many letters there are of each forecast.
    pub forecasts: BTreeMap<Forecast, u64>,
    /// How many of these are sent.
    #[serde(default)]
    pub sent: BTreeMap<Forecast, u64>,
    /// What it costs.
    pub estimate: Estimate,
    /// Who else gets the letters when they go to the topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_subscribers: Vec<OtherSubscriber>,
}

impl Head {
    /// For how long what was sent is watched.
    #[must_use]
    pub const fn watch(&self) -> Duration {
        Duration::from_secs(self.watch_s)
    }

    /// The queues that get what it sends. `own` is that of the consumer whose dead-letter queue it is of.
    #[must_use]
    pub fn queues(&self, own: Option<&str>) -> Vec<String> {
        match &self.to.0 {
            Destination::Queue(queue) => vec![queue.clone()],
            Destination::Topic => {
                let others = self.other_subscribers.iter().map(|subscriber| subscriber.queue.clone());
                let mut queues: Vec<String> = own.map(str::to_owned).into_iter().chain(others).collect();
                // A subscriber stands there once for each event type.
                queues.dedup();
                queues
            }
        }
    }

    /// How many letters were sent at each pause to watch, counted from the first one.
    pub fn rungs(&self) -> impl Iterator<Item = u64> + '_ {
        rungs(&self.canary)
    }
}

/// How many letters are reached with each step of a ladder.
fn rungs(canary: &[u64]) -> impl Iterator<Item = u64> + '_ {
    canary.iter().scan(0_u64, |reached, rung| {
        *reached = reached.saturating_add(*rung);
        Some(*reached)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_that_reaches_beyond_all_numbers_ends_at_the_greatest() {
        let most = u64::MAX;
        assert_eq!(rungs(&[1, most / 2, most, 3]).collect::<Vec<_>>(), [1, most / 2 + 1, most, most]);
        let to = To(Destination::Topic);
        let estimate = Estimate::of(5, &to, false, 1, &[1, most, most], Duration::from_secs(most));
        assert_eq!(estimate.seconds, most);
    }

    #[test]
    fn a_replay_is_priced_by_where_it_goes() {
        let of = |to: Destination, is_billed| Estimate::of(1_000_000, &To(to), is_billed, 0, &[], Duration::ZERO);
        let queue = || Destination::Queue("email".into());
        assert_eq!((of(queue(), true).calls, of(queue(), true).usd), (300_000, 0.12));
        assert_eq!((of(Destination::Topic, true).calls, of(Destination::Topic, true).usd), (300_000, 0.13));
        assert_eq!((of(queue(), false).calls, of(Destination::Topic, false).usd), (0, 0.0));
    }
}
