//! Where mail goes: to the configured servers, or to the one inside this process.

use std::sync::Arc;

use sendoff_consumers::channels::{
    Failover, Provider,
    email::{Mail as MailMessage, SmtpProvider, SmtpSettings, SmtpTls, SmtpUrl},
};

use super::{SystemError, providers::Guards};
use crate::{
    config::{Config, Mail},
    sink::{Mailbox, SinkLimits, SmtpSink},
};

/// As the mail server that stands in for the first one is called in the ledger.
const FALLBACK: &str = "smtp-fallback";

/// What sends, and the mail server inside the process if mail goes there.
pub(super) async fn route(
    config: &Config,
    guards: &Guards,
) -> Result<(Arc<dyn Provider<MailMessage>>, Option<SmtpSink>), SystemError> {
    let rate = config.settings.email_rate;
    match &config.mail {
        Mail::Servers { first, fallback: None } => {
            Ok((guards.guard(Arc::new(SmtpProvider::new((**first).clone())?), rate), None))
        }
        Mail::Servers { first, fallback: Some(fallback) } => {
            let first = guards.guard(Arc::new(SmtpProvider::new((**first).clone())?), rate);
            let second = guards.named(Arc::new(SmtpProvider::new((**fallback).clone())?), FALLBACK, rate);
            Ok((Arc::new(Failover::new(vec![first, second])?), None))
        }
        Mail::Sink => {
            let mailbox = Mailbox::of(&config.settings.data);
            let sink = SmtpSink::bind(mailbox, SinkLimits::default(), guards.clock.clone(), guards.rng.clone());
            let sink = sink.await.map_err(SystemError::Sink)?;
            let (host, port) = (sink.address().ip().to_string(), sink.address().port());
            let url = SmtpUrl { host, port, tls: SmtpTls::None, credentials: None };
            Ok((guards.guard(Arc::new(SmtpProvider::new(SmtpSettings::new(url))?), rate), Some(sink)))
        }
    }
}
