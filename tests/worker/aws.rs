//! An AWS that knows just enough to let a worker start.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
};
use tokio::{net::TcpListener, sync::Notify};

/// What a call is answered with instead: the status and the body.
type Script = Arc<dyn Fn(&str, &str) -> Option<(u16, String)> + Send + Sync>;

/// How long a receive waits for a message that never comes.
const WAIT: Duration = Duration::from_millis(200);

#[derive(Clone)]
struct Shared {
    script: Script,
    received: Arc<Notify>,
}

/// The stub, for as long as the test's runtime runs.
pub(crate) struct Aws {
    address: SocketAddr,
    received: Arc<Notify>,
}

impl Aws {
    /// Where everything is there, but for what `script` answers: it gets the call's name and its body.
    pub(crate) async fn start(script: impl Fn(&str, &str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Notify::new());
        let shared = Shared { script: Arc::new(script), received: received.clone() };
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Resolves when a queue is asked for messages.
    pub(crate) async fn received(&self) {
        self.received.notified().await;
    }
}

async fn answer(
    State(Shared { script, received }): State<Shared>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.rsplit('.').next());
    let call = match target {
        Some(call) => call.to_owned(),
        // SNS is asked with a form, S3 with a method.
        None => body.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap_or(method.as_str()).to_owned(),
    };
    if let Some((status, body)) = script(&call, &body) {
        return (StatusCode::from_u16(status).unwrap(), body);
    }
    let answer = match call.as_str() {
        "GetTopicAttributes" => {
            "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><GetTopicAttributesResult>\
             <Attributes/></GetTopicAttributesResult></GetTopicAttributesResponse>"
        }
        "ReceiveMessage" => {
            received.notify_one();
            tokio::time::sleep(WAIT).await;
            "{}"
        }
        "Query" => r#"{"Items":[],"Count":0,"ScannedCount":0}"#,
        "HEAD" => "",
        _ => "{}",
    };
    (StatusCode::OK, answer.to_owned())
}
