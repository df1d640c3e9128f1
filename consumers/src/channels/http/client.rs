//! Requests of which it is known afterwards whether the other side may have acted on them.

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{
    Client, ClientBuilder, Method, StatusCode,
    dns::Resolve,
    header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The longest wait that an answer may ask for.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How requests are made.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// How long connecting, with TLS, may take.
    pub connect_timeout: Duration,
    /// How long a whole request may take, until the last byte of the answer.
    pub timeout: Duration,
    /// How much of an answer is read, in bytes; the rest is cut off.
    pub max_answer: usize,
    /// PEM files of certificate authorities that are trusted beside Mozilla's.
    pub root_certificates: Vec<Vec<u8>>,
    /// How long a connection that is idle is kept for another request. `None`: each request has a connection of its own, so that
    /// none is sent over one that is being closed, of which nobody could say whether it arrived.
    pub keep_alive: Option<Duration>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            max_answer: 64 * 1024,
            root_certificates: Vec::new(),
            keep_alive: None,
        }
    }
}

/// The settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP client can't be made: {0}")]
pub struct HttpSettingsError(String);

/// A request.
pub struct HttpRequest {
    /// Its method.
    pub method: Method,
    /// Its URL, with the query.
    pub url: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl HttpRequest {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The request with one header more. Secret ones are kept out of every debug output.
    ///
    /// # Errors
    ///
    /// The header's name when its value can't stand in a header.
    pub fn header(mut self, name: HeaderName, value: &str, secret: bool) -> Result<Self, HeaderName> {
        let Ok(mut value) = HeaderValue::from_str(value) else { return Err(name) };
        value.set_sensitive(secret);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The request with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, cut off where it is longer than [`HttpSettings::max_answer`]. Empty when it broke off: the status counts.
    pub body: Bytes,
    /// How much of the body that is.
    pub extent: Extent,
}

/// How much of an answer's body there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What may be read of it; there may be more.
    Cut,
    /// Nothing: the connection broke off.
    Lost,
}

impl HttpResponse {
    /// How long it asks to wait: `Retry-After`, in seconds or until a date (RFC 9110 § 10.2.3), which is measured from the
    /// answer's own `Date` and passed over without one. A day is the most.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name| Some(self.headers.get(name)?.to_str().ok()?.trim());
        let told = text(RETRY_AFTER)?;
        let wait = match told.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            // One that is over is no wait.
            Err(_) => Duration::try_from(http_date(told)?.duration_since(http_date(text(DATE)?)?)).unwrap_or_default(),
        };
        Some(wait.min(MAX_WAIT))
    }
}

/// A date as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// It never left: there was no connection to send it over.
    #[error("can't connect: {0}")]
    NotSent(String),
    /// It may have arrived.
    #[error("no answer: {0}")]
    Unknown(String),
    /// It can't be made, or must not be: a URL that isn't one, an address that is refused.
    #[error("the request can't be made: {0}")]
    Invalid(String),
}

/// The client. Cloning it is cheap.
///
/// It follows no redirect, uses no proxy, retries nothing, and keeps no connection for another request: over one that was kept,
/// a request may get lost without anybody knowing how far it came, in a Lambda function after every freeze. A handshake is
/// cheaper than a doubt.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    max_answer: usize,
}

impl HttpClient {
    /// A client.
    ///
    /// # Errors
    ///
    /// [`HttpSettingsError`] when a root certificate can't be read.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpSettingsError> {
        Self::build(settings, builder(settings)?)
    }

    /// A client whose names are resolved by `resolver`. It may refuse a name with [`Refused`].
    pub(crate) fn resolving(
        settings: &HttpSettings,
        resolver: impl Resolve + 'static,
    ) -> Result<Self, HttpSettingsError> {
        Self::build(settings, builder(settings)?.dns_resolver(Arc::new(resolver)))
    }

    fn build(settings: &HttpSettings, builder: ClientBuilder) -> Result<Self, HttpSettingsError> {
        let client = builder.build().map_err(|e| HttpSettingsError(chain(&e)))?;
        Ok(Self { client, max_answer: settings.max_answer })
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    ///
    /// [`HttpError`]; an answer with an error status is none.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let HttpRequest { method, url, headers, body } = request;
        let sent = self.client.request(method, url).headers(headers).body(body).send().await;
        let mut answer = sent.map_err(|error| {
            let error = error.without_url();
            if let Some(Refused(why)) = cause(&error) {
                return HttpError::Invalid(why.clone());
            }
            match () {
                () if error.is_builder() => HttpError::Invalid(chain(&error)),
                () if error.is_connect() => HttpError::NotSent(chain(&error)),
                () => HttpError::Unknown(chain(&error)),
            }
        })?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let (mut body, mut extent) = (BytesMut::new(), Extent::Whole);
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let left = self.max_answer - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(left)]);
                    if body.len() == self.max_answer {
                        extent = Extent::Cut;
                        break;
                    }
                }
                Ok(None) => break,
                // What was to be known stands in the status.
                Err(_) => {
                    body.clear();
                    extent = Extent::Lost;
                    break;
                }
            }
        }
        Ok(HttpResponse { status, headers, body: body.freeze(), extent })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

/// A resolver's refusal to hand on the addresses of a name, and why: the request must not be made, now or later.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// What every client has in common.
fn builder(settings: &HttpSettings) -> Result<ClientBuilder, HttpSettingsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    for pem in &settings.root_certificates {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| HttpSettingsError(format!("a root certificate: {e}")))?;
            roots.add(certificate).map_err(|e| HttpSettingsError(format!("a root certificate: {e}")))?;
            found = true;
        }
        if !found {
            return Err(HttpSettingsError("an extra root certificate isn't PEM: it has no `BEGIN CERTIFICATE`".into()));
        }
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| HttpSettingsError(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = match settings.keep_alive {
        Some(idle) => Client::builder().pool_idle_timeout(idle),
        None => Client::builder().pool_max_idle_per_host(0),
    };
    Ok(builder
        .tls_backend_preconfigured(tls)
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.timeout)
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .user_agent(concat!("sendoff/", env!("CARGO_PKG_VERSION"))))
}

/// The first of the error's causes that is an `E`.
fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
