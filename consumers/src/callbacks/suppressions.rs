//! The list of addresses that nothing is sent to any more.

use sendoff_events::Timestamp;
use sendoff_producers::{
    CommitError, Expected, UnitOfWork, Write,
    model::{Channel, Suppression, SuppressionReason, deployment, load, suppression_key},
};
use serde_json::Value;

use super::{CallbackState, answer::Refusal, keywords::Wish, news::unreachable};
use crate::channels::PhoneNumber;

/// How often a record is read again that somebody else has written in between.
pub(super) const TRIES: u32 = 5;

impl CallbackState {
    /// Stops or starts messages to a phone, as its owner wishes. `at` is when they said so, if that is known: an older wish
    /// doesn't replace a newer one.
    pub(super) async fn wished(
        &self,
        wish: Wish,
        channel: Channel,
        phone: &str,
        source: &'static str,
        at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        // A short code, or a sender of letters: nobody we write to.
        let Ok(phone) = phone.parse::<PhoneNumber>() else { return Ok(()) };
        match wish {
            Wish::Stop => self.suppress(channel, phone.expose(), SuppressionReason::Stopped, source, at).await,
            Wish::Start => self.lift(channel, phone.expose(), at).await,
        }
    }

    /// Puts an address on the list. What stands there stays, but that a complaint is graver than anything.
    pub(super) async fn suppress(
        &self,
        channel: Channel,
        address: &str,
        reason: SuppressionReason,
        source: &'static str,
        at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let new = Suppression { reason, at: at.unwrap_or_else(|| self.now()).to_string(), source: source.into() };
        let graver = |known: &Suppression| {
            reason == SuppressionReason::Complained && known.reason != SuppressionReason::Complained
        };
        let data = serde_json::to_value(&new).map_err(unreachable)?;
        let rule = |known: Option<&Suppression>| known.is_none_or(graver).then(|| Some(data.clone()));
        self.list(channel, address, source, rule).await
    }

    /// Takes an address off the list whose owner had put it there.
    async fn lift(&self, channel: Channel, address: &str, at: Option<Timestamp>) -> Result<(), Refusal> {
        let rule = |known: Option<&Suppression>| {
            let stopped = known.filter(|known| known.reason == SuppressionReason::Stopped)?;
            let since = stopped.at.parse::<Timestamp>().ok();
            let older = at.zip(since).is_some_and(|(at, since)| at < since);
            (!older).then_some(None)
        };
        self.list(channel, address, "start", rule).await
    }

    /// Changes an entry by `rule`: nothing, or what stands there afterwards.
    async fn list(
        &self,
        channel: Channel,
        address: &str,
        actor: &str,
        rule: impl Fn(Option<&Suppression>) -> Option<Option<Value>>,
    ) -> Result<(), Refusal> {
        let key = suppression_key(channel, address);
        for _ in 0..TRIES {
            let stored = load::<Suppression>(&*self.records, &key).await.map_err(unreachable)?;
            let Some(data) = rule(stored.as_ref().map(|(known, _)| known)) else { return Ok(()) };
            let expected = stored.map_or(Expected::Absent, |(_, version)| Expected::Version(version));
            let work = UnitOfWork {
                tenant: deployment(),
                actor: format!("callback:{actor}"),
                at: self.now(),
                writes: vec![Write { key: key.clone(), expected, data }],
                events: Vec::new(),
                request: None,
            };
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
