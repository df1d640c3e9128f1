//! A served system, and its API as a client sees it.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::program::{Streaming, run, sendoff};

/// A running `sendoff`.
pub(crate) struct Server {
    pub(crate) process: Streaming,
    pub(crate) api: Api,
}

/// The API as one user of the tenant `acme` calls it.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    pub(crate) base: String,
    token: String,
}

impl Server {
    /// Serves this data folder on a free port.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {})
    }

    /// The same, with more flags or variables.
    pub(crate) fn start_with(data: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = sendoff(data);
        command.args(["--listen", "127.0.0.1:0"]);
        prepare(&mut command);
        let process = Streaming::start(&mut command);
        let line = process.line();
        let base = line.strip_prefix("listening on ").expect("the first line tells the address").to_owned();
        let token = run(data, ["token", "--user", "admin"]).with(0).trim().to_owned();
        Self { process, api: Api { http: sendoff_tests::servers::plain_client(), base, token } }
    }
}

impl Api {
    /// Sends a request; gives the answer.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<reqwest::Response> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    /// Sends a request that must be taken; gives the events that it caused.
    pub(crate) async fn change(&self, method: &str, path: &str, body: Option<Value>) -> Vec<String> {
        let method = method.parse().expect("a method");
        let answer = self.send(method, path, body.as_ref()).await.expect("the API answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
        events_of(&answer)
    }

    /// Makes the user Ada and the app Expenses, of which Ada hears and which has a workflow.
    pub(crate) async fn prepare(&self) {
        let ada = json!({ "name": "Ada", "email": "ada@example.org" });
        self.change("PUT", "/v1/users/ada", Some(ada)).await;
        let app = json!({ "name": "Expenses", "owners": ["ada"] });
        self.change("PUT", "/v1/apps/expenses", Some(app)).await;
        let workflow = json!({
            "workflow": "approve", "app": "expenses", "on": [{ "submission": "created" }],
            "steps": [{ "id": "end", "stop": true }],
        });
        self.change("POST", "/v1/apps/expenses/workflows/approve/versions", Some(workflow)).await;
    }

    /// Makes a submission; gives its event.
    pub(crate) async fn submit(&self, fields: Value) -> String {
        let body = json!({ "fields": fields });
        self.change("POST", "/v1/apps/expenses/submissions", Some(body)).await.remove(0)
    }
}

/// The events that a request caused.
pub(crate) fn events_of(answer: &reqwest::Response) -> Vec<String> {
    let header = answer.headers().get("sendoff-event-id").map(|v| v.to_str().expect("ids are ASCII").to_owned());
    header.unwrap_or_default().split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
}
