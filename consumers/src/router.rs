//! The router: all handlers, gathered by consumer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_events::{Blobs, Clock, Event, Rng};

use crate::{Consumer, Handler, Inbox, Meter};

/// What every consumer works with.
#[derive(Clone)]
pub struct RouterPorts {
    /// The idempotency records.
    pub inbox: Arc<dyn Inbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where claim checks are fetched from; without it they are taken for undecodable bodies.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// How long the inbox remembers what has ended. Must outlive every possible replay: see [`RouterPorts::KEEP`].
    pub keep: Duration,
    /// Where measurements go.
    pub meter: Arc<dyn Meter>,
}

impl RouterPorts {
    /// 90 days: 23 days of SNS retries, then 12 in the queue and 14 as a dead letter, both again for a replay, and some skew. An
    /// older message is parked, not run.
    pub const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);
}

/// A handler that can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The consumer has a handler for this event type already.
    #[error("consumer `{consumer}` has two handlers for `{event}`: give one of them another NAME")]
    Duplicate {
        /// The consumer.
        consumer: &'static str,
        /// The event type.
        event: &'static str,
    },
    /// The name can't be a queue's.
    #[error(
        "handler name `{0}` is not valid: use 1 to 60 characters of a-z, 0-9 and '-', the first a letter, and not the ending `-dlq`"
    )]
    BadName(&'static str),
}

/// All handlers of a host.
///
/// # Examples
///
/// ```
/// use sendoff_consumers::{Context, Handler, HandlerError, Router, RouterError, RouterPorts};
/// use sendoff_events::{AppAssigned, Envelope};
///
/// struct Greet;
///
/// impl Handler for Greet {
///     type Event = AppAssigned;
///     const NAME: &'static str = "greet";
///
///     async fn handle(&self, event: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
///         tracing::info!(user = %event.data.user_id, "hello");
///         Ok(())
///     }
/// }
///
/// fn router(ports: RouterPorts) -> Result<Router, RouterError> {
///     Router::new(ports).with(Greet)
/// }
/// ```
pub struct Router {
    ports: RouterPorts,
    consumers: BTreeMap<&'static str, Arc<Consumer>>,
}

impl Router {
    /// A router without handlers.
    #[must_use]
    pub const fn new(ports: RouterPorts) -> Self {
        Self { ports, consumers: BTreeMap::new() }
    }

    /// The router with one more handler.
    ///
    /// # Errors
    ///
    /// [`RouterError`] when its name isn't valid, or its consumer has a handler for this event type already.
    pub fn with<H: Handler>(mut self, handler: H) -> Result<Self, RouterError> {
        let name = H::NAME;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        // Its queue would be another consumer's dead-letter queue.
        if !begins || name.len() > 60 || !name.bytes().all(fits) || name.ends_with("-dlq") {
            return Err(RouterError::BadName(name));
        }
        let consumer = self.consumers.entry(name).or_insert_with(|| Arc::new(Consumer::new(name, self.ports.clone())));
        if Arc::make_mut(consumer).add(Arc::new(handler)) {
            Ok(self)
        } else {
            Err(RouterError::Duplicate { consumer: name, event: H::Event::TYPE })
        }
    }

    /// The consumers, in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.consumers.values()
    }

    /// The consumer of this name.
    #[must_use]
    pub fn consumer(&self, name: &str) -> Option<&Arc<Consumer>> {
        self.consumers.get(name)
    }
}
