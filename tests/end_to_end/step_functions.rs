//! Step Functions as the emulator has it, with what that lacks: `RedriveExecution`, and what descriptions tell of it
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html>).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Stands before the emulator, for as long as the test's runtime runs.
#[derive(Clone)]
pub(crate) struct StepFunctions {
    emulator: String,
    http: reqwest::Client,
    redriven: Arc<Mutex<BTreeSet<String>>>,
    /// Whether the 14 days are over.
    too_late: bool,
}

type Answer = (StatusCode, String);

impl StepFunctions {
    /// Gives it with its address.
    pub(crate) async fn before(emulator: String, too_late: bool) -> (Self, String) {
        let http = sendoff_tests::servers::plain_client();
        let front = Self { emulator, http, redriven: Arc::default(), too_late };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(front.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (front, format!("http://{address}"))
    }

    /// The executions that were taken up again.
    pub(crate) fn redriven(&self) -> Vec<String> {
        self.redriven.lock().unwrap().iter().cloned().collect()
    }

    async fn pass_on(&self, headers: &HeaderMap, target: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.http.post(&self.emulator);
        for name in ["authorization", "content-type", "x-amz-date"] {
            request = request.header(name, headers[name].clone());
        }
        let answer = request.header("x-amz-target", target).body(body.to_string()).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// As Step Functions refuses: by what is wrong in the request, by what there is, and by how it stands.
    async fn redrive(&self, headers: &HeaderMap, body: &Value) -> Answer {
        let known = ["executionArn", "clientToken"];
        let stranger = body.as_object().and_then(|fields| fields.keys().find(|name| !known.contains(&name.as_str())));
        let Some(arn) = body["executionArn"].as_str().filter(|_| stranger.is_none()) else {
            return refusal("ValidationException", &format!("executionArn is needed, {stranger:?} isn't known"));
        };
        let describe = json!({ "executionArn": arn });
        let (status, found) = self.pass_on(headers, "AWSStepFunctions.DescribeExecution", describe).await;
        if !status.is_success() {
            return refusal("ExecutionDoesNotExist", "Execution Does Not Exist");
        }
        let running = self.redriven.lock().unwrap().contains(arn);
        if running || !matches!(found["status"].as_str(), Some("FAILED" | "ABORTED" | "TIMED_OUT")) {
            return refusal("ExecutionNotRedrivable", "Execution is RUNNING and cannot be redriven");
        }
        if self.too_late {
            return refusal("ExecutionNotRedrivable", "Execution has exceeded its redrivable period");
        }
        self.redriven.lock().unwrap().insert(arn.to_owned());
        (StatusCode::OK, json!({ "redriveDate": 1_795_000_000 }).to_string())
    }

    fn described(&self, mut found: Value) -> Value {
        let arn = found["executionArn"].as_str().unwrap_or_default();
        if self.redriven.lock().unwrap().contains(arn) {
            found["status"] = "RUNNING".into();
            let fields = found.as_object_mut().unwrap();
            for name in ["stopDate", "error", "cause"] {
                fields.remove(name);
            }
            fields
                .extend([("redriveCount".to_owned(), json!(1)), ("redriveStatus".to_owned(), "NOT_REDRIVABLE".into())]);
        } else if found["status"] == "FAILED" && !self.too_late {
            found["redriveStatus"] = "REDRIVABLE".into();
        }
        found
    }
}

fn refusal(kind: &str, message: &str) -> Answer {
    (StatusCode::BAD_REQUEST, json!({ "__type": kind, "message": message }).to_string())
}

async fn answer(State(front): State<StepFunctions>, headers: HeaderMap, body: Bytes) -> Answer {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    match target.as_str() {
        "AWSStepFunctions.RedriveExecution" => front.redrive(&headers, &body).await,
        _ => {
            let (status, mut found) = front.pass_on(&headers, &target, body).await;
            if target == "AWSStepFunctions.DescribeExecution" && status.is_success() {
                found = front.described(found);
            }
            (status, found.to_string())
        }
    }
}
