//! Calls to other systems, signed as Standard Webhooks (<https://www.standardwebhooks.com>).

use std::fmt;

use bytes::Bytes;
use secrecy::SecretString;
use sendoff_events::Timestamp;

/// One call of one endpoint.
#[derive(Clone)]
pub struct Webhook {
    /// The endpoint: an https address of a customer's. Not trusted.
    pub url: String,
    /// What is posted: JSON.
    pub body: Bytes,
    /// The endpoint's secrets (`whsec_…`): the call is signed with each, so that one can be replaced by another.
    pub secrets: Vec<SecretString>,
    /// `consumer/event-id/step`: the same for each attempt; the call's `webhook-id` is made of it.
    pub idempotency_key: String,
    /// The moment of this attempt.
    pub at: Timestamp,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}
