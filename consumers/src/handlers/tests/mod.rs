//! The handlers behind a router, over ports in memory.

mod email;
mod workflow;

use std::sync::Arc;

use futures::executor::block_on;
use sendoff_events::{Event, EventId, SubmissionCreated};
use sendoff_producers::{
    Lookup,
    model::{app_key, submission_key, user_key},
};
use serde_json::{Value, json};

use super::{
    EmailAppAssigned, EmailDesk, EmailSubmissionCreated, WorkflowKickoff,
    doubles::{FakeProvider, MemoryWorkflows, World, tenant},
};
use crate::{
    Delivery, InboxRecord, Limits, Router, Verdict,
    cache::{CacheSettings, Cached},
    templates::Templates,
};

/// Ada (German) and Bob (English, here) own the app `expenses`; Eve has made submission `s1`.
struct Stage {
    world: World,
    provider: Arc<FakeProvider>,
    workflows: Arc<MemoryWorkflows>,
    router: Router,
}

impl Stage {
    fn new() -> Self {
        Self::over(|world| world.records.clone())
    }

    /// One whose handlers look records up through a memory. It lives on a clock that stands still.
    fn remembering() -> Self {
        let settings = CacheSettings::default();
        Self::over(|world| Arc::new(Cached::new(world.records.clone(), settings, world.clock.clone())))
    }

    fn over(records: impl FnOnce(&World) -> Arc<dyn Lookup>) -> Self {
        let (world, provider) = (World::new(), Arc::new(FakeProvider::default()));
        let workflows = Arc::new(MemoryWorkflows::default());
        let records = records(&world);
        let desk = Arc::new(EmailDesk {
            records: records.clone(),
            authoritative: world.records.clone(),
            provider: provider.clone(),
            templates: Arc::new(Templates::standard().unwrap()),
            from: "Acme <apps@acme.example>".parse().unwrap(),
        });
        let kickoff = WorkflowKickoff { records, authoritative: world.records.clone(), workflows: workflows.clone() };
        let router = Router::new(world.ports())
            .with(EmailAppAssigned(desk.clone()))
            .and_then(|router| router.with(EmailSubmissionCreated(desk)))
            .and_then(|router| router.with(kickoff))
            .unwrap();
        let stage = Self { world, provider, workflows, router };
        stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "locale": "de-CH" }));
        stage.user("bob", json!({ "name": "Bob", "email": "bob@example.org", "locale": "en-GB" }));
        stage.user("eve", json!({ "name": "Eve <script>", "email": "eve@example.org" }));
        stage.app(json!({ "name": "Expenses", "owners": ["ada", "bob", "ada"] }));
        let submission = json!({
            "app_id": "expenses", "submission_id": "s1", "author_id": "eve", "revision": 1, "fields": { "Amount": 12 },
        });
        let key = submission_key(&tenant(), &"expenses".parse().unwrap(), &"s1".parse().unwrap());
        stage.world.records.put(key, submission);
        stage
    }

    fn user(&self, id: &str, data: Value) {
        self.world.records.put(user_key(&tenant(), &id.parse().unwrap()), data);
    }

    fn app(&self, data: Value) {
        self.world.records.put(app_key(&tenant(), &"expenses".parse().unwrap()), data);
    }

    fn forget(&self, id: &str) {
        let key = user_key(&tenant(), &id.parse().unwrap());
        self.world.records.records.lock().unwrap().remove(&key);
    }

    fn process(&self, consumer: &str, delivery: &Delivery) -> Verdict {
        block_on(self.router.consumer(consumer).unwrap().process(delivery, &Limits::none()))
    }

    /// Delivers a new event to a consumer.
    fn deliver<E: Event>(&self, consumer: &str, event: E) -> (Verdict, Delivery, EventId) {
        let (delivery, id) = self.world.delivery(event);
        (self.process(consumer, &delivery), delivery, id)
    }

    fn ledger(&self, consumer: &str, id: EventId) -> InboxRecord {
        self.world.ledger(consumer, id)
    }
}

fn submitted() -> SubmissionCreated {
    SubmissionCreated {
        app_id: "expenses".parse().unwrap(),
        submission_id: "s1".parse().unwrap(),
        author_id: "eve".parse().unwrap(),
        revision: 1,
    }
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::DeadLetter(failure) => failure.reason,
        other => panic!("not dead-lettered: {other:?}"),
    }
}
