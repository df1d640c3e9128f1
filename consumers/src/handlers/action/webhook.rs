//! Calls of endpoints that an app has registered.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::SecretString;
use sendoff_events::{AppAssigned, AppId, BoxFuture};
use sendoff_producers::model::{WebhookEndpoint, webhook_key};

use super::{
    ActionError, ActionResult, Actions, WEBHOOK,
    call::{Call, Content, To},
    outcome::Telling,
    perform::perform,
};
use crate::{
    Classify, Context, Handler as _, HandlerError, Limits, NotSent, RouterPorts, SendOutcome,
    channels::{Provider, webhook::Webhook},
    handlers::{CallWebhooks, Desk, forget::Mark, look_up},
};

/// Calls the endpoints that calls ask for, signed as for events.
pub struct WebhookActions {
    ports: RouterPorts,
    desk: Arc<Desk>,
    provider: Arc<dyn Provider<Webhook>>,
}

impl WebhookActions {
    /// Calls through `provider`, and through the inbox of `ports`.
    #[must_use]
    pub fn new(ports: RouterPorts, desk: Arc<Desk>, provider: Arc<dyn Provider<Webhook>>) -> Self {
        Self { ports, desk, provider }
    }

    async fn call(&self, call: &Call, cx: &Context) -> Result<(), HandlerError> {
        let (To::Webhook { app, webhook }, Content::Payload(payload)) = (&call.to, &call.content) else {
            return Err("the call names no webhook").or_reject("invalid-call");
        };
        let key = webhook_key(&call.head.tenant, app, webhook);
        let endpoint = look_up::find::<WebhookEndpoint>(&*self.desk.authoritative, &key).await?;
        let endpoint = endpoint.ok_or("the app has no such webhook").or_reject("webhook-missing")?;
        if let Some(why) = endpoint.disabled.filter(|_| cx.state_of(webhook).is_none()) {
            return cx.skip(webhook, &format!("the webhook is disabled: {why}")).map(drop);
        }
        let secrets = endpoint.secrets.iter().map(|secret| SecretString::from(secret.expose().as_str())).collect();
        let body = Bytes::from(payload.to_string());
        let message =
            Webhook { url: endpoint.url, body, secrets, idempotency_key: cx.key().step(webhook), at: cx.now() };
        self.post(app, webhook, &message, call, cx).await
    }

    async fn post(
        &self,
        app: &AppId,
        webhook: &str,
        message: &Webhook,
        call: &Call,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let mark = Mark { actor: WEBHOOK, now: cx.now() };
        let sent = cx.once_or_found(
            webhook,
            |sending| async move {
                let outcome = self.provider.send(message, sending.doubt.as_ref()).await;
                if let SendOutcome::NotSent(NotSent::Gone { reason }) = &outcome {
                    let webhook = (&call.head.tenant, app, webhook);
                    self.desk.disable_webhook(webhook, &message.url, reason, mark).await;
                }
                outcome
            },
            |doubt| async move { self.provider.find(message, &doubt).await },
        );
        sent.await.map(drop)
    }
}

impl Actions for WebhookActions {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let call = &Call::read(WEBHOOK, call)?;
            let job = |cx: Arc<Context>| async move { self.call(call, &cx).await };
            perform(&self.ports, CallWebhooks::<AppAssigned>::POLICY, &call.head, Telling::Message, limits, job).await
        })
    }
}
