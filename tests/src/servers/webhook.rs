//! Somebody's endpoint that takes Standard Webhooks and checks them as the specification asks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! HMAC is written out here, after RFC 2104, so that signer and verifier have nothing in common.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sendoff_events::Clock;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Answer, Asked, Peer, Served};

/// How old or how far ahead a call may be, in seconds.
const TOLERANCE: i64 = 300;

/// A call that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookCall {
    /// Its path.
    pub path: String,
    /// Its `webhook-id`.
    pub id: String,
    /// Its `webhook-timestamp`.
    pub at: i64,
    /// Its body.
    pub body: Value,
}

/// A stub of somebody's server, an endpoint at each path. It keeps all good calls, and acts on each id once.
pub struct WebhookStub {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The secret of each path.
    secrets: BTreeMap<String, String>,
    /// The answer of each path that doesn't answer as it should.
    answers: BTreeMap<String, Answer>,
    calls: Vec<WebhookCall>,
}

impl WebhookStub {
    /// Serves one without endpoints, which takes the time from `clock`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(clock: Arc<dyn Clock>) -> Served<Self> {
        Served::start(Self { clock, state: Mutex::default() }).await
    }

    /// From now on there is an endpoint at `path`, and this is its secret.
    pub fn set_secret(&self, path: &str, secret: &str) {
        self.state().secrets.insert(path.to_owned(), secret.to_owned());
    }

    /// From now on, calls of `path` that are good are answered so, and not acted on.
    pub fn set_answer(&self, path: &str, answer: Answer) {
        self.state().answers.insert(path.to_owned(), answer);
    }

    /// All calls that were good, repetitions too, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<WebhookCall> {
        self.state().calls.clone()
    }

    /// The calls that it acted on: the first of each id.
    #[must_use]
    pub fn acted_on(&self) -> Vec<WebhookCall> {
        let mut seen = std::collections::BTreeSet::new();
        self.calls().into_iter().filter(|call| seen.insert(call.id.clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, asked: &Asked) -> Result<WebhookCall, Answer> {
        let state = self.state();
        let secret = state.secrets.get(&asked.path).ok_or_else(|| refused(404, "no such endpoint"))?;
        if asked.method != "POST" {
            return Err(refused(405, "POST"));
        }
        if asked.header("content-type") != Some("application/json") {
            return Err(refused(415, "application/json"));
        }
        let header = |name| {
            let values: Vec<&str> = asked.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v).collect();
            match values[..] {
                [value] if !value.is_empty() => Ok(value),
                _ => Err(refused(400, &format!("exactly one {name} is wanted"))),
            }
        };
        let (id, at, signatures) = (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
        if id.contains('.') {
            return Err(refused(400, "webhook-id holds a dot"));
        }
        let seconds: i64 = at.parse().map_err(|_| refused(400, "webhook-timestamp is no number of seconds"))?;
        if (self.clock.now().as_second() - seconds).abs() > TOLERANCE {
            return Err(refused(400, "webhook-timestamp is too old or ahead"));
        }
        let key = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        let key = key.ok_or_else(|| refused(500, "the endpoint's own secret is none"))?;
        let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &asked.body].concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
        if !signatures.split(' ').any(|signature| signature == expected) {
            return Err(refused(401, "no signature fits"));
        }
        let body = serde_json::from_slice(&asked.body).map_err(|_| refused(400, "the body is not JSON"))?;
        Ok(WebhookCall { path: asked.path.clone(), id: id.to_owned(), at: seconds, body })
    }
}

fn refused(status: u16, why: &str) -> Answer {
    Answer { status, headers: Vec::new(), body: why.into() }
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

impl Peer for WebhookStub {
    fn subject(&self, asked: &Asked) -> String {
        asked.path.clone()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let call = match self.check(asked) {
            Ok(call) => call,
            Err(refusal) => return refusal,
        };
        let mut state = self.state();
        if let Some(answer) = state.answers.get(&asked.path) {
            return answer.clone();
        }
        state.calls.push(call);
        Answer { status: 204, headers: Vec::new(), body: Vec::new() }
    }

    fn failure(&self, status: u16) -> Answer {
        refused(status, "something went wrong")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_out_hmac_gives_what_rfc_4231_gives() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac_sha256(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
