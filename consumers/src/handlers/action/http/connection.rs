//! A system that may be called.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    super::ActionError,
    call::{HttpCall, IDEMPOTENCY_KEY},
};
use crate::channels::{
    http::{HttpError, HttpRequest, HttpResponse, HttpSettings, HttpSettingsError, bare_url},
    webhook::{Allowed, Guard, GuardedClient, Lookup, Refusal},
};

/// How much of a response is read, in bytes.
pub(super) const MAX_RESPONSE: usize = 1024 * 1024;

/// What the operator says of a system.
#[derive(Debug, Clone)]
pub struct HttpConnectionSettings {
    /// Where it is: `https://crm.example.org/api`. What calls name stands below.
    pub url: String,
    /// Whether it may stand behind our own walls, and be called by plain http: it is one of ours.
    pub private: bool,
    /// Headers that every request carries: credentials.
    pub headers: BTreeMap<String, SecretString>,
    /// How long a request may take, until the last byte of the response.
    pub timeout: Duration,
    /// PEM files of certificate authorities that are trusted beside Mozilla's.
    pub root_certificates: Vec<Vec<u8>>,
}

/// The settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpConnectionError {
    /// The address is none.
    #[error("the address must be an http or https one without user, query and fragment")]
    Address,
    /// The address is refused.
    #[error("{0}; a system of your own needs `private`")]
    Refused(Refusal),
    /// A header can't be sent.
    #[error("the header `{0}` or its value can't stand in a request")]
    Header(String),
    /// The client can't be made.
    #[error(transparent)]
    Client(#[from] HttpSettingsError),
}

/// A system that may be called.
#[derive(Clone)]
pub struct HttpConnection {
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
    client: GuardedClient,
}

impl HttpConnection {
    /// The connection, which finds addresses by `lookup`.
    ///
    /// # Errors
    ///
    /// [`HttpConnectionError`]
    pub fn new(settings: &HttpConnectionSettings, lookup: Arc<dyn Lookup>) -> Result<Self, HttpConnectionError> {
        let base = bare_url(&settings.url).ok_or(HttpConnectionError::Address)?;
        let guard = match (settings.private, base.host(), base.port_or_known_default()) {
            (true, Some(host), Some(port)) => {
                let allowed: Allowed = format!("{host}:{port}").parse().map_err(|_| HttpConnectionError::Address)?;
                Guard::new([allowed])
            }
            _ => Guard::default(),
        };
        guard.check(base.as_str()).map_err(HttpConnectionError::Refused)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let wrong = || HttpConnectionError::Header(name.clone());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let http = HttpSettings {
            timeout: settings.timeout,
            // One byte more tells what is too large.
            max_answer: MAX_RESPONSE + 1,
            root_certificates: settings.root_certificates.clone(),
            ..HttpSettings::default()
        };
        let client = GuardedClient::new(guard, lookup, &http)?;
        Ok(Self { base, headers, timeout: settings.timeout, client })
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where the call goes: below the connection's own address, whatever stands in it.
    pub(super) fn url(&self, call: &HttpCall) -> Result<Url, ActionError> {
        let own = self.base.path().trim_end_matches('/');
        let mut url = self.base.clone();
        url.set_path(&format!("{own}{}", call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let below = url.path().strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
        if url.origin() == self.base.origin() && below {
            Ok(url)
        } else {
            Err(ActionError::invalid("`path` leads outside of the connection"))
        }
    }

    pub(super) async fn send(&self, call: &HttpCall, url: Url) -> Result<HttpResponse, HttpError> {
        let mut request = HttpRequest::new(call.method.clone(), url);
        request.headers.extend(call.headers.iter().cloned());
        if !call.is_safe() {
            let key = HeaderValue::from_str(&call.head.id.to_string());
            let key = key.map_err(|_| HttpError::Invalid("the idempotency key can't stand in a header".into()))?;
            request.headers.insert(IDEMPOTENCY_KEY, key);
        }
        // The connection's own go over the call's.
        for (name, value) in &self.headers {
            request.headers.insert(name, value.clone());
        }
        request.body = call.body.clone().unwrap_or_default();
        self.client.send(request).await
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnection").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
