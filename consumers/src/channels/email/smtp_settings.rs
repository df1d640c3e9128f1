//! How mail is sent over SMTP.

use std::time::Duration;

use lettre::transport::smtp::{
    client::{Certificate, CertificateStore, TlsParameters},
    extension::ClientId,
};

use super::SmtpUrl;

/// How an [`SmtpProvider`](super::SmtpProvider) sends.
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

/// Settings that no connection can be made with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpSettingsError {
    /// An extra root certificate can't be read.
    #[error("TLS can't be set up for the mail server {server}: {why}")]
    Tls {
        /// The server's URL without secrets.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// The name to greet with could break out of its command.
    #[error(
        "the name to greet the mail server with is not valid: `{0}` isn't 1 to 255 letters, digits, dots and hyphens"
    )]
    Hello(String),
}

pub(super) fn client_id(name: String) -> Result<ClientId, SmtpSettingsError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    if (1..=255).contains(&name.len()) && name.bytes().all(fits) {
        Ok(ClientId::Domain(name))
    } else {
        Err(SmtpSettingsError::Hello(name.escape_debug().take(80).collect()))
    }
}

pub(super) fn tls_parameters(url: &SmtpUrl, extra: &[Vec<u8>]) -> Result<TlsParameters, SmtpSettingsError> {
    let failed = |why: String| SmtpSettingsError::Tls { server: url.to_string(), why };
    let mut builder = TlsParameters::builder(url.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    for pem in extra {
        // A text without any certificate would be taken for none, and every connection would fail later on.
        if !pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
            return Err(failed("an extra root certificate isn't PEM: it has no `BEGIN CERTIFICATE`".into()));
        }
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(|e| failed(e.to_string()))?);
    }
    builder.build_rustls().map_err(|e| failed(e.to_string()))
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
