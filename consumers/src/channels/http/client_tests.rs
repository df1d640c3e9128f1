use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderMap},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::client::*;

/// What the peer does once it has the request.
#[derive(Clone, Copy)]
enum Then {
    Say(&'static str),
    Close,
    Reset,
    Hang,
}

/// A peer that takes connections for as long as the test lives, and notes how many.
struct Peer {
    address: SocketAddr,
    connections: tokio::sync::watch::Receiver<u32>,
}

impl Peer {
    async fn new(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|n| *n += 1);
                tokio::spawn(answer(stream, then));
            }
        });
        Self { address, connections }
    }

    fn request(&self) -> HttpRequest {
        HttpRequest::new(Method::POST, format!("http://{}/messages", self.address)).body("hello")
    }
}

async fn answer(mut stream: TcpStream, then: Then) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        let mut some = [0; 1024];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return,
            Ok(n) => seen.extend_from_slice(&some[..n]),
        }
    }
    match then {
        Then::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Then::Close => {}
        Then::Reset => stream.set_zero_linger().unwrap(),
        Then::Hang => std::future::pending().await,
    }
}

fn client() -> HttpClient {
    let settings = HttpSettings { timeout: Duration::from_millis(700), max_answer: 10, ..HttpSettings::default() };
    HttpClient::new(&settings).unwrap()
}

#[tokio::test]
async fn an_answer_is_an_answer_whatever_its_status() {
    for (text, status) in
        [("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", 201), ("HTTP/1.1 503 No\r\n\r\nok", 503)]
    {
        let answer = client().send(Peer::new(Then::Say(text)).await.request()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, b"ok".as_slice()));
    }
}

#[tokio::test]
async fn a_request_without_a_connection_was_not_sent() {
    // Taken, so that nobody else listens there meanwhile.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let refused = client().send(HttpRequest::new(Method::GET, format!("http://{address}/"))).await;
    assert!(matches!(refused, Err(HttpError::NotSent(_))), "{refused:?}");
    // What answers there speaks no TLS.
    let peer = Peer::new(Then::Close).await;
    let no_tls = client().send(HttpRequest::new(Method::GET, format!("https://{}/", peer.address))).await;
    assert!(matches!(no_tls, Err(HttpError::NotSent(_) | HttpError::Unknown(_))), "{no_tls:?}");
}

#[tokio::test]
async fn a_request_without_an_answer_may_have_arrived() {
    for then in [Then::Close, Then::Reset, Then::Hang, Then::Say("SSH-2.0-OpenSSH_9.9\r\n\r\n")] {
        let result = client().send(Peer::new(then).await.request()).await;
        assert!(matches!(result, Err(HttpError::Unknown(_))), "{result:?}");
        let shown = result.unwrap_err().to_string();
        assert!(!shown.contains("/messages"), "the URL may hold a secret: {shown}");
    }
}

#[tokio::test]
async fn the_status_of_an_answer_that_breaks_off_counts() {
    let peer = Peer::new(Then::Say("HTTP/1.1 201 Created\r\nContent-Length: 200\r\n\r\nhal")).await;
    let answer = client().send(peer.request()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (201, 0));
}

#[tokio::test]
async fn no_more_of_an_answer_is_kept_than_its_limit() {
    let peer = Peer::new(Then::Say("HTTP/1.1 200 OK\r\n\r\n0123456789abcdef")).await;
    assert_eq!(&*client().send(peer.request()).await.unwrap().body, b"0123456789");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_connection_is_used_twice() {
    let peer = Peer::new(Then::Say("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")).await;
    let client = client();
    for round in 1..=3 {
        assert_eq!(client.send(peer.request()).await.unwrap().status.as_u16(), 302);
        assert_eq!(*peer.connections.borrow(), round);
    }
}

#[test]
fn a_wait_is_read_in_seconds_and_has_a_limit() {
    let answer = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        HttpResponse { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Bytes::new(), extent: Extent::Whole }
            .retry_after()
    };
    assert_eq!(answer("7"), Some(Duration::from_secs(7)));
    assert_eq!(answer("99999999"), Some(Duration::from_secs(86_400)));
    assert_eq!(answer("Wed, 21 Oct 2026 07:28:00 GMT"), None, "nobody knows what time it is there");
    assert_eq!(answer("-1"), None);
}

#[test]
fn a_wait_until_a_date_is_measured_by_the_clock_of_whoever_asks_for_it() {
    let answer = |now: &str, until: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, now.parse().unwrap());
        headers.insert(header::RETRY_AFTER, until.parse().unwrap());
        HttpResponse { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Bytes::new(), extent: Extent::Whole }
            .retry_after()
    };
    let now = "Wed, 21 Oct 2026 07:28:00 GMT";
    assert_eq!(answer(now, "Wed, 21 Oct 2026 07:29:30 GMT"), Some(Duration::from_secs(90)));
    assert_eq!(answer(now, "Mon, 21 Oct 2033 07:28:00 GMT"), None, "that is no Monday");
    assert_eq!(answer(now, "Fri, 23 Oct 2026 07:28:00 GMT"), Some(Duration::from_secs(86_400)), "a day is the most");
    assert_eq!(answer(now, "Wed, 21 Oct 2026 07:00:00 GMT"), Some(Duration::ZERO), "it is over");
    for garbage in ["soon", "", "2026-10-21", "Wed, 99 Oct 2026 07:28:00 GMT"] {
        assert_eq!(answer(now, garbage), None, "{garbage}");
        assert_eq!(answer(garbage, "Wed, 21 Oct 2026 07:29:30 GMT"), None, "{garbage}");
    }
    assert_eq!(answer("soon", "7"), Some(Duration::from_secs(7)));
}

#[test]
fn a_secret_header_is_not_shown_and_one_that_cannot_be_is_refused() {
    let request = HttpRequest::new(Method::GET, "http://127.0.0.1/");
    let request = request.header(header::AUTHORIZATION, "Basic hunter2", true).unwrap();
    assert!(!format!("{:?}", request.headers).contains("hunter2"));
    assert_eq!(request.header(header::AUTHORIZATION, "a\r\nb: c", true).err(), Some(header::AUTHORIZATION));
}

#[test]
fn a_root_certificate_that_is_none_is_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
        let settings = HttpSettings { root_certificates: vec![pem.into()], ..HttpSettings::default() };
        assert!(HttpClient::new(&settings).is_err(), "{pem}");
    }
}
