//! Sending through an SMTP server.

use std::{fmt, sync::Arc, time::Duration};

use lettre::transport::smtp::{
    client::{Certificate, CertificateStore, TlsParameters},
    extension::ClientId,
    response::Response,
};
use sendoff_events::BoxFuture;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    EmailProvider, Mail, SmtpUrl,
    classify::{Failure, Fault, Stage, classify},
    message::{build, message_id},
    pool::Pool,
    provider_id::queue_id,
    session::{Opening, Session},
};
use crate::{NotSent, SendOutcome};

/// How an [`SmtpProvider`] sends.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// The server.
    pub url: SmtpUrl,
    /// The name we greet the server with; `None` greets as `[127.0.0.1]`. Default `None`.
    pub hello: Option<String>,
    /// How long each step may take.
    pub timeouts: SmtpTimeouts,
    /// How many connections there are at most, idle ones included. Default 10.
    pub max_connections: usize,
    /// How long a connection is kept for the next mail. Default 30 s.
    pub max_idle: Duration,
    /// How many mails one connection carries. Default 100.
    pub max_mails: u32,
    /// Certificates (PEM) that are trusted beside Mozilla's, for a server with a private authority.
    pub root_certificates: Vec<Vec<u8>>,
}

/// How long each step may take. Together they stay below three minutes, so that a handler with that timeout learns what
/// became of its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmtpTimeouts {
    /// To wait for a free connection, and to connect. Default 10 s.
    pub connect: Duration,
    /// Each command up to the message. Default 10 s.
    pub command: Duration,
    /// From the first byte of the message to the reply after its last. After this time the outcome is unknown, so it is
    /// long: servers scan the mail meanwhile. Default 60 s.
    pub after_data: Duration,
}

impl SmtpSettings {
    /// The defaults for this server.
    #[must_use]
    pub const fn new(url: SmtpUrl) -> Self {
        let seconds = Duration::from_secs;
        Self {
            url,
            hello: None,
            timeouts: SmtpTimeouts { connect: seconds(10), command: seconds(10), after_data: seconds(60) },
            max_connections: 10,
            max_idle: seconds(30),
            max_mails: 100,
            root_certificates: Vec::new(),
        }
    }
}

/// Settings that no connection can be made with: a certificate that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("TLS can't be set up for the mail server {server}: {source}")]
pub struct SmtpSettingsError {
    server: String,
    source: lettre::transport::smtp::Error,
}

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
    /// [`SmtpSettingsError`] when an extra root certificate can't be read.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let SmtpSettings { url, hello, timeouts, max_connections, max_idle, max_mails, root_certificates } = settings;
        let tls =
            tls(&url, &root_certificates).map_err(|source| SmtpSettingsError { server: url.to_string(), source })?;
        let hello = hello.map_or_else(ClientId::default, ClientId::Domain);
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
                SendOutcome::Sent { provider_id: Some(id) }
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
            Ok(Err(_)) | Err(_) => {
                Err(Failure { stage: Stage::Connect, fault: Fault::Declined("all connections are busy".into()) })
            }
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

impl EmailProvider for SmtpProvider {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.deliver(mail))
    }
}

impl fmt::Debug for SmtpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpProvider").field("url", &self.opening.url).finish_non_exhaustive()
    }
}

fn tls(url: &SmtpUrl, extra: &[Vec<u8>]) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut builder = TlsParameters::builder(url.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    for pem in extra {
        builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
    }
    builder.build_rustls()
}
