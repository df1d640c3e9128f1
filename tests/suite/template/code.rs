//! What the code says that the template has to agree with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Consumer, Doubt, EnginePorts, EngineWorkflows, Filter, Handler as _, IdempotencyKey, InboxRecord, Kickoff, NoMeter,
    Policy, Router, RouterPorts, SendOutcome, WORKFLOW_KICKOFF,
    channels::Provider,
    handlers::{
        ByEmail, ByPush, BySms, ByWhatsapp, CallWebhooks, Desk, Way as _, with_email, with_push, with_sms,
        with_webhook, with_whatsapp,
    },
    routing::Routing,
    templates::Templates,
    with_workflows,
};
use sendoff_events::{AppAssigned, BoxFuture, Clock};
use sendoff_producers::model::Channel;
use sendoff_tests::{
    memory::{
        DeliveriesState, Link, MemoryDeliveries, MemoryRuns, MemorySchedules, QueuesState, RecordsState, Remote,
        RunsState,
    },
    simulation::World,
};

/// What a consumer needs.
pub(super) struct Needs {
    /// The longest that one of its attempts may take.
    pub(super) timeout: Duration,
    /// The longest that a message is put off at a time where nobody names a date.
    pub(super) wait: Duration,
    /// The longest that it waits for its next attempt.
    pub(super) retry: Duration,
    /// How often it is run before it is given up.
    pub(super) attempts: u32,
    /// What its subscription has to let through.
    pub(super) filter: Filter,
}

/// What the code says.
pub(super) struct Code {
    /// The standard consumers by name.
    pub(super) consumers: BTreeMap<&'static str, Needs>,
}

/// Nothing is sent here: only what the handlers declare is looked at.
struct NoProvider;

impl<M: Send + Sync> Provider<M> for NoProvider {
    fn name(&self) -> &'static str {
        "none"
    }

    fn send<'a>(&'a self, _: &'a M, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async { SendOutcome::Skipped { reason: "there is no provider".into() } })
    }
}

fn remote<S: Default + Send + 'static>(clock: &Arc<dyn Clock>) -> Remote<S> {
    Remote::new(Arc::<Mutex<S>>::default(), Link::Direct, clock.clone())
}

impl Code {
    pub(super) fn read() -> Self {
        let world = World::new(1);
        let clock: Arc<dyn Clock> = Arc::new(world.clock());
        let ports = RouterPorts {
            inbox: Arc::new(remote::<BTreeMap<IdempotencyKey, InboxRecord>>(&clock)),
            clock: clock.clone(),
            rng: Arc::new(world.rng()),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let records = Arc::new(remote::<RecordsState>(&clock));
        let templates = Templates::standard().expect("the standard templates are good");
        let desk = Arc::new(Desk {
            records: records.clone(),
            authoritative: records.clone(),
            inbox: Arc::new(remote::<BTreeMap<IdempotencyKey, InboxRecord>>(&clock)),
            deliveries: Arc::new(MemoryDeliveries(remote::<DeliveriesState>(&clock))),
            routing: Arc::new(Routing::standard(&templates).expect("the standard rules are good")),
            templates: Arc::new(templates),
            links: None,
            channels: BTreeSet::from(Channel::ALL),
        });
        let engine = EnginePorts {
            runs: Arc::new(MemoryRuns(remote::<RunsState>(&clock))),
            records: records.clone(),
            clock: clock.clone(),
            rng: Arc::new(world.rng()),
        };
        let workflows = Arc::new(EngineWorkflows::new(engine));
        let schedules = Arc::new(MemorySchedules(remote::<QueuesState>(&clock)));
        let kickoff = Kickoff::new(records, workflows, schedules);
        let from = "Sendoff <no-reply@example.org>".parse().expect("a sender");
        let router = with_email(Router::new(ports), desk.clone(), Arc::new(NoProvider), from)
            .and_then(|router| with_sms(router, desk.clone(), Arc::new(NoProvider)))
            .and_then(|router| with_whatsapp(router, desk.clone(), Arc::new(NoProvider)))
            .and_then(|router| with_push(router, desk.clone(), Arc::new(NoProvider)))
            .and_then(|router| with_webhook(router, desk, Arc::new(NoProvider)))
            .and_then(|router| with_workflows(router, kickoff))
            .expect("the standard handlers go together");
        let policies = BTreeMap::from([
            (ByEmail::NAME, ByEmail::POLICY),
            (BySms::NAME, BySms::POLICY),
            (ByWhatsapp::NAME, ByWhatsapp::POLICY),
            (ByPush::NAME, ByPush::POLICY),
            (CallWebhooks::<AppAssigned>::NAME, CallWebhooks::<AppAssigned>::POLICY),
            (WORKFLOW_KICKOFF, Policy::DEFAULT),
        ]);
        let policy = |name| *policies.get(name).expect("each consumer has a handler");
        let needs = |consumer: &Arc<Consumer>| Needs {
            timeout: consumer.timeout(),
            wait: policy(consumer.name()).deferral.cap,
            retry: policy(consumer.name()).backoff.cap,
            attempts: policy(consumer.name()).max_attempts,
            filter: consumer.filter(),
        };
        Self { consumers: router.consumers().map(|consumer| (consumer.name(), needs(consumer))).collect() }
    }
}
