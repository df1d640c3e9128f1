//! What would become of a letter.

use std::time::Duration;

use sendoff_consumers::Status;
use sendoff_events::Timestamp;

use super::{Action, Forecast};
use crate::letter::{LedgerFacts, Letter};

/// What is known of a letter besides itself, read just now.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What its consumer has recorded.
    pub ledger: Option<&'a LedgerFacts>,
    /// The version of the record that its event tells of, when it is newer than the event.
    pub newer: Option<u64>,
    /// Whether another letter of its event was edited, and this one wasn't, or to another new event.
    pub replaced: bool,
    /// Why it can't be sent.
    pub unsendable: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// How long a consumer remembers what it did.
    pub keep: Duration,
}

/// What the person wants who plans.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Forecasts that are sent besides those that always are.
    pub include: Vec<Forecast>,
    /// Whether what is done is to run once more.
    pub force_rerun: bool,
    /// A letter that was replayed so often is a loop.
    pub max_replays: u32,
}

/// A day: a message is parked so long before its record is forgotten.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// What would become of a letter, and why where that isn't plain. Whether it is lost before its turn shows only when all are in
/// their order.
#[must_use]
pub fn forecast(letter: &Letter, seen: &Seen<'_>, wish: &Wish) -> (Forecast, Option<String>) {
    let status = seen.ledger.map(|ledger| ledger.status);
    let is_done = seen.ledger.is_some_and(LedgerFacts::is_done);
    // A doubt comes before everything: also an edited copy must not go out while the first may have had its effect.
    if status == Some(Status::InDoubt) || seen.ledger.is_some_and(|ledger| ledger.doubted) {
        return (Forecast::InDoubt, Some("settle it with `sendoff doubt resolve` first".into()));
    }
    if seen.replaced {
        return (Forecast::Replaced, None);
    }
    if let Some(why) = seen.unsendable {
        return (Forecast::Unsendable, Some(why.to_owned()));
    }
    if letter.edit.is_some() {
        if is_done {
            return (Forecast::Done, Some("it was edited, and is done already as it was".into()));
        }
        return (Forecast::Edited, None);
    }
    if is_done {
        return (Forecast::Done, None);
    }
    let Some(event) = &letter.facts.event else { return (Forecast::Unreadable, letter.facts.unreadable.clone()) };
    let oldest = seen.now.checked_sub(seen.keep.saturating_sub(MARGIN)).unwrap_or(Timestamp::MIN);
    if event.first_published < oldest {
        return (Forecast::TooOld, Some(format!("it was first published at {}", event.first_published)));
    }
    if letter.facts.replays >= wish.max_replays {
        return (Forecast::Loop, Some(format!("it was replayed {} times already", letter.facts.replays)));
    }
    match seen.newer {
        Some(version) => (Forecast::Overtaken, Some(format!("its subject is at version {version} already"))),
        None => (Forecast::Run, None),
    }
}

impl Wish {
    /// What is done with a letter of this forecast.
    #[must_use]
    pub fn action(&self, forecast: Forecast, is_edited: bool) -> Action {
        let sent = match forecast {
            Forecast::InDoubt | Forecast::Unsendable | Forecast::Replaced => false,
            // An edited letter that is done as it was stays: its new event would do once more what is done.
            Forecast::Done => self.force_rerun && !is_edited,
            other => other.is_sent() || self.include.contains(&other),
        };
        if sent { Action::Send } else { Action::Leave }
    }
}

/// The replay count to send a letter with: higher than any that its consumer has seen, so that it runs what had failed.
pub(super) fn replay(letter: &Letter, ledger: Option<&LedgerFacts>) -> u32 {
    letter.facts.replays.max(ledger.map_or(0, |ledger| ledger.replay)).saturating_add(1)
}
