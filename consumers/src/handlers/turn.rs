//! Whether it is a channel's turn in a chain: what became of the channels before it, as their ledgers and their providers have
//! it. See `docs/adr/0014-routing-by-ledger.md`.

use std::{collections::BTreeMap, time::Duration};

use sendoff_events::{EventId, Timestamp};
use sendoff_producers::model::Channel;

use super::{Desk, ways::hold};
use crate::{
    Classify, Context, DeliveryId, DeliveryStatus, HandlerError, IdempotencyKey, InboxRecord,
    moments::{later, since},
    routing::{Earlier, Standing, standing},
};

/// How long a channel waits for one before it, from when its own job began, or from when that one was last worked on. What has not
/// been touched for so long while ours was under way is stuck, and somebody has to look.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How often it looks while it waits: after half of the time that its job is under way, within these bounds.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(15 * 60);

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This channel's.
    Mine,
    /// Nobody's any more, and why.
    Over(String),
    /// It isn't known yet.
    Wait {
        /// When it may be.
        until: Timestamp,
        /// What is waited for.
        why: String,
    },
    /// It should be known by now.
    NoNews(String),
}

/// Who asks.
pub(super) struct Asking<'a> {
    pub(super) cx: &'a Context,
    pub(super) event: EventId,
    /// The recipient's step.
    pub(super) recipient: &'a str,
    pub(super) now: Timestamp,
    /// Until when quiet hours hold the channels before.
    pub(super) held_until: Option<Timestamp>,
}

/// What a message that a provider has taken came to.
enum Arrival {
    /// It may be on its way, or nobody tells.
    Unknown,
    Arrived,
    Undelivered,
}

impl Desk {
    /// Whether it is the turn of the channel that stands after all of `earlier`. Each of them is asked, also one that is hindered
    /// now, which may have told them before: that costs one read of the inbox for each channel before ours, at each look, and
    /// ends at the first that doesn't leave it to those after it.
    pub(super) async fn turn(&self, earlier: &[Earlier], ask: &Asking<'_>) -> Result<Turn, HandlerError> {
        for earlier in earlier {
            match self.stands(*earlier, ask).await? {
                Turn::Mine => {}
                other => return Ok(other),
            }
        }
        Ok(Turn::Mine)
    }

