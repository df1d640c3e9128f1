//! A channel, as the handlers see it.

use sendoff_events::{Personal, Timestamp, UserId};
use sendoff_producers::model::{Branding, Channel, MailTemplate};
use serde_json::Value;

use crate::{
    IdempotencyKey, Policy,
    channels::Provider,
    routing::Contact,
    templates::{TemplateError, Templates},
};

/// A channel: how its messages are written, and what sends them.
pub trait Way: Send + Sync + 'static {
    /// Which it is.
    const CHANNEL: Channel;

    /// Its consumer's name: that of the channel, since channels find each other's records by it.
    const NAME: &'static str;

    /// How its consumer is run.
    const POLICY: Policy;

    /// A message to one address.
    type Message: Send + Sync + 'static;

    /// What sends.
    fn provider(&self) -> &dyn Provider<Self::Message>;

    /// The messages to one recipient: one, or one for each of their devices. None when the contact isn't of this channel's kind.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when the template doesn't give a message.
    fn write(&self, writing: &Writing<'_>) -> Result<Vec<Draft<Self::Message>>, TemplateError>;
}

/// What a message is written from.
pub struct Writing<'w> {
    /// All templates.
    pub templates: &'w Templates,
    /// The one to take.
    pub template: &'w str,
    /// The recipient's language.
    pub locale: &'w str,
    /// What it is filled with.
    pub data: &'w Value,
    /// How it looks.
    pub branding: &'w Branding,
    /// The app's own mail in place of the template, and the name that errors call it by.
    pub own_mail: Option<(&'w str, &'w MailTemplate)>,
    /// Where it goes.
    pub contact: &'w Contact,
    /// The link that unsubscribes the recipient from mails of this kind.
    pub unsubscribe: Option<&'w str>,
    /// The consumer's work on the event: with the step it makes the idempotency key.
    pub key: &'w IdempotencyKey,
    /// The recipient's step.
    pub step: &'w str,
    /// Now.
    pub now: Timestamp,
}

/// A message that is ready to go.
pub struct Draft<M> {
    /// The step that it is.
    pub step: String,
    /// The message.
    pub message: M,
    /// Where it goes, for what is done if that address turns out to be gone.
    pub address: Address,
}

/// Where a message goes.
#[derive(Debug, Clone)]
pub enum Address {
    /// To a mailbox or a phone. If it is gone, it is suppressed for everybody.
    Of(Channel, Personal<String>),
    /// To a device. If it is gone, it is struck from its user's record.
    Device(Personal<String>),
}

impl Writing<'_> {
    /// The idempotency key of a step.
    #[must_use]
    pub fn idempotency_key(&self, step: &str) -> String {
        self.key.step(step)
    }
}

/// Whose message it is, for what is done if its address turns out to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// A user's.
    User(UserId),
    /// Nobody's that we know: an address in an event.
    Nobody,
}
