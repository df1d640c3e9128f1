//! Calls over real sockets with TLS. What endpoints answer, and signatures, are tested where there is a whole endpoint to answer.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use secrecy::SecretString;
use sendoff_events::{BoxFuture, Timestamp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{
    guard::{Checked, Refusal, SystemLookup},
    *,
};
use crate::{
    NotSent, SendOutcome,
    channels::{Provider as _, http::HttpSettings},
};

const CERTIFICATE: &[u8] = include_bytes!("testdata/hooks.cert.pem");
const KEY: &[u8] = include_bytes!("testdata/hooks.key.pem");

/// Stands for a public address.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
/// Stands for one behind our walls.
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn only_public(address: IpAddr) -> Result<(), Refusal> {
    if address == PUBLIC { Ok(()) } else { Err(Refusal(format!("{address} is not public"))) }
}

/// Answers as told, one list of addresses after the other, and notes who was asked for.
#[derive(Default)]
struct Answers {
    next: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Answers {
    fn of(lists: &[&[IpAddr]]) -> Arc<Self> {
        Arc::new(Self { next: Mutex::new(lists.iter().map(|list| list.to_vec()).collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Lookup for Answers {
    fn addresses(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let next = self.next.lock().unwrap().pop_front();
        Box::pin(async move { next.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// The name that a client asked for in the handshake, and its request.
type Got = (Option<String>, String);

/// An endpoint that keeps what it gets.
struct Endpoint {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Endpoint {
    async fn at(address: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::<Mutex<Vec<_>>>::default();
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
                PrivateKeyDer::from_pem_slice(KEY).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let keep = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                let mut request = Vec::new();
                while !request.ends_with(b"{}") {
                    let mut some = [0; 1024];
                    match stream.read(&mut some).await {
                        Ok(0) | Err(_) => break,
                        Ok(n) => request.extend_from_slice(&some[..n]),
                    }
                }
                keep.lock().unwrap().push((name, String::from_utf8(request).unwrap()));
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, got }
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

const OK: &str = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";

fn call(url: String) -> Webhook {
    Webhook {
        url,
        body: Bytes::from_static(b"{}"),
        secrets: vec![SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        idempotency_key: "webhook/1/crm".into(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn settings() -> HttpSettings {
    HttpSettings { root_certificates: vec![CERTIFICATE.to_vec()], ..HttpSettings::default() }
}

fn provider(lookup: &Arc<Answers>) -> WebhookProvider {
    let checked = Checked { lookup: lookup.clone(), rule: only_public };
    WebhookProvider::checked_by(Guard::default(), checked, lookup.clone(), &settings()).unwrap()
}

fn reason(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::NotSent(NotSent::Permanent { reason }) => format!("permanent: {reason}"),
        SendOutcome::NotSent(NotSent::Transient { reason }) => format!("transient: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_called_and_the_name_stays() {
    let public = Endpoint::at((PUBLIC, 0).into(), OK).await;
    let private = Endpoint::at((PRIVATE, public.port).into(), OK).await;
    // Rebinding: the name's next answer leads behind the walls.
    let lookup = Answers::of(&[&[PUBLIC], &[PRIVATE]]);
    let provider = provider(&lookup);
    let url = format!("https://hooks.example.com:{}/in", public.port);
    let outcome = provider.send(&call(url.clone()), None).await;
    assert!(matches!(outcome, SendOutcome::Sent { .. }), "{outcome:?}");
    assert_eq!(lookup.asked(), 1, "a name is resolved once for a call");
    let (name, request) = public.got.lock().unwrap().remove(0);
    assert_eq!(name.as_deref(), Some("hooks.example.com"), "the certificate is checked against the name");
    assert!(request.contains(&format!("host: hooks.example.com:{}\r\n", public.port)), "{request}");

    let refusal = reason(provider.send(&call(url), None).await);
    assert!(refusal.starts_with("permanent: ") && refusal.ends_with("127.0.0.2 is not public"), "{refusal}");
    assert_eq!((lookup.asked(), public.count(), private.count()), (2, 0, 0));
}

#[tokio::test]
async fn one_bad_address_among_good_ones_spoils_the_name() {
    let public = Endpoint::at((PUBLIC, 0).into(), OK).await;
    for addresses in [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC]] {
        let lookup = Answers::of(&[&addresses]);
        let url = format!("https://hooks.example.com:{}/in", public.port);
        let refusal = reason(provider(&lookup).send(&call(url), None).await);
        assert!(refusal.starts_with("permanent: ") && refusal.ends_with("127.0.0.2 is not public"), "{refusal}");
    }
    assert_eq!(public.count(), 0);
}

#[tokio::test]
async fn the_rules_that_are_in_force_refuse_what_a_name_leads_to() {
    for address in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00:ec2::254"] {
        let lookup = Answers::of(&[&[address.parse().unwrap()]]);
        let provider = WebhookProvider::new(Guard::default(), lookup.clone(), &settings()).unwrap();
        let refusal = reason(provider.send(&call("https://hooks.example.com/in".into()), None).await);
        assert!(refusal.starts_with("permanent: the address is not allowed: "), "{address}: {refusal}");
        assert_eq!(lookup.asked(), 1);
    }
}

#[tokio::test]
async fn what_the_rules_refuse_at_sight_is_not_even_looked_up() {
    let lookup = Answers::of(&[]);
    let provider = WebhookProvider::new(Guard::default(), lookup.clone(), &settings()).unwrap();
    for url in ["https://127.0.0.1/", "https://db.internal/", "http://hooks.example.com/"] {
        let refusal = reason(provider.send(&call(url.into()), None).await);
        assert!(refusal.starts_with("permanent: the address is not allowed: "), "{refusal}");
    }
    assert_eq!(lookup.asked(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://127.0.0.2/\r\ncontent-length: 0\r\n\r\n";
    let public = Endpoint::at((PUBLIC, 0).into(), redirect).await;
    let lookup = Answers::of(&[&[PUBLIC]]);
    let url = format!("https://hooks.example.com:{}/in", public.port);
    let refusal = reason(provider(&lookup).send(&call(url), None).await);
    assert_eq!(refusal, "permanent: the endpoint redirects, and redirects are not followed: the endpoint answered 307");
    assert_eq!((public.count(), lookup.asked()), (1, 1));
}

#[tokio::test]
async fn a_name_without_an_address_and_a_certificate_for_another_name_are_passing_troubles() {
    let public = Endpoint::at((PUBLIC, 0).into(), OK).await;
    let lookup = Answers::of(&[&[PUBLIC], &[]]);
    let provider = provider(&lookup);
    let other = format!("https://other.example.com:{}/in", public.port);
    let trouble = reason(provider.send(&call(other), None).await);
    assert!(trouble.starts_with("transient: ") && trouble.contains("certificate"), "{trouble}");
    for what in ["the name has no address", "no such name"] {
        let trouble = reason(provider.send(&call("https://hooks.example.com/in".into()), None).await);
        assert!(trouble.starts_with("transient: ") && trouble.ends_with(what), "{trouble}");
    }
    assert_eq!(public.count(), 0);
}

#[tokio::test]
async fn an_exempt_server_may_be_anywhere() {
    let listener = TcpListener::bind((PRIVATE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            stream.read_buf(&mut request).await.unwrap();
        }
        stream.write_all(OK.as_bytes()).await.unwrap();
    });
    let lookup = Answers::of(&[&[PRIVATE]]);
    let guard = Guard::new([format!("dev.test:{port}").parse().unwrap()]);
    let provider = WebhookProvider::new(guard, lookup, &settings()).unwrap();
    let outcome = provider.send(&call(format!("http://dev.test:{port}/in")), None).await;
    assert!(matches!(outcome, SendOutcome::Sent { .. }), "{outcome:?}");
    answering.await.unwrap();
}

#[tokio::test]
async fn the_operating_systems_resolver_is_held_to_the_rules_too() {
    assert!(!SystemLookup.addresses("localhost").await.unwrap().is_empty());
    let checked = Checked::new(Arc::new(SystemLookup));
    let Err(refusal) = reqwest::dns::Resolve::resolve(&checked, "localhost".parse().unwrap()).await else { panic!() };
    assert!(refusal.to_string().ends_with("is not public: it is loopback"), "{refusal}");
}

#[tokio::test]
async fn nothing_that_a_stranger_wrote_gets_into_a_reason() {
    for (answer, told) in [
        (
            "HTTP/1.1 410 Ada-Lovelace\r\ncontent-type: application/json; charset=utf-8\r\nx-told: 1995\r\n\
             content-length: 28\r\n\r\n{\"name\":\"Ada\",\"card\":\"4111\"}",
            "the endpoint answered 410 with 28 bytes of application/json",
        ),
        (
            "HTTP/1.1 410 Gone\r\ncontent-type: ada/lovelace\r\ncontent-length: 3\r\n\r\nAda",
            "the endpoint answered 410 with 3 bytes",
        ),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", "the endpoint answered 410"),
    ] {
        let public = Endpoint::at((PUBLIC, 0).into(), answer).await;
        let url = format!("https://hooks.example.com:{}/in", public.port);
        let outcome = provider(&Answers::of(&[&[PUBLIC]])).send(&call(url), None).await;
        let SendOutcome::NotSent(NotSent::Gone { reason }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, told);
    }
}
