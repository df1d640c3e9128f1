//! Sends single messages without the rest of the system, to try providers and texts.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    SendOutcome,
    channels::{email, push::Push, sms::Sms, whatsapp::Whatsapp},
};
use sendoff_events::{EventId, Timestamp};
use sendoff_host::{PartError, Phase, SystemClock, SystemRng};
use sendoff_producers::model::Channel;

use super::{
    SystemError,
    providers::Guards,
    senders::{self, Port, Senders},
};
use crate::config::{Config, Mail};

/// How long the servers inside the process have to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The configured providers, as the system has them, without a store: what they are given is sent, and recorded nowhere.
pub struct TestSender {
    senders: Senders,
    servers: Phase,
    guards: Guards,
    real: [(Channel, bool); 4],
}

/// A message to one person.
pub enum TestMessage {
    /// A mail.
    Mail(email::Mail),
    /// A text message.
    Sms(Sms),
    /// A WhatsApp message.
    Whatsapp(Whatsapp),
    /// A notification.
    Push(Push),
}

impl TestSender {
    /// Makes the providers ready, and starts the servers inside the process if messages go there.
    ///
    /// # Errors
    ///
    /// [`SystemError`] when one can't be made or started.
    pub async fn start(config: &Config) -> Result<Self, SystemError> {
        let guards = Guards::new(Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let mut servers = Phase::new(PATIENCE);
        let senders = senders::start(config, &guards, &mut servers, Port::Any).await?;
        let real = Channel::ALL.map(|channel| match channel {
            Channel::Email => (channel, !matches!(config.mail, Mail::Sink)),
            Channel::Sms | Channel::Whatsapp | Channel::Push => (channel, !config.channels.sink),
        });
        Ok(Self { senders, servers, guards, real })
    }

    /// The name of the provider that sends on this channel; `None` when the channel is off.
    #[must_use]
    pub fn provider(&self, channel: Channel) -> Option<&'static str> {
        let Senders { mail, others, .. } = &self.senders;
        match channel {
            Channel::Email => Some(mail.name()),
            Channel::Sms => others.sms.as_ref().map(|provider| provider.name()),
            Channel::Whatsapp => others.whatsapp.as_ref().map(|provider| provider.name()),
            Channel::Push => others.push.as_ref().map(|provider| provider.name()),
        }
    }

    /// Whether messages on this channel leave this machine; else they stay in the data folder.
    #[must_use]
    pub fn is_real(&self, channel: Channel) -> bool {
        self.real.iter().any(|(of, real)| *of == channel && *real)
    }

    /// The time, for the dates of mails.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.guards.clock.now()
    }

    /// A key that no message has had: `template/{id}/test`.
    #[must_use]
    pub fn fresh_key(&self) -> String {
        format!("template/{}/test", EventId::generate(&*self.guards.clock, &*self.guards.rng))
    }

    /// Sends it; `None` when its channel is off.
    pub async fn send(&self, message: &TestMessage) -> Option<SendOutcome> {
        let Senders { mail, others, .. } = &self.senders;
        Some(match message {
            TestMessage::Mail(message) => mail.send(message, None).await,
            TestMessage::Sms(message) => others.sms.as_ref()?.send(message, None).await,
            TestMessage::Whatsapp(message) => others.whatsapp.as_ref()?.send(message, None).await,
            TestMessage::Push(message) => others.push.as_ref()?.send(message, None).await,
        })
    }

    /// Stops the servers inside the process.
    ///
    /// # Errors
    ///
    /// [`PartError`] when one of them has failed.
    pub async fn stop(self) -> Result<(), PartError> {
        self.servers.stop().await
    }
}
