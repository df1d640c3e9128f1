//! Providers of messages, which hand all over to the one that counts.

use std::sync::Arc;

use sendoff_consumers::{
    Doubt, Found, SendOutcome,
    channels::{Provider, email::Mail, push::Push, sms::Sms, whatsapp::Whatsapp},
};
use sendoff_events::BoxFuture;

use super::{super::link::Link, Death};

/// Sends messages of one kind.
pub(super) struct Sending {
    pub(super) name: &'static str,
    pub(super) link: Link,
    pub(super) death: Arc<Death>,
    /// Whether it can be asked what became of a message. Who sends again when in doubt has no use for that.
    pub(super) tells: bool,
}

/// What tells a message from others.
trait Keyed {
    fn key(&self) -> &str;
}

impl Keyed for Mail {
    fn key(&self) -> &str {
        &self.idempotency_key
    }
}

impl Keyed for Sms {
    fn key(&self) -> &str {
        &self.idempotency_key
    }
}

impl Keyed for Whatsapp {
    fn key(&self) -> &str {
        &self.idempotency_key
    }
}

impl Keyed for Push {
    fn key(&self) -> &str {
        &self.idempotency_key
    }
}

impl<M: Keyed + Send + Sync> Provider<M> for Sending {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send<'a>(&'a self, message: &'a M, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            self.death.point(format!("before sending {}", self.name));
            let sent = self.link.send(message.key().to_owned()).await;
            self.death.point(format!("after sending {}", self.name));
            sent
        })
    }

    fn find<'a>(&'a self, message: &'a M, _: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            if !self.tells {
                return Found::CannotTell;
            }
            match self.link.find(message.key()).await {
                Some(true) => Found::Sent { provider: None, provider_id: None },
                Some(false) => Found::NotSent { reason: "it isn't in the list".into() },
                None => Found::CannotTell,
            }
        })
    }
}
