//! Several providers for one channel: when one definitely didn't send, the next one may.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use sendoff_events::BoxFuture;

use super::Provider;
use crate::{Doubt, Found, NotSent, SendOutcome};

/// Providers in the order in which they are asked.
///
/// The next one is asked only when the one before has definitely not sent, for a reason of its own: it is too fast, can't be used,
/// or has a passing trouble. Never after an unknown outcome, since it may have sent; nor after a refusal for good, which says
/// something about the message or its address.
///
/// A message that comes with a doubt goes to the provider that the doubt is against and to no other one; where that isn't known,
/// or it is no longer among these, to the first.
///
/// When none has sent, the answer is the one that costs least: too fast for somebody, with the shortest wait; else a passing
/// trouble, since whoever has one works; and only when none can be used at all, that, with the shortest wait.
pub struct Failover<M>(Vec<Arc<dyn Provider<M>>>);

/// Providers can't stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailoverError {
    /// There is none.
    #[error("failover needs at least one provider")]
    Empty,
    /// Two have the same name, so that a doubt couldn't tell which of them it is against.
    #[error("two providers are called `{0}`: give one of them another name (`Guarded::named`)")]
    SameName(&'static str),
}

/// The name of every [`Failover`]. What was sent by one of its providers goes by that provider's own.
const NAME: &str = "failover";

impl<M: Send + Sync + 'static> Failover<M> {
    /// These providers, in this order.
    ///
    /// # Errors
    ///
    /// [`FailoverError`] when there is none, or two have the same name.
    pub fn new(providers: Vec<Arc<dyn Provider<M>>>) -> Result<Self, FailoverError> {
        let mut names = BTreeSet::new();
        match providers.iter().find(|provider| !names.insert(provider.name())) {
            Some(twice) => Err(FailoverError::SameName(twice.name())),
            None if providers.is_empty() => Err(FailoverError::Empty),
            None => Ok(Self(providers)),
        }
    }

    /// Who may be asked, in this order.
    fn candidates(&self, doubt: Option<&Doubt>) -> &[Arc<dyn Provider<M>>] {
        let Some(doubt) = doubt else { return &self.0 };
        let at = doubt.provider.as_deref().and_then(|name| self.0.iter().position(|p| p.name() == name)).unwrap_or(0);
        &self.0[at..=at]
    }

    async fn send_by_turns(&self, message: &M, doubt: Option<&Doubt>) -> SendOutcome {
        let mut best: Option<NotSent> = None;
        for provider in self.candidates(doubt) {
            match provider.send(message, doubt).await {
                SendOutcome::Sent { provider: by, provider_id } => {
                    return SendOutcome::Sent { provider: by.or_else(|| Some(provider.name().into())), provider_id };
                }
                SendOutcome::Unknown { provider: by, reason } => {
                    return SendOutcome::Unknown { provider: by.or_else(|| Some(provider.name().into())), reason };
                }
                SendOutcome::NotSent(why) if may_fail_over(&why) => {
                    if best.as_ref().is_none_or(|best| cost(&why) < cost(best)) {
                        best = Some(why);
                    }
                }
                other => return other,
            }
        }
        // There is at least one provider, and each was asked.
        SendOutcome::NotSent(best.unwrap_or_else(|| NotSent::Transient { reason: "no provider was asked".into() }))
    }
}

/// Whether the next provider may be asked.
const fn may_fail_over(why: &NotSent) -> bool {
    match why {
        NotSent::Throttled { .. }
        | NotSent::NotYet { .. }
        | NotSent::Unavailable { .. }
        | NotSent::Transient { .. } => true,
        NotSent::Permanent { .. } | NotSent::Gone { .. } => false,
    }
}

/// What costs less is the better answer. A wait that isn't known is longer than any that is.
fn cost(why: &NotSent) -> (u8, Duration) {
    match why {
        NotSent::NotYet { after, .. } => (0, *after),
        NotSent::Throttled { after, .. } => (0, after.unwrap_or(Duration::MAX)),
        NotSent::Transient { .. } => (1, Duration::ZERO),
        NotSent::Unavailable { after, .. } => (2, after.unwrap_or(Duration::MAX)),
        NotSent::Permanent { .. } | NotSent::Gone { .. } => (3, Duration::ZERO),
    }
}

impl<M: Send + Sync + 'static> Provider<M> for Failover<M> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, message: &'a M, doubt: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.send_by_turns(message, doubt))
    }

    /// Asks the provider that the doubt is against. Where that isn't known, asks all: one that has sent it settles the doubt, and
    /// so do all together when none has.
    fn find<'a>(&'a self, message: &'a M, doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            let asked = match doubt.provider.as_deref() {
                None => &self.0[..],
                Some(name) => match self.0.iter().position(|provider| provider.name() == name) {
                    Some(at) => &self.0[at..=at],
                    None => return Found::CannotTell,
                },
            };
            let (mut sure, mut reasons, mut failed) = (true, Vec::new(), None);
            for provider in asked {
                match provider.find(message, doubt).await {
                    Found::Sent { provider: by, provider_id } => {
                        return Found::Sent { provider: by.or_else(|| Some(provider.name().into())), provider_id };
                    }
                    Found::NotSent { reason } => reasons.push(format!("{}: {reason}", provider.name())),
                    Found::Failed { reason } => failed = Some(reason),
                    Found::CannotTell => sure = false,
                }
            }
            match failed {
                _ if !sure => Found::CannotTell,
                Some(reason) => Found::Failed { reason },
                None => Found::NotSent { reason: reasons.join("; ") },
            }
        })
    }
}

impl<M> fmt::Debug for Failover<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|provider| provider.name())).finish()
    }
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
