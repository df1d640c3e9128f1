//! The consumer that what is replayed comes to: the real router with the real inbox, in the process of the test, which nobody
//! kills. Its one effect may happen once, and is held when in doubt.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{
    Context, Effect, Handler, HandlerError, Inbox, NoMeter, OnDoubt, Policy, Queue, Router, RouterPorts, SendOutcome,
    Stop, Stopper, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, Blobs, Clock, Envelope, EventId, Origin, Outgoing};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::Publisher;
use tokio::task::JoinHandle;

use super::outside::Outside;

/// The consumer.
pub(super) const CONSUMER: &str = "email";
const STEP: &str = "effect";
/// How often a condition is looked at that something outside of this process brings about.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// Fails until it is mended, and then has its effect.
struct Mail(Outside);

impl Handler for Mail {
    type Event = AppAssigned;
    const NAME: &'static str = CONSUMER;
    const POLICY: Policy =
        Policy { effect: Effect::Once, on_doubt: OnDoubt::Hold { window: Duration::ZERO }, ..Policy::DEFAULT };

    async fn handle(&self, event: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        if !self.0.is_mended() {
            return Err(HandlerError::Reject { reason: "bad-template".into(), source: "no field `app`".into() });
        }
        let (outside, id) = (&self.0, event.header.id);
        let happen = |_| async move {
            outside.happens(id);
            SendOutcome::Sent { provider: None, provider_id: None }
        };
        cx.once(STEP, happen).await.map(drop)
    }
}

/// What the consumer stands on.
pub(super) struct Ports {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) publisher: Arc<dyn Publisher>,
}

/// The consumer, while it runs.
pub(super) struct Serving {
    ports: Ports,
    stopper: Stopper,
    worker: JoinHandle<()>,
}

impl Serving {
    pub(super) fn start(ports: Ports, outside: &Outside, settings: WorkerSettings) -> Self {
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let router = Router::new(RouterPorts {
            inbox: Arc::clone(&ports.inbox),
            clock: clock.clone(),
            rng: rng.clone(),
            blobs: Some(Arc::clone(&ports.blobs)),
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        });
        let router = router.with(Mail(outside.clone())).expect("one handler");
        let consumer = Arc::clone(router.consumer(CONSUMER).expect("it is there"));
        let (stopper, stop) = Stop::pair();
        let worker = Worker::new(consumer, outside.watching(Arc::clone(&ports.queue)), clock, rng, settings);
        Self { ports, stopper, worker: tokio::spawn(async move { worker.run(stop).await }) }
    }

    /// Publishes so many events, each of which becomes a dead letter. Gives their ids.
    pub(super) async fn fail(&self, count: usize, batch: usize) -> Vec<EventId> {
        let events: Vec<Outgoing> = (0..count).map(event).collect();
        let publish = |events: &[Outgoing]| {
            let events = events.to_vec();
            async move { self.ports.publisher.publish(&events).await }
        };
        stream::iter(events.chunks(batch).map(publish))
            .buffer_unordered(4)
            .for_each(|results| async move { assert!(results.iter().all(Result::is_ok), "{results:?}") })
            .await;
        self.until(|depth| depth.visible + depth.in_flight + depth.delayed == 0 && depth.dead >= count as u64).await;
        events.into_iter().map(|event| event.id()).collect()
    }

    /// Waits until the consumer has handled whatever is in its queue.
    pub(super) async fn idle(&self) {
        self.until(|depth| depth.visible + depth.in_flight + depth.delayed == 0).await;
    }

    /// How many letters there are in the dead-letter queue.
    pub(super) async fn letters_left(&self) -> u64 {
        self.ports.queue.depth().await.expect("readable").dead
    }

    async fn until(&self, mut so: impl FnMut(&sendoff_consumers::Depth) -> bool) {
        while !so(&self.ports.queue.depth().await.expect("readable")) {
            SystemClock.sleep(LOOK).await;
        }
    }

    pub(super) async fn stop(self) {
        self.stopper.stop();
        self.worker.await.expect("it ended well");
    }
}

fn event(number: usize) -> Outgoing {
    let id = |text: &str| text.parse().expect("an id");
    let data = AppAssigned {
        app_id: "crm".parse().expect("an app"),
        user_id: id(&format!("user-{number}")),
        assigned_by: id("grace"),
    };
    let origin = Origin {
        source: "/crash".into(),
        tenant: "acme".parse().expect("a tenant"),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, None, &SystemClock, &SystemRng::new()).encode().expect("it fits")
}
