//! Sending what is written, once, and finding out about what may have been sent.

use std::time::Duration;

use sendoff_events::{TenantId, Timestamp};

use super::{
    Address, Desk, Draft, Way,
    forget::Mark,
    letter::{Letter, Letters},
    way::Whose,
};
use crate::{
    BoxError, Context, DeliveryId, Doubt, Found, HandlerError, NotSent, Once, Resolution, SendOutcome, StepState,
};

impl Desk {
    /// Does with a recipient what was decided.
    pub(super) async fn deliver<W: Way>(
        &self,
        way: &W,
        letter: Letter<W::Message>,
        tenant: &TenantId,
        cx: &Context,
    ) -> Result<Once, HandlerError> {
        let Letter { step, whose, what } = letter;
        match what {
            Letters::Settled => Ok(Once::AlreadyDone),
            Letters::Refused { reason, why } => {
                Err(HandlerError::Reject { reason: reason.into(), source: BoxError::from(why) })
            }
            Letters::Skipped(reason) if !is_doubted(cx, &step) => cx.skip(&step, &reason),
            Letters::Waits { until, why } if !is_doubted(cx, &step) => {
                Err(HandlerError::Snooze { until: Some(until), source: why.into() })
            }
            // What may have been sent is found out about all the same.
            Letters::Skipped(reason) => self.settle(&step, SendOutcome::Skipped { reason: reason.into() }, cx).await,
            Letters::Waits { until, why } => {
                let after = left(cx.now(), until);
                self.settle(&step, SendOutcome::NotSent(NotSent::NotYet { after, reason: why }), cx).await
            }
            Letters::Ready(draft) => self.post(way, draft, &whose, tenant, cx).await,
        }
    }

    /// Sends the message, once.
    async fn post<W: Way>(
        &self,
        way: &W,
        draft: Draft<W::Message>,
        whose: &Whose,
        tenant: &TenantId,
        cx: &Context,
    ) -> Result<Once, HandlerError> {
        let draft = &draft;
        let mark = Mark { actor: W::NAME, now: cx.now() };
        cx.once_to(
            &draft.step,
            place(&draft.address),
            |sending| async move {
                match way.provider().send(&draft.message, sending.doubt.as_ref()).await {
                    SendOutcome::NotSent(NotSent::Gone { reason }) => {
                        self.gone(way.provider().name(), &draft.address, whose, tenant, mark).await;
                        gone(&draft.address, reason)
                    }
                    outcome => outcome,
                }
            },
            |doubt| async move {
                match self.news(&draft.step, cx).await {
                    Some(found) => found,
                    // Whoever is asked about the new address knows nothing of what went to the old one.
                    None if doubt.moved => Found::CannotTell,
                    None => way.provider().find(&draft.message, &doubt).await,
                }
            },
        )
        .await
    }

    /// Settles a step that is in doubt, without sending anything.
    async fn settle(&self, step: &str, otherwise: SendOutcome, cx: &Context) -> Result<Once, HandlerError> {
        let news = |_: Doubt| async move { self.news(step, cx).await.unwrap_or(Found::CannotTell) };
        cx.once_or_found(step, |_| async { otherwise }, news).await
    }

    /// What the provider has told of the message that is in doubt.
    async fn news(&self, step: &str, cx: &Context) -> Option<Found> {
        let news = match self.deliveries.get(&DeliveryId::new(cx.key().clone(), step)).await {
            Ok(news) => news?,
            Err(error) => {
                tracing::warn!(%error, "what became of a message can't be looked up; its provider is asked");
                return None;
            }
        };
        let record = cx.record();
        match news.settle(&record, record.steps.get(step)?)? {
            Resolution::Sent { provider_id } => Some(Found::Sent { provider: Some(news.provider.into()), provider_id }),
            Resolution::Failed => {
                let why = news.reason.map(|why| format!(": {why}")).unwrap_or_default();
                Some(Found::Failed { reason: format!("{} couldn't deliver it{why}", news.provider) })
            }
            Resolution::SendAgain => None,
        }
    }

    async fn gone(&self, provider: &str, address: &Address, whose: &Whose, tenant: &TenantId, mark: Mark) {
        match (address, whose) {
            (Address::Of(channel, address), _) => self.suppress(*channel, address.expose(), provider, mark).await,
            (Address::Device(token), Whose::User(user)) => {
                self.forget_device(tenant, user, token.expose(), mark).await;
            }
            (Address::Device(_), Whose::Nobody) => {}
        }
    }
}

/// Apps are removed from phones every day: a device that is gone is nothing that anybody has to look into. Any other address
/// that is gone is.
fn gone(address: &Address, reason: String) -> SendOutcome {
    match address {
        Address::Device(_) => SendOutcome::Skipped { reason: format!("the device is registered no more: {reason}") },
        Address::Of(..) => SendOutcome::NotSent(NotSent::Gone { reason }),
    }
}

fn place(address: &Address) -> &str {
    match address {
        Address::Of(_, address) | Address::Device(address) => address.expose(),
    }
}

fn is_doubted(cx: &Context, step: &str) -> bool {
    matches!(cx.state_of(step), Some(StepState::InDoubt | StepState::Sending))
}

fn left(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}
