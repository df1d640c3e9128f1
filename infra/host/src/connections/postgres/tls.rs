//! TLS for the connection to PostgreSQL: the one stack that everything else has, too.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::{super::ConnectionError, broken};

/// The most bytes that a connection reads: four times the most of a statement's rows.
pub(super) const MAX_READ: usize = 4 * super::MAX_BYTES;

/// Makes encrypted connections.
#[derive(Clone)]
pub(super) struct Rustls(TlsConnector);

impl Rustls {
    /// Trusts Mozilla's authorities and those of the PEM files.
    pub(super) fn new(root_certificates: &[Vec<u8>]) -> Result<Self, ConnectionError> {
        let wrong = |why: String| ConnectionError::of("ca_file", why);
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        for pem in root_certificates {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| wrong(format!("isn't PEM: {e}")))?;
                roots.add(certificate).map_err(|e| wrong(format!("holds a certificate that can't be used: {e}")))?;
            }
            if roots.len() == before {
                return Err(wrong("isn't PEM: it has no `BEGIN CERTIFICATE`".into()));
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

/// A handshake that is to be made.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// An encrypted connection, and how much more it may read: the server sends a row whole before anybody can look at its size.
pub(super) struct Encrypted<S> {
    stream: tokio_rustls::client::TlsStream<S>,
    left: usize,
}

/// More than a connection may read.
#[derive(Debug, thiserror::Error)]
#[error("the database sends too much")]
struct TooMuch;

/// Whether the connection was broken off by us, since it would have read too much.
pub(super) fn is_too_much(error: &tokio_postgres::Error) -> bool {
    let broken = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    broken.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<TooMuch>())
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Rustls {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        let name = ServerName::try_from(domain.to_owned()).map_err(broken)?;
        Ok(Handshake { connector: self.0.clone(), name })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        async move {
            let stream = self.connector.connect(self.name, stream).await?;
            Ok(Encrypted { stream, left: MAX_READ })
        }
        .boxed()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        self.left = self.left.checked_sub(read).ok_or_else(|| broken(TooMuch))?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
