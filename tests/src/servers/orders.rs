//! Somebody's system that takes orders over HTTP.

use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::{Answer, Asked, Peer, Served};

/// Takes an order with each `POST`, and keeps all requests.
#[derive(Default)]
pub struct OrdersStub(Mutex<Vec<Asked>>);

impl OrdersStub {
    /// Serves one.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start() -> Served<Self> {
        Served::start(Self::default()).await
    }

    /// All requests, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Peer for OrdersStub {
    fn subject(&self, asked: &Asked) -> String {
        asked.path.clone()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(asked.clone());
        match &*asked.method {
            "POST" => Answer::json(201, &json!({ "order": { "id": format!("O-{}", requests.len()) } })),
            _ => Answer::json(404, &json!({})),
        }
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({}))
    }
}
