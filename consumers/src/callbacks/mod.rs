//! What comes back from outside: news from providers of the messages that they took, people who don't want any more, and people
//! who decide.
//!
//! [`router`] gives an axum router for any host. Everything that arrives is hostile until its signature says otherwise: its size
//! is limited before it is read, an invalid signature is answered with 403 and changes nothing, and an endpoint that isn't set
//! up answers 404. All of it may arrive twice, late and out of order, and comes to the same: see [`merge`](crate::merge).
//!
//! | endpoint | who calls it | proof |
//! |---|---|---|
//! | `POST /callbacks/twilio?delivery=…` | Twilio, on each step of a message | `X-Twilio-Signature` |
//! | `POST /callbacks/twilio/inbound` | Twilio, when somebody answers | the same |
//! | `GET`, `POST /callbacks/meta` | Meta, when the endpoint is set up, and with news | the verify token; `X-Hub-Signature-256` |
//! | `POST /callbacks/ses` | SNS, with what SES tells | its signature, by a certificate of SNS in the topic's region |
//! | `GET`, `POST /unsubscribe/{token}` | recipients, their mail programs | the token in the link |
//! | `GET`, `POST /approvals/{token}` | whoever is asked to decide something | the token in the link |
//!
//! The inbox and the delivery records must have news before they are acknowledged: while a store can't be reached, or an attempt
//! has hold of the message, the answer is 503, so that whoever brings them comes again. The delivery record is written first: who
//! doesn't come again has lost nothing.

mod answer;
mod approvals;
mod body;
mod keywords;
mod meta;
mod news;
mod page;
mod secrets;
mod ses;
mod suppressions;
#[cfg(test)]
mod tests;
mod twilio;
mod unsubscribe;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
pub use meta::MetaCallbacks;
pub use secrets::Secrets;
use sendoff_events::{Clock, Rng, Timestamp, at_millis};
use sendoff_producers::Records;
pub use ses::{Fetch, SesCallbacks, TopicError};
pub use twilio::TwilioCallbacks;

use crate::{Deliveries, Inbox, Workflows, links::Links};

/// Where Twilio tells what becomes of a message: `StatusCallback` is this below the public address, with the delivery id,
/// percent-encoded, in the query as `delivery`.
pub const TWILIO_STATUS: &str = "/callbacks/twilio";
/// Where Twilio passes on what recipients answer: set it as the webhook for incoming messages.
pub const TWILIO_INBOUND: &str = "/callbacks/twilio/inbound";
/// Where Meta tells what becomes of messages, and what recipients answer.
pub const META: &str = "/callbacks/meta";
/// Where SNS delivers what SES tells.
pub const SES: &str = "/callbacks/ses";

/// What the endpoints work with.
pub struct CallbackState {
    /// Preferences and suppressions.
    pub records: Arc<dyn Records>,
    /// Which messages there are, and which of them are in doubt.
    pub inbox: Arc<dyn Inbox>,
    /// What is known of them.
    pub deliveries: Arc<dyn Deliveries>,
    /// Whether a run still waits for a decision.
    pub workflows: Arc<dyn Workflows>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for claims.
    pub rng: Arc<dyn Rng>,
    /// Reads the links of unsubscribing and of approvals. Without it there are none.
    pub links: Option<Links>,
    /// Twilio, if it is used.
    pub twilio: Option<TwilioCallbacks>,
    /// Meta, if it is used.
    pub meta: Option<MetaCallbacks>,
    /// SES, if it is used.
    pub ses: Option<SesCallbacks>,
}

impl CallbackState {
    fn now(&self) -> Timestamp {
        at_millis(self.clock.now())
    }
}

/// All endpoints, ready to be merged into a host's router.
pub fn router(state: CallbackState) -> Router {
    Router::new()
        .route(TWILIO_STATUS, post(twilio::status))
        .route(TWILIO_INBOUND, post(twilio::inbound))
        .route(META, get(meta::verify).post(meta::news))
        .route(SES, post(ses::notification))
        .route(&format!("{}/{{token}}", Links::UNSUBSCRIBE), get(unsubscribe::ask).post(unsubscribe::unsubscribe))
        .route(&format!("{}/{{token}}", Links::APPROVALS), get(approvals::ask).post(approvals::decide))
        .with_state(Arc::new(state))
}