    /// Whether one of these channels, which stand after the one that asks, has acted. It doesn't before that one has failed; but
    /// who has failed may have been replayed since.
    pub(super) async fn taken_over(
        &self,
        others: &[Channel],
        ask: &Asking<'_>,
    ) -> Result<Option<String>, HandlerError> {
        for channel in others {
            if let Turn::Over(why) | Turn::Wait { why, .. } = self.acted(*channel, ask).await? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    async fn acted(&self, channel: Channel, ask: &Asking<'_>) -> Result<Turn, HandlerError> {
        let name = channel.name();
        let key = IdempotencyKey::new(name, ask.event);
        let record = self.inbox.get(&key).await.or_snooze()?;
        Ok(match standing(record.as_ref(), ask.recipient) {
            Standing::Open | Standing::Not => Turn::Mine,
            Standing::Sent { steps } => match self.arrival(record.as_ref(), &steps).await? {
                Arrival::Undelivered => Turn::Mine,
                Arrival::Arrived | Arrival::Unknown => Turn::Over(told(channel)),
            },
            Standing::InDoubt { .. } => Turn::Over(format!("{name} may have told them; a person decides there")),
        })
    }

    /// What one channel leaves to those after it.
    async fn stands(&self, earlier: Earlier, ask: &Asking<'_>) -> Result<Turn, HandlerError> {
        let Earlier { channel, hindered } = earlier;
        let (name, now) = (channel.name(), ask.now);
        let key = IdempotencyKey::new(name, ask.event);
        let record = self.inbox.get(&key).await.or_snooze()?;
        Ok(match standing(record.as_ref(), ask.recipient) {
            Standing::Not => Turn::Mine,
            // It has told them nothing, and what hinders it now keeps it from beginning.
            Standing::Open if hindered => Turn::Mine,
            Standing::Open => ask.wait(record.as_ref(), format!("{name} may still tell them")),
            Standing::InDoubt { trying: true, .. } => {
                ask.wait(record.as_ref(), format!("{name} is finding out whether it has told them"))
            }
            Standing::InDoubt { since, trying: false } => match later(since, hold(channel)) {
                // Its provider, or a person, may say at any moment that it hasn't.
                end if end > now => Turn::Wait {
                    until: ask.next_look().min(end),
                    why: format!("{name} is finding out whether it has told them"),
                },
                // Never after an unknown outcome: they could be told twice, and nobody would know.
                _ => Turn::Over(format!("{name} may have told them; a person decides there")),
            },
            Standing::Sent { steps } => match self.arrival(record.as_ref(), &steps).await? {
                Arrival::Undelivered => Turn::Mine,
                Arrival::Arrived => Turn::Over(told(channel)),
                Arrival::Unknown => {
                    let latest = steps.values().max();
                    match latest.map(|at| later(*at, self.grace(channel, ask.cx))).filter(|until| *until > now) {
                        Some(until) => {
                            let why = format!("{name} has sent it, and may hear that it doesn't arrive");
                            Turn::Wait { until, why }
                        }
                        None => Turn::Over(told(channel)),
                    }
                }
            },
        })
    }

    /// How long bad news of a message of this channel are waited for.
    fn grace(&self, channel: Channel, cx: &Context) -> Duration {
        match channel {
            // What went to the sink makes no news.
            _ if cx.is_of_load_test() => Duration::ZERO,
            // Nobody tells what becomes of a notification.
            Channel::Push => Duration::ZERO,
            Channel::Email | Channel::Sms | Channel::Whatsapp => self.routing.grace,
        }
    }

    /// What the messages of these steps of `record` came to.
    async fn arrival(
        &self,
        record: Option<&InboxRecord>,
        steps: &BTreeMap<String, Timestamp>,
    ) -> Result<Arrival, HandlerError> {
        let mut all = Arrival::Undelivered;
        let known = |name| record.and_then(|record| Some((&record.key, record.steps.get(name)?)));
        for name in steps.keys() {
            let Some((key, step)) = known(name) else { continue };
            let news = self.deliveries.get(&DeliveryId::new(key.clone(), name.clone())).await.or_snooze()?;
            match news {
                Some(news) if news.status.has_arrived() => return Ok(Arrival::Arrived),
                Some(news) if news.status == DeliveryStatus::Undelivered && news.is_of(step) => {}
                // It may be on its way; or they are news of a message before it.
                _ => all = Arrival::Unknown,
            }
        }
        Ok(all)
    }
}

impl Asking<'_> {
    /// Nothing is known yet: waits, but not for ever. How old the event is doesn't matter: after an outage all channels begin
    /// late. Whoever has a record that was written lately is at it: provider and limits may keep it for long.
    fn wait(&self, earlier: Option<&InboxRecord>, why: String) -> Turn {
        if let Some(until) = self.held_until {
            return Turn::Wait { until, why };
        }
        let begun = self.under_way_since();
        let touched = earlier.map_or(begun, |record| record.updated_at.max(begun));
        if since(touched, self.now) >= PATIENCE {
            return Turn::NoNews(format!("{why}, and nothing has been heard of it for a day"));
        }
        Turn::Wait { until: self.next_look(), why }
    }

    /// When it looks again.
    fn next_look(&self) -> Timestamp {
        later(self.now, (since(self.under_way_since(), self.now) / 2).clamp(SOONEST, LATEST))
    }

    /// Since when this job is under way: since it was first claimed or, once its message was replayed, since it first waited
    /// after that, which is put on record as a step.
    fn under_way_since(&self) -> Timestamp {
        let record = self.cx.record();
        if record.replay == 0 {
            return record.first_at;
        }
        let mark = format!("(replay {})", record.replay);
        match record.steps.get(&mark) {
            Some(step) => step.at,
            None => {
                if let Err(error) = self.cx.skip(&mark, "waits for an earlier channel anew") {
                    tracing::warn!(%error, "the beginning of a wait can't be put on record");
                }
                self.now
            }
        }
    }
}

fn told(channel: Channel) -> String {
    format!("told by {}", channel.name())
}
