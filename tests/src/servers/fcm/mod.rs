//! Firebase Cloud Messaging and Google's token endpoint in one peer, at least as strict as the real ones.

mod message;
mod token;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use message::FcmMessage;
use sendoff_events::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Asked, Peer, Served};

/// The project that it serves.
const PROJECT: &str = "demo-1";
/// The account that may send for it.
const ACCOUNT: &str = "sender@demo-1.iam.gserviceaccount.com";
/// The name of that account's key.
const KEY_ID: &str = "k1";
const PRIVATE_KEY: &str = include_str!("account.key.pem");
const PUBLIC_KEY: &str = include_str!("account.pub.pem");

/// How a device stands that the peer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FcmDevice {
    /// The app is there.
    Registered,
    /// The app was removed, or has another token.
    Unregistered,
    /// The app belongs to another project.
    OfAnotherProject,
    /// It is Apple's, and Apple refuses the project's key.
    RefusedByApple,
}

/// A stub of one project at FCM. It keeps what it takes. A token that it doesn't know is no token.
pub struct FcmStub {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    devices: BTreeMap<String, FcmDevice>,
    /// Until when each access token is good.
    granted: BTreeMap<String, Timestamp>,
    grants: usize,
    notified: Vec<FcmMessage>,
}

impl FcmStub {
    /// What scripts call requests for an access token.
    pub const TOKEN: &'static str = "token";

    /// Serves one without devices, which takes the time from `clock`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(clock: Arc<dyn Clock>) -> Served<Self> {
        Served::start(Self { clock, state: Mutex::default() }).await
    }

    /// The JSON file of the account that may send, for a peer at `url`.
    #[must_use]
    pub fn service_account(url: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": PRIVATE_KEY,
            "client_email": ACCOUNT,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": format!("{url}/token"),
            "universe_domain": "googleapis.com",
        })
        .to_string()
    }

    /// From now on, the device stands so.
    pub fn set_device(&self, token: &str, device: FcmDevice) {
        self.state().devices.insert(token.to_owned(), device);
    }

    /// All notifications that it took, in order, also those that replace an earlier one.
    #[must_use]
    pub fn notified(&self) -> Vec<FcmMessage> {
        self.state().notified.clone()
    }

    /// What a device shows: of each tag the last.
    #[must_use]
    pub fn shown(&self, token: &str) -> Vec<FcmMessage> {
        let mut by_tag = BTreeMap::new();
        for (i, notified) in self.notified().into_iter().enumerate().filter(|(_, n)| n.token == token) {
            by_tag.insert(notified.tag.clone().unwrap_or_else(|| format!("#{i}")), notified);
        }
        by_tag.into_values().collect()
    }

    /// How many access tokens it has granted.
    #[must_use]
    pub fn grants(&self) -> usize {
        self.state().grants
    }

    /// Calls all access tokens back.
    pub fn revoke(&self) {
        self.state().granted.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error as Google's APIs tell it.
fn problem(status: u16, canonical: &str, message: &str, details: Value) -> Answer {
    let error = json!({ "code": status, "message": message, "status": canonical, "details": details });
    Answer::json(status, &json!({ "error": error }))
}

/// The detail that FCM adds.
fn fcm_error(code: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
}

/// An invalid argument, and the field that it is in.
fn invalid(field: &str, description: &str) -> Answer {
    let violations = json!([{ "field": field, "description": description }]);
    let request = json!({ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations });
    problem(400, "INVALID_ARGUMENT", description, json!([fcm_error("INVALID_ARGUMENT"), request]))
}

impl Peer for FcmStub {
    fn subject(&self, asked: &Asked) -> String {
        if asked.path == "/token" {
            return Self::TOKEN.to_owned();
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        body["message"]["token"].as_str().unwrap_or_default().to_owned()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if !asked.query.is_empty() {
            return invalid("", "unknown query parameter");
        }
        match (&*asked.method, &*asked.path) {
            ("POST", "/token") => self.grant(asked),
            ("POST", path) if path == format!("/v1/projects/{PROJECT}/messages:send") => self.send(asked),
            (_, path) if path.starts_with("/v1/projects/") => {
                problem(404, "NOT_FOUND", "Requested entity was not found.", json!([]))
            }
            _ => Answer { status: 404, headers: Vec::new(), body: "<html>Not Found</html>".into() },
        }
    }

    fn failure(&self, status: u16) -> Answer {
        let (canonical, code) = match status {
            429 => ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
            503 => ("UNAVAILABLE", "UNAVAILABLE"),
            _ => ("INTERNAL", "INTERNAL"),
        };
        problem(status, canonical, "It failed.", json!([fcm_error(code)]))
    }
}
