//! Sending through an SMTP server.

use std::{fmt, sync::Arc};

use lettre::transport::smtp::{extension::ClientId, response::Response};
use sendoff_events::BoxFuture;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    Mail, SmtpSettings, SmtpSettingsError,
    classify::{Failure, Fault, Stage, classify},
    message::{build, message_id},
    pool::Pool,
    provider_id::queue_id,
    session::{Opening, Session},
    smtp_settings::{client_id, tls_parameters},
};
use crate::{Doubt, NotSent, SendOutcome, channels::Provider};

/// As it stands in the ledger.
pub(super) const NAME: &str = "smtp";

/// Sends each mail to its one recipient over SMTP, through a small pool of connections.
///
/// What each failure means is written in one table: `classify.rs`.
pub struct SmtpProvider {
    opening: Arc<Opening>,
    connections: Semaphore,
    pool: Pool,
}

impl SmtpProvider {
    /// A provider. Connects when the first mail is sent.
    ///
    /// # Errors
    ///
    /// [`SmtpSettingsError`] when an extra root certificate can't be read, or the name to greet with isn't one.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let SmtpSettings { url, hello, timeouts, max_connections, max_idle, max_mails, root_certificates } = settings;
        let tls = tls_parameters(&url, &root_certificates)?;
        let hello = hello.map_or_else(|| Ok(ClientId::default()), client_id)?;
        let max_connections = max_connections.max(1);
        Ok(Self {
            opening: Arc::new(Opening { url, hello, tls, timeouts }),
            connections: Semaphore::new(max_connections),
            pool: Pool::new(max_connections, max_idle, max_mails),
        })
    }

    async fn deliver(&self, mail: &Mail) -> SendOutcome {
        let message = match build(mail) {
            Ok(message) => message,
            Err(error) => return SendOutcome::NotSent(NotSent::Permanent { reason: error.to_string() }),
        };
        match self.hand_over(mail, &message).await {
            Ok(reply) => {
                let id = queue_id(&reply).unwrap_or_else(|| message_id(&mail.idempotency_key, &mail.from.address));
                SendOutcome::Sent { provider: Some(NAME.into()), provider_id: Some(id) }
            }
            Err(failure) => classify(&failure),
        }
    }

    async fn hand_over(&self, mail: &Mail, message: &[u8]) -> Result<Response, Failure> {
        let _permit = self.permit().await?;
        let mut session = self.begin(mail).await?;
        let result = session.finish(mail.to.expose(), message).await;
        match &result {
            Err(failure) if failure.is_end_of_session() => drop(session),
            _ => self.keep(session).await,
        }
        result
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match timeout(self.opening.timeouts.connect, self.connections.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Failure { stage: Stage::Connect, fault: Fault::Busy }),
        }
    }

    /// A session on which the mail has begun: an idle one, or, should the server have given that up, a fresh one.
    async fn begin(&self, mail: &Mail) -> Result<Session, Failure> {
        let from = &mail.from.address;
        if let Some(mut session) = self.pool.take() {
            match session.reset().await {
                Ok(()) => match session.begin(from).await {
                    Ok(()) => return Ok(session),
                    Err(failure) if failure.is_end_of_session() => {}
                    Err(failure) => {
                        self.keep(session).await;
                        return Err(failure);
                    }
                },
                Err(failure) => tracing::debug!(%failure, "an idle connection had ended"),
            }
        }
        let mut session = Session::open(&self.opening).await?;
        session.begin(from).await?;
        Ok(session)
    }

    async fn keep(&self, session: Session) {
        if let Some(spent) = self.pool.put(session) {
            spent.quit().await;
        }
    }
}

impl Provider<Mail> for SmtpProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, mail: &'a Mail, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.deliver(mail))
    }
}

impl fmt::Debug for SmtpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpProvider").field("url", &self.opening.url).finish_non_exhaustive()
    }
}
