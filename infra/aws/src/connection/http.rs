//! One HTTP client for all services, made at the first request.
//!
//! Every service client that is built asks for a connector to check its configuration. Were each of them built then, with
//! its trust store, a cold start would pay for it several times before the first request.
//!
//! It stands on hyper and rustls as the SDK's own does, which takes its roots as PEM files alone: each cold start would write
//! Mozilla's as such and read them again (`docs/adr/0028-roots-that-are-read-already.md`).

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    connection::{CaptureSmithyConnection, ConnectionMetadata},
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{CaptureConnection, HttpConnector as TcpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::error::cause;

/// How long it takes at most to connect. Within a region it is milliseconds.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

type Hyper = Client<HttpsConnector<TcpConnector>, SdkBody>;

/// rustls with ring, and Mozilla's roots from the binary: reading those of the system costs a cold start more than anything
/// else would. It speaks HTTP/1.1, as the endpoints of the services that are called do.
#[derive(Debug, Clone, Default)]
pub(super) struct LazyHttps(Arc<OnceLock<Hyper>>);

#[derive(Debug)]
struct Connector {
    client: Arc<OnceLock<Hyper>>,
    /// How long an answer may take to begin.
    read: Option<Duration>,
}

impl HttpClient for LazyHttps {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { client: self.0.clone(), read: settings.read_timeout() })
    }
}

impl Connector {
    fn client(&self) -> Result<&Hyper, rustls::Error> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => make().map(|client| self.client.get_or_init(|| client)),
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let never_sent = |error: Box<dyn Error + Send + Sync>| Err(ConnectorError::user(error));
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return HttpConnectorFuture::ready(never_sent(error.into())),
        };
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(never_sent(error.into())),
        };
        if let Some(wanted) = request.extensions().get::<CaptureSmithyConnection>().cloned() {
            let connection = capture_connection(&mut request);
            wanted.set_connection_retriever(move || metadata(&connection));
        }
        let (answer, read) = (client.request(request), self.read);
        HttpConnectorFuture::new(async move {
            let answer = match read {
                Some(read) => timeout(read, answer).await.map_err(|late| ConnectorError::timeout(late.into()))?,
                None => answer.await,
            };
            let answer = answer.map_err(failed)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn make() -> Result<Hyper, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = TcpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https))
}

/// What the SDK needs to keep a connection from being used again that has failed.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// What the SDK makes of a failure: one of time or of the network is tried again.
fn failed(error: legacy::Error) -> ConnectorError {
    let is_io = error.is_connect() || cause::<std::io::Error>(&error).is_some();
    match cause::<hyper::Error>(&error) {
        Some(hyper) if hyper.is_timeout() => ConnectorError::timeout(error.into()),
        Some(hyper) if hyper.is_user() => ConnectorError::user(error.into()),
        // The connection was closed in the middle of an answer.
        Some(hyper) if hyper.is_incomplete_message() => {
            ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
        }
        Some(hyper) if hyper.is_closed() || hyper.is_canceled() => ConnectorError::io(error.into()),
        _ if is_io => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}

#[cfg(test)]
mod tests;
