//! The list of addresses that nothing is sent to any more.

use sendoff_events::Timestamp;
use sendoff_producers::{
    CommitError, Expected, UnitOfWork, Write,
    model::{Channel, Suppression, SuppressionReason, deployment, load, suppression_key},
};

use super::{CallbackState, answer::Refusal, keywords::Wish, news::unreachable};
use crate::channels::PhoneNumber;

/// How often a record is read again that somebody else has written in between.
pub(super) const TRIES: u32 = 5;
/// How many requests are remembered that brought a wish without its time.
const REMEMBERED: usize = 16;
/// How much of a request's name is kept, in characters. Twilio's have 34.
const MAX_NAME: usize = 64;

/// When a wish was made.
#[derive(Debug, Clone, Copy)]
pub(super) enum When<'a> {
    /// At this time, as its request says.
    At(Timestamp),
    /// When its request came, which doesn't say. By its name it is known when it comes again.
    Arrived(Option<&'a str>),
}

impl CallbackState {
    /// Stops or starts messages to a phone, as its owner wishes. The latest wish counts, in whatever order they come, and each
    /// request counts once.
    pub(super) async fn wished(
        &self,
        wish: Wish,
        channel: Channel,
        phone: &str,
        source: &'static str,
        when: When<'_>,
    ) -> Result<(), Refusal> {
        // A short code, or a sender of letters: nobody we write to.
        let Ok(phone) = phone.parse::<PhoneNumber>() else { return Ok(()) };
        let now = self.now();
        let actor = match wish {
            Wish::Stop => source,
            Wish::Start => "start",
        };
        self.list(channel, phone.expose(), actor, |known| after(known, wish, when, now, source)).await
    }

    /// Puts an address on the list. What holds there stays, but that a complaint is graver than anything.
    pub(super) async fn suppress(
        &self,
        channel: Channel,
        address: &str,
        reason: SuppressionReason,
        source: &'static str,
    ) -> Result<(), Refusal> {
        let new = Suppression::new(reason, self.now(), source);
        let graver = |known: &Suppression| {
            reason == SuppressionReason::Complained && known.reason != SuppressionReason::Complained
        };
        let rule = |known: Option<&Suppression>| match known {
            Some(known) if known.holds() && !graver(known) => None,
            known => Some(Suppression { seen: known.map_or_else(Vec::new, |k| k.seen.clone()), ..new.clone() }),
        };
        self.list(channel, address, source, rule).await
    }

    /// Changes an entry by `rule`: nothing, or what stands there afterwards.
    async fn list(
        &self,
        channel: Channel,
        address: &str,
        actor: &str,
        rule: impl Fn(Option<&Suppression>) -> Option<Suppression>,
    ) -> Result<(), Refusal> {
        let key = suppression_key(channel, address);
        for _ in 0..TRIES {
            let stored = load::<Suppression>(&*self.records, &key).await.map_err(unreachable)?;
            let Some(entry) = rule(stored.as_ref().map(|(known, _)| known)) else { return Ok(()) };
            let data = Some(serde_json::to_value(&entry).map_err(unreachable)?);
            let expected = stored.map_or(Expected::Absent, |(_, version)| Expected::Version(version));
            let work = UnitOfWork::new(deployment(), format!("callback:{actor}"), self.now())
                .write(Write { key: key.clone(), expected, data })
                .without_events();
            match self.records.commit(work).await {
                Ok(_) => {
                    tracing::info!(channel = channel.name(), actor, "the suppression list was changed");
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(unreachable(error)),
            }
        }
        Err(unreachable("a suppression is written all the time"))
    }
}

/// What stands on the list after a wish; nothing if that changes nothing.
fn after(known: Option<&Suppression>, wish: Wish, when: When<'_>, now: Timestamp, source: &str) -> Option<Suppression> {
    // A complaint and a bounce outlast every wish.
    if known.is_some_and(|known| known.holds() && known.reason != SuppressionReason::Stopped) {
        return None;
    }
    let last = known.and_then(|known| known.at.parse::<Timestamp>().ok());
    let mut seen = known.map_or_else(Vec::new, |known| known.seen.clone());
    let at = match when {
        When::At(at) => {
            // A clock that runs ahead must not make a wish outlast those that come later.
            let at = at.min(now);
            // Of two wishes of the same second the one to stop counts.
            let stops = wish == Wish::Stop && known.is_some_and(|known| !known.holds());
            if last.is_some_and(|last| at < last || (at == last && !stops)) {
                return None;
            }
            at
        }
        When::Arrived(request) => {
            if let Some(request) = request {
                let name: String = request.chars().take(MAX_NAME).collect();
                if seen.contains(&name) {
                    return None;
                }
                seen.push(name);
                seen.drain(..seen.len().saturating_sub(REMEMBERED));
            }
            last.map_or(now, |last| last.max(now))
        }
    };
    let lifted = wish == Wish::Start;
    let entry = Suppression { lifted, seen, ..Suppression::new(SuppressionReason::Stopped, at, source) };
    (known != Some(&entry)).then_some(entry)
}
