//! What a channel does for a user, as far as rules and records say it. A pure function: what became of earlier channels is for
//! its caller to look up.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use sendoff_events::Timestamp;
use sendoff_producers::model::{Channel, SuppressionReason, User};

use super::{DamagedQuietHours, contact, quiet_until};

/// All that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c> {
    /// Who asks: one of the chain's.
    pub channel: Channel,
    /// The chain.
    pub chain: &'c [Channel],
    /// Quiet hours don't count.
    pub urgent: bool,
    /// The name of the event.
    pub event: &'c str,
    /// The channels that have a provider here.
    pub on: &'c BTreeSet<Channel>,
    /// The user.
    pub user: &'c User,
    /// On which channels their address is suppressed, and why.
    pub suppressed: &'c BTreeMap<Channel, SuppressionReason>,
    /// Now.
    pub now: Timestamp,
}

/// What a channel does for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It sends.
    Send,
    /// It doesn't, for a reason that goes on record.
    Skip(Cow<'static, str>),
    /// Not before then, and then everything is looked at anew: the user has quiet hours.
    Later(Timestamp),
    /// It sends if none of these has, may have, or still may.
    After {
        /// All the channels that stand before it in the chain.
        earlier: Vec<Earlier>,
        /// Until when the user has quiet hours, which those wait for: nothing will be known before.
        held_until: Option<Timestamp>,
    },
}

/// A channel that stands before another one in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Which it is.
    pub channel: Channel,
    /// Whether it can't or mustn't reach the user, as things stand now: then it won't begin, and isn't waited for. It may have
    /// begun while it could: what it has sent counts all the same.
    pub hindered: bool,
}

/// What the channel does for the user.
///
/// # Errors
///
/// [`DamagedQuietHours`] when it depends on quiet hours that can't be told.
pub fn decide(case: &Case<'_>) -> Result<Decision, DamagedQuietHours> {
    if let Some(why) = case.hindrance(case.channel) {
        return Ok(Decision::Skip(why));
    }
    if let Some(end) = case.quiet(case.channel)? {
        return Ok(Decision::Later(end));
    }
    let before = case.chain.iter().copied().take_while(|channel| *channel != case.channel);
    let hindered = |channel| case.hindrance(channel).is_some();
    let earlier: Vec<_> = before.map(|channel| Earlier { channel, hindered: hindered(channel) }).collect();
    if earlier.is_empty() {
        return Ok(Decision::Send);
    }
    let mut held_until = None;
    for able in earlier.iter().filter(|earlier| !earlier.hindered) {
        held_until = held_until.max(case.quiet(able.channel)?);
    }
    Ok(Decision::After { earlier, held_until })
}

impl Case<'_> {
    /// Why the channel can't or mustn't reach the user.
    fn hindrance(&self, channel: Channel) -> Option<Cow<'static, str>> {
        let name = channel.name();
        if !self.on.contains(&channel) {
            return Some("the channel is off here".into());
        }
        if !self.user.wants(channel, self.event) {
            return Some(format!("the user has turned {name} off").into());
        }
        if let Err(why) = contact(self.user, channel) {
            return Some(why.into());
        }
        self.suppressed.get(&channel).map(|reason| suppressed(*reason).into())
    }

    /// Until when quiet hours hold the channel.
    fn quiet(&self, channel: Channel) -> Result<Option<Timestamp>, DamagedQuietHours> {
        // A mail wakes nobody.
        if self.urgent || channel == Channel::Email { Ok(None) } else { quiet_until(self.user, self.now) }
    }
}

/// Why nothing is sent to a suppressed address, in words.
pub(crate) const fn suppressed(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Stopped => "the address is suppressed: stopped",
        SuppressionReason::Bounced => "the address is suppressed: bounced",
        SuppressionReason::Complained => "the address is suppressed: complained",
    }
}
