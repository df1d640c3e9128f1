//! A provider of whatever channel.

use std::{collections::BTreeMap, sync::Mutex};

use sendoff_events::BoxFuture;

use crate::{
    Doubt, Found, SendOutcome,
    channels::{Provider, email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
};

/// A message of any kind, as far as the fake provider looks into it.
pub(crate) trait Addressed: Clone + Send + Sync {
    fn to(&self) -> String;
}

impl Addressed for Mail {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Sms {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Whatsapp {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Push {
    fn to(&self) -> String {
        self.token.expose().clone()
    }
}

impl Addressed for Webhook {
    fn to(&self) -> String {
        self.url.clone()
    }
}

/// Keeps what it is given; answers a recipient as it was told, once, and with "sent" otherwise. Asked about a doubt it says
/// what it was told to, or that it can't tell.
pub(crate) struct FakeProvider<M> {
    pub(crate) sent: Mutex<Vec<M>>,
    pub(crate) answers: Mutex<BTreeMap<String, SendOutcome>>,
    pub(crate) finds: Mutex<Option<Found>>,
    /// What happens while the next message is under way.
    pub(crate) meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl<M> Default for FakeProvider<M> {
    fn default() -> Self {
        Self { sent: Mutex::default(), answers: Mutex::default(), finds: Mutex::default(), meanwhile: Mutex::default() }
    }
}

impl<M: Addressed> FakeProvider<M> {
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(Addressed::to).collect()
    }

    pub(crate) fn answer(&self, to: &str, outcome: SendOutcome) {
        self.answers.lock().unwrap().insert(to.to_owned(), outcome);
    }
}

impl<M: Addressed> Provider<M> for FakeProvider<M> {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn send<'a>(&'a self, message: &'a M, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let to = message.to();
            self.sent.lock().unwrap().push(message.clone());
            if let Some(happens) = self.meanwhile.lock().unwrap().take() {
                happens();
            }
            let told = self.answers.lock().unwrap().remove(&to);
            told.unwrap_or(SendOutcome::Sent { provider: None, provider_id: Some(format!("queued for {}", to.len())) })
        })
    }

    fn find<'a>(&'a self, _: &'a M, _: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move { self.finds.lock().unwrap().clone().unwrap_or(Found::CannotTell) })
    }
}
