//! Calls the webhooks of an app.

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use secrecy::SecretString;
use sendoff_events::{
    AppAssigned, AppId, AppUnassigned, Envelope, Event, EventType, Header, SubmissionCreated, SubmissionUpdated,
};
use sendoff_producers::model::{WebhookEndpoint, webhook_key};

use super::{Desk, forget::Mark, look_up};
use crate::{
    Backoff, Classify, Context, Effect, Handler, HandlerError, NotSent, OnDoubt, Once, Policy, SendOutcome, StepState,
    channels::{Provider, webhook::Webhook},
    join_outcomes,
};

/// An event of an app.
pub trait OfApp: Event + Clone {
    /// The app.
    fn app(&self) -> &AppId;
}

/// Posts an event, as the CloudEvent that it is, to each endpoint of its app that wants it. Each endpoint is a step of its own.
pub struct CallWebhooks<E> {
    desk: Arc<Desk>,
    provider: Arc<dyn Provider<Webhook>>,
    event: PhantomData<fn() -> E>,
}

/// An endpoint, and what is to be done.
enum Call {
    Make(Webhook),
    Skip(String),
}

impl<E> CallWebhooks<E> {
    /// Calls through `provider`.
    pub const fn new(desk: Arc<Desk>, provider: Arc<dyn Provider<Webhook>>) -> Self {
        Self { desk, provider, event: PhantomData }
    }
}

/// How long an endpoint is left alone that can't take a call, or says that it has no room.
const WAITS: Backoff = Backoff { base: Duration::from_secs(10), cap: Duration::from_secs(4 * 3600) };

impl<E: OfApp> Handler for CallWebhooks<E> {
    type Event = E;

    const NAME: &'static str = "webhook";
    /// Another system may be down for a night: it is called again over about a day, in the end every two to four hours. When the
    /// outcome of a call is unknown it is made again, with the same `webhook-id`, by which receivers know what they have.
    const POLICY: Policy = Policy {
        max_attempts: 18,
        backoff: WAITS,
        deferral: WAITS,
        timeout: Duration::from_secs(120),
        effect: Effect::Once,
        on_doubt: OnDoubt::Resend,
    };

    async fn handle(&self, event: &Envelope<E>, cx: &Context) -> Result<(), HandlerError> {
        let tenant = &event.header.tenant;
        // Endpoints aren't looked up through a cache: their secrets stay out of it, and a new one is called at once.
        let app = look_up::app(&*self.desk.authoritative, tenant, event.data.app()).await?;
        let mut webhooks: BTreeSet<_> = app.webhooks.into_iter().collect();
        // Those that may have been called are settled, also when the app has them no more.
        let before = cx.record().steps;
        webhooks.extend(before.into_iter().filter(|(_, step)| is_doubted(Some(step.state))).map(|(name, _)| name));
        if webhooks.is_empty() {
            return cx.skip("(nobody)", "the app has no webhooks").map(drop);
        }
        let body = present(event).encode().or_reject("not-json")?.into_body();
        let mut calls = Vec::new();
        for webhook in &webhooks {
            calls.push((webhook.as_str(), self.call(webhook, &body, event, cx).await?));
        }
        join_outcomes(join_all(calls.into_iter().map(|(webhook, call)| self.make(webhook, call, event, cx))).await)
    }
}

impl<E: OfApp> CallWebhooks<E> {
    async fn call(&self, webhook: &str, body: &Bytes, event: &Envelope<E>, cx: &Context) -> Result<Call, HandlerError> {
        let key = webhook_key(&event.header.tenant, event.data.app(), webhook);
        let Some(endpoint) = look_up::find::<WebhookEndpoint>(&*self.desk.authoritative, &key).await? else {
            return Ok(Call::Skip("the webhook was deleted".into()));
        };
        let WebhookEndpoint { url, events, secrets, disabled } = endpoint;
        if let Some(why) = disabled {
            return Ok(Call::Skip(format!("the webhook is disabled: {why}")));
        }
        if !events.is_empty() && !events.iter().any(|name| name == E::TYPE) {
            return Ok(Call::Skip(format!("the webhook doesn't want {}", E::TYPE)));
        }
        let secrets = secrets.iter().map(|secret| SecretString::from(secret.expose().as_str())).collect();
        let idempotency_key = cx.key().step(webhook);
        Ok(Call::Make(Webhook { url, body: body.clone(), secrets, idempotency_key, at: cx.now() }))
    }

    async fn make(&self, webhook: &str, call: Call, event: &Envelope<E>, cx: &Context) -> Result<Once, HandlerError> {
        let message = match call {
            Call::Skip(why) if is_doubted(cx.state_of(webhook)) => {
                return cx.abandon(webhook, &format!("{why}; a call before that may have arrived"));
            }
            Call::Skip(why) => return cx.skip(webhook, &why),
            Call::Make(message) => message,
        };
        let message = &message;
        let mark = Mark { actor: "webhook", now: cx.now() };
        cx.once_or_found(
            webhook,
            |sending| async move {
                let outcome = self.provider.send(message, sending.doubt.as_ref()).await;
                if let SendOutcome::NotSent(NotSent::Gone { reason }) = &outcome {
                    let webhook = (&event.header.tenant, event.data.app(), webhook);
                    self.desk.disable_webhook(webhook, &message.url, reason, mark).await;
                }
                outcome
            },
            |doubt| async move { self.provider.find(message, &doubt).await },
        )
        .await
    }
}

/// Whether a call may have arrived of which nothing is known.
const fn is_doubted(state: Option<StepState>) -> bool {
    matches!(state, Some(StepState::InDoubt | StepState::Sending))
}

/// The event as it would be published today: one of an old version was upcast when it was decoded, and says so.
fn present<E: OfApp>(event: &Envelope<E>) -> Envelope<E> {
    let header = Header { event_type: EventType::of::<E>(), ..event.header.clone() };
    Envelope { header, data: event.data.clone() }
}

macro_rules! of_app {
    ($($event:ty),+) => {
        $(impl OfApp for $event {
            fn app(&self) -> &AppId {
                &self.app_id
            }
        })+
    };
}

of_app!(AppAssigned, AppUnassigned, SubmissionCreated, SubmissionUpdated);
