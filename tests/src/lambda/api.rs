//! The Runtime API.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use futures::channel::oneshot;
use sendoff_events::Clock;
use sendoff_host::SystemClock;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, mpsc, watch},
    task::JoinHandle,
};

use super::FunctionError;
use crate::memory::lock;

/// What every function is told of itself.
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:under-test";

type Ended = Result<Value, FunctionError>;

struct Event {
    id: String,
    body: String,
    deadline_ms: i64,
}

struct Shared {
    events: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Ended>>>,
    asked: watch::Sender<bool>,
}

/// The server that one environment talks to.
pub(super) struct RuntimeApi {
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
    next: AtomicU64,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    pub(super) fn serve(listener: TcpListener) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: AsyncMutex::new(receiver),
            waiting: Mutex::default(),
            asked: watch::Sender::new(false),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Self { shared, events, next: AtomicU64::new(1), server }
    }

    /// Resolves when the function has asked for an event.
    pub(super) async fn asked(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.asked.subscribe().wait_for(|asked| *asked).await;
    }

    /// Queues the event, and resolves with what becomes of it.
    pub(super) fn hand_over(&self, event: &Value, timeout: Duration) -> impl Future<Output = Ended> + use<> {
        let id = format!("00000000-0000-4000-8000-{:012}", self.next.fetch_add(1, Relaxed));
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared.waiting).insert(id.clone(), sender);
        let deadline_ms = (SystemClock.now() + timeout).as_millisecond();
        let handed = self.events.send(Event { id, body: event.to_string(), deadline_ms });
        async move {
            match (handed, receiver.await) {
                (Ok(()), Ok(ended)) => ended,
                _ => Err(FunctionError::Crashed),
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.asked.send_replace(true);
    match shared.events.lock().await.recv().await {
        Some(Event { id, body, deadline_ms }) => {
            let headers = [
                ("content-type", "application/json".to_owned()),
                ("lambda-runtime-aws-request-id", id),
                ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
                ("lambda-runtime-invoked-function-arn", ARN.to_owned()),
                ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned()),
            ];
            (headers, body).into_response()
        }
        None => StatusCode::GONE.into_response(),
    }
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let answer = serde_json::from_slice(&body).map_err(|error| FunctionError::Failed {
        kind: "Runtime.InvalidAnswer".to_owned(),
        message: error.to_string(),
    });
    end(&shared, &id, answer)
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    end(&shared, &id, Err(failure(&body)))
}

/// Nobody waits for it by an id: whoever is waiting is told.
async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    for (_, waiting) in lock(&shared.waiting).drain() {
        let _ = waiting.send(Err(failure(&body)));
    }
    StatusCode::ACCEPTED
}

fn end(shared: &Shared, id: &str, ended: Ended) -> StatusCode {
    match lock(&shared.waiting).remove(id) {
        Some(waiting) => {
            // Whoever asked may have given up.
            let _ = waiting.send(ended);
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

fn failure(body: &[u8]) -> FunctionError {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    FunctionError::Failed { kind: text("errorType"), message: text("errorMessage") }
}
