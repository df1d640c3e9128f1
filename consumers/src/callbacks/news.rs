//! Taking in what a provider tells of a message.

use super::{CallbackState, answer::Refusal};
use crate::{
    DeliveryId, DeliveryNews, DeliveryStatus, InboxError, Resolution, ResolveError, StepState,
    deliveries::counts_since, resolve, scrub,
};

impl CallbackState {
    /// News of now.
    pub(super) fn told(
        &self,
        status: DeliveryStatus,
        provider: &'static str,
        provider_id: Option<&str>,
        reason: Option<String>,
    ) -> DeliveryNews {
        let provider_id = provider_id.map(|id| id.chars().filter(|c| !c.is_control()).take(200).collect());
        let reason = reason.map(|reason| scrub(&reason));
        DeliveryNews { status, provider: provider.into(), provider_id, reason, at: self.now() }
    }

    /// Writes down the news of a message, and settles what was in doubt about it; [`Refusal::Busy`] while an attempt has hold of
    /// it. News of a message that the inbox doesn't know change nothing. Repeating it changes nothing more.
    pub(super) async fn take_in(&self, id: &DeliveryId, news: DeliveryNews) -> Result<(), Refusal> {
        let record = self.inbox.get(&id.key).await.map_err(unreachable)?;
        let Some((record, step)) = record.and_then(|r| r.steps.get(&id.step).cloned().map(|step| (r, step))) else {
            tracing::warn!(delivery = %id, provider = news.provider, "news of a message that isn't known");
            return Ok(());
        };
        // That they have it counts, whichever message it was.
        if step.state == StepState::Done && news.is_of_another(&step) && !news.status.has_arrived() {
            let status = news.status.word();
            tracing::info!(delivery = %id, provider = news.provider, status, "news of a message that was sent anew");
            return Ok(());
        }
        let changed = self.deliveries.tell(id, &news, counts_since(&step)).await.map_err(unreachable)?;
        // Old news say nothing of how it stands now. They may be told again because the doubt couldn't be settled before.
        let known = match changed {
            true => news,
            false => self.deliveries.get(id).await.map_err(unreachable)?.unwrap_or(news),
        };
        tracing::info!(delivery = %id, provider = known.provider, status = known.status.word(), changed, "a message's news");
        match known.settle(&record, &step) {
            Some(resolution) => self.settle(id, &resolution, &known).await,
            None => Ok(()),
        }
    }

    async fn settle(&self, id: &DeliveryId, resolution: &Resolution, known: &DeliveryNews) -> Result<(), Refusal> {
        let mut because = format!("{} tells: {}", known.provider, known.status.word());
        if let Some(reason) = &known.reason {
            because.push_str(", ");
            because.push_str(reason);
        }
        let (inbox, rng) = (&*self.inbox, &*self.rng);
        match resolve(inbox, &id.key, &id.step, resolution, &because, self.now(), rng).await {
            Ok(resolved) => {
                tracing::info!(delivery = %id, ?resolved, "a doubt was looked at");
                Ok(())
            }
            // An attempt is running, or has just taken over. The news stand there for it to read, but it may have looked before
            // they did, and end in doubt: who brings them again then settles it. Where nobody does, the next attempt reads them.
            Err(error @ (ResolveError::Busy(_) | ResolveError::Inbox(InboxError::Lost))) => {
                Err(Refusal::Busy(error.to_string()))
            }
            Err(ResolveError::Unknown(_)) => Ok(()),
            Err(error @ ResolveError::Inbox(InboxError::Unavailable(_))) => Err(unreachable(error)),
        }
    }
}

/// A store that can't be reached.
pub(super) fn unreachable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
