//! One HTTP client for all services, made at the first request.
//!
//! Every service client that is built asks for a connector to check its configuration. Were each of them built then, with
//! its trust store, a cold start would pay for it several times before the first request.

use std::sync::{Arc, OnceLock};

use aws_smithy_http_client::{
    Connector,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

/// rustls with ring, and Mozilla's roots from the binary: reading those of the system costs a cold start more than anything
/// else would.
#[derive(Debug, Clone, Default)]
pub(super) struct LazyHttps(Arc<OnceLock<SharedHttpConnector>>);

#[derive(Debug)]
struct Lazy {
    connector: Arc<OnceLock<SharedHttpConnector>>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpClient for LazyHttps {
    /// Every call asks, too: once it is made, it is handed out as it is, without a copy of what it would be made from.
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        if let Some(connector) = self.0.get() {
            return connector.clone();
        }
        SharedHttpConnector::new(Lazy {
            connector: self.0.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

impl HttpConnector for Lazy {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.connector.get() {
            Some(connector) => connector.call(request),
            None => match self.make() {
                Ok(connector) => self.connector.get_or_init(|| connector).call(request),
                Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error))),
            },
        }
    }
}

impl Lazy {
    fn make(&self) -> Result<SharedHttpConnector, Box<dyn std::error::Error + Send + Sync>> {
        let store = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .fold(TrustStore::empty(), |store, root| store.with_pem_certificate(pem(root)));
        let mut connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(TlsContext::builder().with_trust_store(store).build()?)
            .connector_settings(self.settings.clone());
        connector.set_sleep_impl(self.components.sleep_impl());
        Ok(SharedHttpConnector::new(connector.build()))
    }
}

/// The certificate as the trust store takes it.
fn pem(der: &[u8]) -> Vec<u8> {
    let text = aws_smithy_types::base64::encode(der);
    let mut pem = Vec::with_capacity(text.len() + 80);
    pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    pem
}
