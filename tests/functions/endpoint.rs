//! An AWS that writes down what it is asked, and knows just enough to answer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use sendoff_tests::memory::lock;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// One call: its name and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// Answers of the test's own, before those that are built in: the status and the body.
pub(crate) type Script = Arc<dyn Fn(&Call) -> Option<(u16, Value)> + Send + Sync>;

pub(crate) struct Endpoint {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    server: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start(script: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::default();
        let script: Script = Arc::new(script);
        let router = Router::new().fallback(answer).with_state((Arc::clone(&calls), script));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, calls, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The names of the calls so far, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.name).collect()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State((calls, script)): State<(Arc<Mutex<Vec<Call>>>, Script)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let name = target.map_or_else(|| format!("{method} {}", uri.path()), |t| t.rsplit('.').next().unwrap().to_owned());
    let call = Call { name, body: serde_json::from_slice(&body).unwrap_or_default() };
    lock(&calls).push(call.clone());
    let (status, body) = script(&call).unwrap_or_else(|| built_in(&call));
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

fn built_in(call: &Call) -> (u16, Value) {
    let batch = || {
        let entries = call.body["Entries"].as_array().cloned().unwrap_or_default();
        let taken = entries.iter().map(|entry| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "m" }));
        json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] })
    };
    match call.name.as_str() {
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => (200, batch()),
        "SendMessage" => (200, json!({ "MessageId": "m", "MD5OfMessageBody": "m" })),
        "DeleteMessage" | "ChangeMessageVisibility" | "GetItem" => (200, json!({})),
        "Query" => (200, json!({ "Items": [], "Count": 0, "ScannedCount": 0 })),
        // Not repeated by the SDK, unlike a fault of the service.
        _ => (400, json!({ "__type": "ResourceNotFoundException", "message": "there is nothing here" })),
    }
}
