//! What the suite needs of a backend.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Changes, Deliveries, Delivery, Filter, Inbox, Queue, Schedules, Workflows};
use sendoff_events::{Blobs, BoxFuture, Clock, Rng};
use sendoff_producers::{Outbox, Publisher, Records};

use super::Capability;

/// One fresh, empty instance of a backend, shared with nobody: each promise gets its own.
///
/// The promises allow what the ports allow: delivery at least once and in any order, approximate depths, and answers that
/// come later. So a backend over a real service passes them as well as one in memory.
pub trait Backend: Send + Sync {
    /// The state.
    fn records(&self) -> Arc<dyn Records>;
    /// What was committed and isn't known to be published.
    fn outbox(&self) -> Arc<dyn Outbox>;
    /// The topic.
    fn publisher(&self) -> Arc<dyn Publisher>;
    /// Makes a queue with its dead-letter queue; with a filter, it is subscribed to the topic. Made once per name.
    fn create_queue<'a>(&'a self, name: &'a str, filter: Option<Filter>) -> BoxFuture<'a, Arc<dyn Queue>>;
    /// What stands in the dead-letter queue of a queue or a reaction.
    fn dead_letters<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<Delivery>>;
    /// The idempotency records.
    fn inbox(&self) -> Arc<dyn Inbox>;
    /// What providers tell of messages.
    fn deliveries(&self) -> Arc<dyn Deliveries>;
    /// The stream of changed records.
    fn changes(&self) -> Arc<dyn Changes>;
    /// Messages for later.
    fn schedules(&self) -> Arc<dyn Schedules>;
    /// Workflow runs.
    fn workflows(&self) -> Arc<dyn Workflows>;
    /// Claim-check payloads.
    fn blobs(&self) -> Arc<dyn Blobs>;
    /// The backend's time.
    fn clock(&self) -> Arc<dyn Clock>;
    /// Randomness.
    fn rng(&self) -> Arc<dyn Rng>;

    /// Lets time pass: moves an injected clock, or really waits.
    fn advance(&self, by: Duration) -> BoxFuture<'_, ()>;

    /// The unit in which the promises count leases and delays: long against what an operation takes. A backend on real time
    /// makes it short.
    fn tick(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// What the service under this backend can't do, each with the reason. It is excused from the promises that need it, and
    /// keeps all others.
    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        &[]
    }

    /// The promises (`port::promise`) that can't be proven here because the server that stands in for the real service answers
    /// wrongly, each with what it does. Says nothing about the backend.
    fn unproven(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}
