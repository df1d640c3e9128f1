//! Tenants side by side in one worker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Context, Handler, HandlerError, NewMessage, Router, Stop, TENANT_ATTRIBUTE, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, Clock as _, Envelope, Timestamp};
use sendoff_tests::memory::lock;

use super::rig::{LEASE, Rig, WORKER, Watched, sent};

const SLOW: &str = "slow";
const HANG: Duration = Duration::from_secs(10);

/// Takes ten seconds for the messages of one tenant and none for those of others; remembers when each was done.
struct Endpoints(Arc<Mutex<BTreeMap<String, Vec<Timestamp>>>>);

impl Handler for Endpoints {
    type Event = AppAssigned;
    const NAME: &'static str = "scripted";

    async fn handle(&self, event: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let tenant = event.header.tenant.as_str();
        if tenant == SLOW {
            cx.clock().sleep(HANG).await;
        }
        lock(&self.0).entry(tenant.to_owned()).or_default().push(cx.clock().now());
        Ok(())
    }
}

fn push(rig: &Rig, tenant: &str) {
    let (_, body) = rig.envelope_of(tenant, Duration::ZERO);
    let attributes = [(TENANT_ATTRIBUTE.to_owned(), tenant.to_owned())].into();
    let message = NewMessage { body, attributes, delay: Duration::ZERO };
    lock(&rig.queue).push(message, rig.world.clock().now());
}

#[test]
fn a_tenant_whose_endpoints_hang_does_not_hold_up_the_others() {
    let (slots, flood) = (16, 300);
    let mut rig = Rig::new(|_, _| sent());
    let done = Arc::new(Mutex::default());
    let router = Router::new(rig.ports()).with(Endpoints(Arc::clone(&done))).unwrap();
    let wait = Duration::from_secs(5);
    let settings = WorkerSettings { concurrency: slots, batch: slots, wait, lease: LEASE, grace: HANG };
    let consumer = router.consumer("scripted").unwrap().clone();
    let worker = Worker::new(consumer, Arc::new(rig.watched()), rig.clock(), Arc::new(rig.world.rng()), settings);
    rig.world.spawn(WORKER, async move { worker.run(Stop::never()).await });

    (0..flood).for_each(|_| push(&rig, SLOW));
    // As long as it takes to find out.
    rig.run_for(2 * HANG);
    let mut asked = Vec::new();
    for _ in 0..30 {
        asked.push(rig.world.clock().now());
        push(&rig, "quick");
        rig.run_for(Duration::from_secs(1));
    }
    let quick = lock(&done).get("quick").cloned().unwrap_or_default();
    let waited: Vec<_> = asked.iter().zip(&quick).map(|(asked, done)| done.duration_since(*asked)).collect();
    assert_eq!(quick.len(), asked.len(), "each was done before the next one came: {waited:?}");
    assert!(lock(&done)[SLOW].len() < flood, "the flood is not over");

    rig.run_dry();
    assert_eq!(lock(&done)[SLOW].len(), flood);
    let attempts: Vec<_> = lock(&rig.records).values().map(|record| record.attempts).collect();
    assert_eq!(attempts, vec![1; flood + asked.len()], "to wait for a slot is no attempt");
    let begun = lock(&done)[SLOW].iter().map(|end| *end - HANG).min().unwrap();
    let last = lock(&done)[SLOW].iter().max().copied().unwrap();
    let least = HANG * u32::try_from(flood.div_ceil(slots)).unwrap();
    let took = Duration::try_from(last.duration_since(begun)).unwrap();
    assert!(took < 2 * least, "{took:?}: the slots that it may use are used");
}

#[test]
fn a_worker_with_one_slot_asks_for_nothing_while_a_slow_tenant_holds_it() {
    let mut rig = Rig::new(|_, _| sent());
    let done = Arc::new(Mutex::default());
    let router = Router::new(rig.ports()).with(Endpoints(Arc::clone(&done))).unwrap();
    let wait = Duration::from_secs(5);
    let settings = WorkerSettings { concurrency: 1, batch: 1, wait, lease: LEASE, grace: HANG };
    let consumer = router.consumer("scripted").unwrap().clone();
    // An answer that comes while the next message has the slot: then the worker looks around.
    let queue = Watched { ack_takes: Duration::from_secs(1), ..rig.watched() };
    let worker = Worker::new(consumer, Arc::new(queue), rig.clock(), Arc::new(rig.world.rng()), settings);
    rig.world.spawn(WORKER, async move { worker.run(Stop::never()).await });
    (0..5).for_each(|_| push(&rig, SLOW));
    rig.run_dry();
    // Whoever asks for no messages is stopped by the queue.
    assert_eq!(lock(&done)[SLOW].len(), 5);
}
