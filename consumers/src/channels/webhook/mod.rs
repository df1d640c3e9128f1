//! Calls to other systems, signed as Standard Webhooks (<https://www.standardwebhooks.com>).

mod classify;
mod guard;
mod provider;
#[cfg(test)]
mod provider_tests;
mod sign;

use std::fmt;

use bytes::Bytes;
pub(crate) use guard::GuardedClient;
pub use guard::{Allowed, AllowedError, Guard, Lookup, Refusal, SystemLookup};
pub use provider::WebhookProvider;
use secrecy::SecretString;
use sendoff_events::Timestamp;
pub use sign::{SigningSecret, SigningSecretError};

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
