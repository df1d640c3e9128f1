//! The one HTTP client knows of every fault whether the other side may have acted.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::Method;
use sendoff_consumers::channels::http::{HttpClient, HttpError, HttpRequest, HttpSettings};
use sendoff_tests::servers::{Answer, Asked, Peer, PeerFault, Port, Served};
use serde_json::json;

/// Counts what it acts on.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Peer for Counter {
    fn subject(&self, asked: &Asked) -> String {
        asked.path.clone()
    }

    fn answer(&self, _asked: &Asked) -> Answer {
        self.0.fetch_add(1, Ordering::SeqCst);
        Answer::json(201, &json!({ "id": "1" }))
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({ "status": status }))
    }
}

fn client(timeout: Duration) -> HttpClient {
    HttpClient::new(&HttpSettings { timeout, ..HttpSettings::default() }).unwrap()
}

#[tokio::test]
async fn whether_a_request_may_have_been_acted_on_is_known_after_every_fault() {
    let peer = Served::start(Counter::default()).await;
    for (number, fault) in PeerFault::ALL.into_iter().enumerate() {
        peer.script().next([fault]);
        let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
        let client = client(Duration::from_millis(if hangs { 1500 } else { 20_000 }));
        let request = HttpRequest::new(Method::POST, format!("{}/x", peer.url())).body("text");
        let answer = client.send(request).await;
        let acted = peer.peer().0.swap(0, Ordering::SeqCst);
        assert_eq!(acted, usize::from(fault.acts()), "{fault:?}: acted on exactly once, or not at all");
        assert_eq!(peer.asked().len(), number + 1, "{fault:?}: asked exactly once");
        match fault {
            PeerFault::Throttled { retry_after } => {
                let answer = answer.unwrap();
                assert_eq!(answer.status, 429);
                assert_eq!(answer.retry_after(), retry_after.map(Duration::from_secs));
            }
            PeerFault::FailedBefore(status) | PeerFault::FailedAfter(status) => {
                assert_eq!(answer.unwrap().status, status);
            }
            PeerFault::HangBefore | PeerFault::HangAfter | PeerFault::ResetBefore | PeerFault::ResetAfter => {
                assert!(matches!(answer, Err(HttpError::Unknown(_))), "{fault:?}: {answer:?}");
            }
            PeerFault::Torn => {
                let answer = answer.unwrap();
                assert_eq!((answer.status.as_u16(), &*answer.body), (201, &b""[..]));
            }
            PeerFault::Garbled => assert!(answer.unwrap().body.starts_with(b"<html>")),
            PeerFault::Slow(_) => assert_eq!(&*answer.unwrap().body, br#"{"id":"1"}"#),
        }
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let port = Port::free();
    let request = HttpRequest::new(Method::POST, format!("http://127.0.0.1:{port}/x"));
    let answer = client(Duration::from_secs(20)).send(request).await;
    assert!(matches!(answer, Err(HttpError::NotSent(_))), "{answer:?}");
}
