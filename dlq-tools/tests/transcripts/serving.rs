//! The process that serves the folder, while the tool works beside it: consumers without handlers, which end each message at once.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Claim, Claimed, Class, Delivery, Failure, IdempotencyKey, Queue, REPLAY_ATTRIBUTE, Status, fingerprint,
};
use sendoff_embedded::Store;
use sendoff_events::{AnyEnvelope, Clock as _, Rng as _};
use sha2::{Digest as _, Sha256};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{clock::StillClock, scenario::Counting};

/// The queues that are served.
pub(super) const QUEUES: [&str; 3] = ["email", "sms", "workflow-kickoff"];

/// The running process.
pub(super) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Begins to serve; each message is done, or fails again.
    pub(super) fn begin(store: Store, clock: StillClock, rng: Arc<Counting>, well: bool) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let served = clock.served();
        let task = tokio::spawn(async move {
            while stopped.try_recv().is_err() {
                for name in QUEUES {
                    let queue = store.queue(name).await.unwrap();
                    for delivery in queue.receive(100, Duration::ZERO, Duration::from_secs(600)).await.unwrap() {
                        end(&store, &*queue, &clock, &rng, delivery, well).await;
                    }
                }
                clock.turn();
                // Its own turn of the wheel; the tool's clock doesn't move by it.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(served);
            store.shutdown().await;
        });
        Self { stop, task }
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

async fn end(store: &Store, queue: &dyn Queue, clock: &StillClock, rng: &Counting, delivery: Delivery, well: bool) {
    const REASON: &str = "bad-template";
    const ERROR: &str = "template `app-assigned` line 3: unknown filter `upper_case`";
    let now = clock.now();
    let event = AnyEnvelope::decode(&delivery.body).unwrap().header.id;
    let claim = Claim {
        key: IdempotencyKey::new(queue.name(), event),
        fence: rng.next_u64() >> 1,
        payload_hash: Sha256::digest(&delivery.body).into(),
        replay: delivery.attributes.get(REPLAY_ATTRIBUTE).map_or(0, |count| count.parse().unwrap()),
        now,
        lease_until: now,
        reconcile: false,
    };
    let won = match store.inbox().claim(&claim).await.unwrap() {
        Claimed::Won(record) => Some(record),
        _ => None,
    };
    if well || won.is_none() {
        if let Some(mut record) = won {
            (record.status, record.revision) = (Status::Done, record.revision + 1);
            store.inbox().write(&record).await.unwrap();
        }
        queue.ack(&[delivery.receipt]).await.remove(0).unwrap();
        return;
    }
    if let Some(mut record) = won {
        (record.status, record.revision) = (Status::Failed, record.revision + 1);
        store.inbox().write(&record).await.unwrap();
    }
    let failure = Failure {
        reason: REASON.into(),
        class: Class::Rejected,
        fingerprint: fingerprint(REASON, ERROR),
        consumer: queue.name().into(),
        attempts: 1,
        first_at: now,
        last_at: now,
        error: ERROR.into(),
    };
    queue.dead_letter(&[(delivery, failure)]).await.remove(0).unwrap();
}
