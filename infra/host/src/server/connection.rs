//! One connection.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, BodyDataStream, HttpBody as _},
    extract::Request,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use sendoff_consumers::Stop;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};
use tower::ServiceExt as _;

use super::Bounds;

/// Whether a connection has a whole request that isn't answered yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Attention(Arc<AtomicBool>);

impl Attention {
    pub(super) fn has(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(super) fn set(&self, has: bool) {
        self.0.store(has, Relaxed);
    }
}

/// Answers one request after the other.
pub(super) async fn attend(stream: TcpStream, router: Router, bounds: Bounds, attention: Attention, stop: Stop) {
    let asked = attention.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, attention) = (router.clone(), asked.clone());
        async move {
            let request: Request = request.map(|body| bound(Body::new(body), bounds.body, attention.clone()));
            let answer = router.oneshot(request).await;
            attention.set(false);
            answer
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // What breaks a connection is the other side's business.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.requested() => connection.as_mut().graceful_shutdown(),
    }
    let patience = if attention.has() { bounds.answers } else { bounds.rest };
    let _ = timeout(patience, connection).await;
}

/// The body, which breaks off when it takes too long. At its end the request is whole.
fn bound(body: Body, limit: Duration, attention: Attention) -> Body {
    if body.is_end_stream() {
        attention.set(true);
        return body;
    }
    let chunks = Chunks { body: body.into_data_stream(), deadline: Box::pin(sleep(limit)), attention };
    Body::from_stream(stream::unfold(Some(chunks), next))
}

struct Chunks {
    body: BodyDataStream,
    deadline: Pin<Box<Sleep>>,
    attention: Attention,
}

/// The next chunk; after an error there is none.
async fn next(chunks: Option<Chunks>) -> Option<(io::Result<Bytes>, Option<Chunks>)> {
    let mut chunks = chunks?;
    let chunk = tokio::select! {
        biased;
        chunk = chunks.body.next() => chunk,
        () = &mut chunks.deadline => Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))),
    };
    match chunk {
        Some(Ok(bytes)) => Some((Ok(bytes), Some(chunks))),
        Some(Err(error)) => Some((Err(io::Error::other(error)), None)),
        None => {
            chunks.attention.set(true);
            None
        }
    }
}
