//! The system that is called over HTTP.

use std::{collections::HashMap, sync::Mutex};

use sendoff_tests::servers::{Answer, Asked, Peer};
use serde_json::json;

/// Takes orders, and remembers what it has answered to each key.
#[derive(Default)]
pub(super) struct Crm(Mutex<HashMap<(String, String), Vec<u16>>>);

impl Crm {
    /// What it has answered, by path and idempotency key.
    pub(super) fn answered(&self) -> HashMap<(String, String), Vec<u16>> {
        self.0.lock().unwrap().clone()
    }
}

impl Peer for Crm {
    fn subject(&self, asked: &Asked) -> String {
        asked.path.clone()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let Some(key) = asked.header("idempotency-key") else { return self.failure(400) };
        let mut answered = self.0.lock().unwrap();
        let before = answered.entry((asked.path.clone(), key.to_owned())).or_default();
        let status = match (&*asked.path, before.is_empty()) {
            ("/flaky", true) => 425,
            ("/flaky" | "/once", _) => 201,
            ("/refused", _) => 422,
            _ => 404,
        };
        before.push(status);
        Answer::json(status, &json!({}))
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({}))
    }
}
