//! What the suite needs of a backend.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_consumers::{
    Audit, Changes, DeadLetter, DeadLetters, DeadLettersError, Deliveries, Filter, Inbox, Queue, Runs, Schedules,
    TakenLetter, Workflows,
};
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
    /// The dead-letter queues.
    fn dead_letter_queues(&self) -> Arc<dyn DeadLetters>;
    /// What people did by hand.
    fn audit(&self) -> Arc<dyn Audit>;
    /// The idempotency records.
    fn inbox(&self) -> Arc<dyn Inbox>;
    /// What providers tell of messages.
    fn deliveries(&self) -> Arc<dyn Deliveries>;
    /// The stream of changed records.
    fn changes(&self) -> Arc<dyn Changes>;
    /// Messages for later.
    fn schedules(&self) -> Arc<dyn Schedules>;
    /// Where runs of workflows are kept, if it is us who carry them out.
    fn runs(&self) -> Option<Arc<dyn Runs>>;
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

    /// What stands in the dead-letter queue of a queue or a reaction, and stays there. None for a reaction that has no such queue
    /// yet.
    fn dead_letters<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<DeadLetter>> {
        Box::pin(async move {
            let (letters, queue) = (self.dead_letter_queues(), format!("{name}-dlq"));
            match letters.read(&queue, None, 10_000).await {
                Ok(Some(found)) => return found,
                Ok(None) => {}
                Err(DeadLettersError::NoSuchQueue(_)) => return Vec::new(),
                Err(error) => panic!("{error}"),
            }
            let (mut found, mut receipts) = (BTreeMap::new(), Vec::new());
            loop {
                let taken = match letters.take(&queue, 1000, Duration::from_secs(30)).await {
                    Ok(taken) => taken,
                    Err(DeadLettersError::NoSuchQueue(_)) => break,
                    Err(error) => panic!("{error}"),
                };
                if taken.is_empty() {
                    break;
                }
                for TakenLetter { receipt, letter } in taken {
                    receipts.push(receipt);
                    found.insert(letter.message_id.clone(), letter);
                }
            }
            // Looking must not take anything away.
            let given_back = letters.hold(&queue, &receipts, Duration::ZERO).await;
            assert!(given_back.iter().all(Result::is_ok), "{given_back:?}");
            found.into_values().collect()
        })
    }

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
