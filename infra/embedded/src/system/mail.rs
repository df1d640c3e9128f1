//! Where mail goes: to the configured server, or to the one inside this process.

use std::sync::Arc;

use sendoff_consumers::channels::{
    Provider,
    email::{Mail as MailMessage, SmtpProvider, SmtpSettings, SmtpTls, SmtpUrl},
};
use sendoff_events::{Clock, Rng};

use super::SystemError;
use crate::{
    config::{Config, Mail},
    sink::{Mailbox, SinkLimits, SmtpSink},
};

/// What sends, and the mail server inside the process if mail goes there.
pub(super) async fn route(
    config: &Config,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<(Arc<dyn Provider<MailMessage>>, Option<SmtpSink>), SystemError> {
    let (settings, sink) = match &config.mail {
        Mail::Server(settings) => (settings.clone(), None),
        Mail::Sink => {
            let mailbox = Mailbox::of(&config.settings.data);
            let sink = SmtpSink::bind(mailbox, SinkLimits::default(), clock.clone(), rng.clone());
            let sink = sink.await.map_err(SystemError::Sink)?;
            let (host, port) = (sink.address().ip().to_string(), sink.address().port());
            let url = SmtpUrl { host, port, tls: SmtpTls::None, credentials: None };
            (SmtpSettings::new(url), Some(sink))
        }
    };
    Ok((Arc::new(SmtpProvider::new(settings)?), sink))
}
