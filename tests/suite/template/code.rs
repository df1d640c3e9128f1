//! What the code says that the template has to agree with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Consumer, Doubt, Filter, Handler as _, IdempotencyKey, InboxRecord, NoMeter, Router, RouterPorts, SendOutcome,
    channels::{Provider, email::Mail},
    handlers::{EmailAppAssigned, EmailDesk, EmailSubmissionCreated, WorkflowKickoff},
    templates::Templates,
};
use sendoff_events::{BoxFuture, Clock};
use sendoff_tests::{
    memory::{Link, MemoryWorkflows, RecordsState, Remote, RunsState},
    simulation::World,
};

/// What a consumer needs.
pub(super) struct Needs {
    /// The longest that one of its attempts may take.
    pub(super) timeout: Duration,
    /// The longest that a message is put off at a time where nobody names a date.
    pub(super) wait: Duration,
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

impl Provider<Mail> for NoProvider {
    fn name(&self) -> &'static str {
        "none"
    }

    fn send<'a>(&'a self, _: &'a Mail, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async { SendOutcome::Skipped { reason: "there is no mail server".into() } })
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
        let desk = Arc::new(EmailDesk {
            records: records.clone(),
            authoritative: records.clone(),
            provider: Arc::new(NoProvider),
            templates: Arc::new(Templates::standard().expect("the standard templates are good")),
            from: "Sendoff <no-reply@example.org>".parse().expect("a sender"),
        });
        let workflows = Arc::new(MemoryWorkflows(remote::<RunsState>(&clock)));
        let router = Router::new(ports)
            .with(EmailAppAssigned(desk.clone()))
            .and_then(|router| router.with(EmailSubmissionCreated(desk)))
            .and_then(|router| router.with(WorkflowKickoff { authoritative: records.clone(), records, workflows }))
            .expect("the standard handlers go together");
        let policies = [
            (EmailAppAssigned::NAME, EmailAppAssigned::POLICY),
            (EmailSubmissionCreated::NAME, EmailSubmissionCreated::POLICY),
            (WorkflowKickoff::NAME, WorkflowKickoff::POLICY),
        ];
        let wait = |name| policies.iter().filter(|(of, _)| *of == name).map(|(_, policy)| policy.backoff.cap).max();
        let needs = |consumer: &Arc<Consumer>| Needs {
            timeout: consumer.timeout(),
            wait: wait(consumer.name()).expect("each consumer has a handler"),
            filter: consumer.filter(),
        };
        Self { consumers: router.consumers().map(|consumer| (consumer.name(), needs(consumer))).collect() }
    }
}
