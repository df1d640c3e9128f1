use std::net::Ipv4Addr;

use aws_sdk_sqs::operation::list_queues::ListQueuesError;
use aws_smithy_runtime_api::client::result::SdkError;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use sendoff_tests::servers::Port;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{CallError, Cause};

const CERTIFICATE: &[u8] = include_bytes!("../../../../../consumers/src/channels/webhook/testdata/hooks.cert.pem");
const KEY: &[u8] = include_bytes!("../../../../../consumers/src/channels/webhook/testdata/hooks.key.pem");

/// A server that gives each request of a connection this answer, and ends the connection when it has no more. Each connection is
/// told.
async fn server(answers: &'static [&'static str]) -> (u16, UnboundedReceiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connected, connections) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = connected.send(());
            tokio::spawn(async move {
                for answer in answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await?);
                    }
                    stream.write_all(answer.as_bytes()).await?;
                }
                stream.shutdown().await
            });
        }
    });
    (port, connections)
}

fn request(url: &str) -> HttpRequest {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).unwrap();
    request
}

fn connector() -> Connector {
    Connector { client: Arc::default(), read: None }
}

/// What became of a call that failed so.
fn cause_of(error: ConnectorError) -> Cause {
    let error: SdkError<ListQueuesError, HttpResponse> = SdkError::dispatch_failure(error);
    CallError::of("sqs:ListQueues", "", &error).cause
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_connection_is_used_again_unless_it_was_given_up() {
    let (port, mut connections) = server(&[OK; 8]).await;
    let (connector, url) = (connector(), format!("http://127.0.0.1:{port}/"));
    let captured = CaptureSmithyConnection::new();
    for _ in 0..3 {
        let mut request = request(&url);
        request.add_extension(captured.clone());
        let answer = connector.call(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        // Read to its end, so that the connection is free.
        assert_eq!(http_body(answer).await, b"{}");
    }
    assert_eq!((connections.try_recv().is_ok(), connections.try_recv().is_ok()), (true, false));
    captured.get().unwrap().poison();
    connector.call(request(&url)).await.unwrap();
    assert!(connections.recv().await.is_some());
}

async fn http_body(answer: HttpResponse) -> Vec<u8> {
    aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await.unwrap().to_vec()
}

#[tokio::test]
async fn what_has_no_connection_was_never_sent() {
    let unused = Port::free();
    for scheme in ["http", "https"] {
        let error = connector().call(request(&format!("{scheme}://127.0.0.1:{unused}/"))).await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
        assert_eq!(cause_of(error), Cause::NotSent, "{scheme}");
    }
}

#[tokio::test]
async fn whom_no_root_vouches_for_is_sent_nothing() {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(|_| ())
    });
    let error = connector().call(request(&format!("https://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    assert_eq!(cause_of(error), Cause::NotSent);
    assert!(accepted.await.unwrap().is_err());
}

#[tokio::test]
async fn of_what_is_cut_off_nobody_knows_whether_it_was_done_and_it_is_tried_again() {
    for answers in [&["HTTP/1.1 200 OK\r\ncontent-le"][..], &[""][..]] {
        let (port, _connections) = server(answers).await;
        let error = connector().call(request(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
        assert_eq!(error.as_other(), Some(ErrorKind::TransientError), "{error:?}");
        assert_eq!(cause_of(error), Cause::Unknown);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_late() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = Connector { read: Some(Duration::from_millis(20)), ..connector() };
    let error = connector.call(request(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(cause_of(error), Cause::Unknown);
}

#[test]
fn mozillas_roots_are_there_with_those_of_amazon_among_them() {
    let roots: &[_] = webpki_roots::TLS_SERVER_ROOTS;
    for name in ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4"] {
        let stands = |subject: &[u8]| subject.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(roots.iter().any(|root| stands(&root.subject)), "{name}");
    }
    assert!(make().is_ok());
}
