//! Connections that ask for nothing, or never to the end.

use std::{future::pending, net::SocketAddr, sync::Arc};

use axum::{
    body::to_bytes,
    extract::Request,
    routing::{get, post},
};
use sendoff_consumers::Stopper;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};

use super::*;

/// Longer than anything here takes, if it ends at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bounds that nothing here reaches, except those that a test makes tighter.
const WIDE: Bounds = Bounds {
    connections: 100,
    head: Duration::from_secs(600),
    body: Duration::from_secs(600),
    answers: Duration::from_secs(600),
    rest: Duration::from_millis(20),
};

const SOON: Duration = Duration::from_millis(20);

struct Served {
    address: SocketAddr,
    stopper: Stopper,
    server: JoinHandle<()>,
    /// A request to `/slow` or `/never` has come in whole.
    asked: Arc<Notify>,
    /// `/slow` may answer.
    go: Arc<Notify>,
}

impl Served {
    async fn start(bounds: Bounds) -> Self {
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (asked, go) = (asked.clone(), go.clone());
            get(move || async move {
                asked.notify_one();
                go.notified().await;
                "slow"
            })
        };
        let never = {
            let asked = asked.clone();
            get(move || async move {
                asked.notify_one();
                pending::<()>().await;
            })
        };
        let echo = post(|request: Request| async move {
            to_bytes(request.into_body(), 1000).await.map_or_else(|_| "broken".into(), |body| format!("{body:?}"))
        });
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", slow)
            .route("/never", never)
            .route("/echo", echo);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = Stop::pair();
        Self { address, stopper, server: tokio::spawn(serve(listener, router, bounds, stop)), asked, go }
    }

    /// A connection that has sent this.
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn stop(self) {
        self.stopper.stop();
        timeout(PATIENCE, self.server).await.expect("it ends").unwrap();
    }
}

/// All that comes until the connection is closed.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection is closed");
    // A connection that is closed with bytes unread is reset.
    let _ = read.inspect_err(|error| assert_eq!(error.kind(), io::ErrorKind::ConnectionReset));
    String::from_utf8(bytes).unwrap()
}

fn asking(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nho";
const HALF_A_BODY: &str = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";

#[tokio::test]
async fn a_head_that_does_not_end_closes_its_connection() {
    let served = Served::start(Bounds { head: SOON, ..WIDE }).await;
    for start in ["", "G", HALF_A_HEAD] {
        assert_eq!(rest(served.send(start).await).await, "", "{start}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_end_breaks_off() {
    let served = Served::start(Bounds { body: SOON, ..WIDE }).await;
    let answer = rest(served.send(HALF_A_BODY).await).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("broken"), "{answer}");
    let whole = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    let answer = rest(served.send(whole).await).await;
    assert!(answer.ends_with("b\"{}\""), "{answer}");
    served.stop().await;
}

#[tokio::test]
async fn connections_that_ask_for_nothing_make_room() {
    let served = Served::start(Bounds { connections: 4, ..WIDE }).await;
    let slow = served.send(&asking("/slow")).await;
    served.asked.notified().await;
    let mut silent = Vec::new();
    for start in ["", "G", HALF_A_HEAD, HALF_A_BODY].iter().cycle().take(40) {
        silent.push(served.send(start).await);
    }
    assert!(rest(served.send(&asking("/")).await).await.ends_with("here"));
    assert_eq!(rest(silent.remove(0)).await, "");
    // The one that has asked wasn't closed for them.
    served.go.notify_one();
    assert!(rest(slow).await.ends_with("slow"));
    served.stop().await;
}

#[tokio::test]
async fn at_the_limit_whole_requests_are_answered_before_more_is_taken() {
    let served = Served::start(Bounds { connections: 1, ..WIDE }).await;
    let slow = served.send(&asking("/slow")).await;
    served.asked.notified().await;
    let next = served.send(&asking("/")).await;
    served.go.notify_one();
    assert!(rest(slow).await.ends_with("slow"));
    assert!(rest(next).await.ends_with("here"));
    served.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_whole_requests_only() {
    let served = Served::start(WIDE).await;
    let mut halves = Vec::new();
    for start in ["", "G", HALF_A_HEAD, HALF_A_BODY] {
        halves.push(served.send(start).await);
    }
    let slow = served.send(&asking("/slow")).await;
    served.asked.notified().await;
    served.stopper.stop();
    for half in halves {
        assert_eq!(rest(half).await, "");
    }
    assert!(TcpStream::connect(served.address).await.is_err(), "nothing new is taken");
    served.go.notify_one();
    assert!(rest(slow).await.ends_with("slow"));
    timeout(PATIENCE, served.server).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let served = Served::start(Bounds { answers: SOON, ..WIDE }).await;
    let never = served.send(&asking("/never")).await;
    served.asked.notified().await;
    served.stop().await;
    assert_eq!(rest(never).await, "");
}

#[tokio::test]
async fn where_no_more_can_be_taken_the_older_half_makes_room() {
    let mut open = Open { tasks: JoinSet::new(), oldest: VecDeque::new(), told: false };
    for has in [true, false, false, false, false, false] {
        let attention = Attention::default();
        attention.set(has);
        open.oldest.push_back((open.tasks.spawn(pending()), attention));
    }
    assert!(open.close_half().await);
    assert_eq!((open.tasks.len(), open.oldest[0].1.has()), (3, true));
    open.oldest.truncate(1);
    assert!(!open.close_half().await, "the one with a whole request stays");
}
