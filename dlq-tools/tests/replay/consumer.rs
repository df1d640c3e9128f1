//! The consumers that what is replayed comes to: the real ones, with the real inbox, and one effect each.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sendoff_consumers::{
    Context, Effect, Handler, HandlerError, Limits, NoMeter, Policy, Router, RouterPorts, SendOutcome, Verdict,
};
use sendoff_embedded::Store;
use sendoff_events::{AppAssigned, BoxFuture, Clock, Envelope, EventId, Timestamp};
use sendoff_host::SystemRng;

use super::House;
use crate::calls::SleepClock;

/// What happened outside.
#[derive(Clone, Default)]
pub(super) struct Outside {
    /// Whether every job fails.
    pub(super) broken: Arc<AtomicBool>,
    effects: Arc<Mutex<HashMap<(&'static str, EventId), u32>>>,
}

impl Outside {
    pub(super) fn effects(&self, consumer: &'static str, event: EventId) -> u32 {
        self.effects.lock().unwrap().get(&(consumer, event)).copied().unwrap_or_default()
    }
}

/// `email`, or `sms`.
struct Job<const SMS: bool>(Outside);

impl<const SMS: bool> Handler for Job<SMS> {
    type Event = AppAssigned;
    const NAME: &'static str = if SMS { "sms" } else { "email" };
    const POLICY: Policy = Policy { effect: Effect::Once, ..Policy::DEFAULT };

    async fn handle(&self, event: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(HandlerError::Reject { reason: "bad-template".into(), source: "line 3".into() });
        }
        let happen = |_| async {
            *self.0.effects.lock().unwrap().entry((Self::NAME, event.header.id)).or_default() += 1;
            SendOutcome::Sent { provider: None, provider_id: None }
        };
        cx.once("effect", happen).await.map(drop)
    }
}

/// The time of the house, in which nothing that is waited for ever takes too long.
struct Patient(Arc<SleepClock>);

impl Clock for Patient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl House {
    /// Lets a consumer handle all that waits in its queue. Gives how many of the messages it only recognized.
    pub(super) async fn consume(&self, store: &Store, consumer: &str, outside: &Outside) -> usize {
        let router = Router::new(RouterPorts {
            inbox: store.inbox(),
            clock: Arc::new(Patient(self.clock.clone())),
            rng: Arc::new(SystemRng::new()),
            blobs: Some(store.blobs()),
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        });
        let router = router.with(Job::<false>(outside.clone())).unwrap().with(Job::<true>(outside.clone())).unwrap();
        let consumer = router.consumer(consumer).unwrap();
        let queue = store.queue(consumer.name()).await.unwrap();
        let mut recognized = 0;
        loop {
            let deliveries = queue.receive(100, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
            if deliveries.is_empty() {
                return recognized;
            }
            for delivery in deliveries {
                match consumer.process(&delivery, &Limits::none()).await {
                    Verdict::Ack { duplicate } => {
                        recognized += usize::from(duplicate);
                        assert_eq!(queue.ack(&[delivery.receipt]).await, [Ok(())]);
                    }
                    Verdict::DeadLetter(failure) => {
                        assert_eq!(queue.dead_letter(&[(delivery, *failure)]).await, [Ok(())]);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// The same, beside whoever else has the folder open.
    pub(super) async fn consume_beside(&self, outside: &Outside) {
        let store = self.beside();
        self.consume(&store, "email", outside).await;
        store.shutdown().await;
    }
}
