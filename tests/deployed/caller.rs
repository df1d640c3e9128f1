//! A caller of the API that the stack has.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use sendoff_host::SystemClock;
use sendoff_producers::api::{SharedSecret, SigningKey, mint};
use serde_json::Value;

use crate::stack::{SECRET, Stack};

/// Calls the API behind its gateway.
pub(crate) struct Caller {
    http: reqwest::Client,
    base: String,
    host: String,
    token: String,
}

impl Caller {
    /// A caller with a good token.
    pub(crate) fn of(stack: &Stack) -> Self {
        let secret = SharedSecret::new(SECRET).unwrap();
        let key = SigningKey::hs256("tests", "tests", "sendoff", &secret);
        let (tenant, user) = ("acme".parse().unwrap(), "grace".parse().unwrap());
        let token = mint(&key, &tenant, &user, Duration::from_secs(3600), &SystemClock).unwrap();
        let url = url::Url::parse(stack.output("ApiUrl")).unwrap();
        Self {
            http: sendoff_tests::servers::plain_client(),
            base: stack.emulator.endpoint(),
            // The emulator tells APIs apart by the name that they are called by.
            host: url.host_str().unwrap().to_owned(),
            token,
        }
    }

    /// The same caller with another token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    /// The answer's status, its events, and its body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, String, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header(header::HOST, &self.host).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the API answers");
        let events = answer.headers().get("sendoff-event-id").map(|ids| ids.to_str().unwrap().to_owned());
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, events.unwrap_or_default(), body)
    }

    /// What somebody's browser does with a link of a mail: looks at the page, or posts this form on it.
    pub(crate) async fn browse(&self, path: &str, form: Option<&str>) -> (StatusCode, String) {
        let url = format!("{}{path}", self.base);
        let request = match form {
            None => self.http.get(url),
            Some(form) => {
                let kind = "application/x-www-form-urlencoded";
                self.http.post(url).header(header::CONTENT_TYPE, kind).body(form.to_owned())
            }
        };
        let answer = request.header(header::HOST, &self.host).send().await.expect("the API answers");
        (answer.status(), answer.text().await.expect("a page"))
    }

    /// A call that must succeed; gives its events and its body.
    pub(crate) async fn change(&self, method: Method, path: &str, body: Option<Value>) -> (String, Value) {
        let (status, events, answer) = self.call(method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        (events, answer)
    }
}
