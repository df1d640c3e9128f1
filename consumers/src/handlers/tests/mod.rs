//! The handlers behind a router, over ports in memory.

mod email;
mod workflow;

use std::{collections::BTreeSet, sync::Arc};

use futures::executor::block_on;
use sendoff_events::{Event, EventId, SubmissionCreated};
use sendoff_producers::{
    Lookup,
    model::{Channel, app_key, submission_key, user_key},
};
use serde_json::{Value, json};

use super::{
    Desk, WorkflowKickoff,
    doubles::{FakeProvider, MemoryDeliveries, MemoryWorkflows, World, tenant},
    with_email, with_push, with_sms, with_webhook, with_whatsapp,
};
use crate::{
    Delivery, InboxRecord, Limits, Router, Verdict,
    cache::{CacheSettings, Cached},
    channels::{email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
    links::Links,
    routing::Routing,
    templates::Templates,
};

/// Ada (German) and Bob (English, here) own the app `expenses`; Eve has made submission `s1`.
struct Stage {
    world: World,
    mails: Arc<FakeProvider<Mail>>,
    texts: Arc<FakeProvider<Sms>>,
    whatsapps: Arc<FakeProvider<Whatsapp>>,
    pushes: Arc<FakeProvider<Push>>,
    calls: Arc<FakeProvider<Webhook>>,
    workflows: Arc<MemoryWorkflows>,
    router: Option<Router>,
}

/// What a stage plays: rules, and the channels that are on.
struct Play {
    routing: Routing,
    on: BTreeSet<Channel>,
}

impl Default for Play {
    fn default() -> Self {
        Self { routing: Routing::standard(&Templates::standard().unwrap()).unwrap(), on: BTreeSet::from(Channel::ALL) }
    }
}

impl Stage {
    fn new() -> Self {
        Self::over(Play::default(), |world| world.records.clone())
    }

    /// One whose handlers look records up through a memory. It lives on a clock that stands still.
    fn remembering() -> Self {
        let settings = CacheSettings::default();
        Self::over(Play::default(), |world| Arc::new(Cached::new(world.records.clone(), settings, world.clock.clone())))
    }

    fn over(play: Play, records: impl FnOnce(&World) -> Arc<dyn Lookup>) -> Self {
        let world = World::new();
        let workflows = Arc::<MemoryWorkflows>::default();
        let (mails, texts, whatsapps) = (Arc::default(), Arc::default(), Arc::default());
        let (pushes, calls) = (Arc::default(), Arc::default());
        let records = records(&world);
        let desk = Arc::new(Desk {
            records: records.clone(),
            authoritative: world.records.clone(),
            inbox: world.inbox.clone(),
            deliveries: Arc::<MemoryDeliveries>::default(),
            templates: Arc::new(Templates::standard().unwrap()),
            routing: Arc::new(play.routing),
            links: Some(Links::new("https://notify.acme.example", &"0123456789abcdef".into()).unwrap()),
            channels: play.on,
        });
        let kickoff = WorkflowKickoff { records, authoritative: world.records.clone(), workflows: workflows.clone() };
        let from = "Acme <apps@acme.example>".parse().unwrap();
        let stage = Self { world, mails, texts, whatsapps, pushes, calls, workflows, router: None };
        let router = Router::new(stage.world.ports()).with(kickoff).unwrap();
        let router = with_email(router, desk.clone(), stage.mails.clone(), from).unwrap();
        let router = with_sms(router, desk.clone(), stage.texts.clone()).unwrap();
        let router = with_whatsapp(router, desk.clone(), stage.whatsapps.clone()).unwrap();
        let router = with_push(router, desk.clone(), stage.pushes.clone()).unwrap();
        let router = with_webhook(router, desk, stage.calls.clone()).unwrap();
        let stage = Self { router: Some(router), ..stage };
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
        block_on(self.router.as_ref().unwrap().consumer(consumer).unwrap().process(delivery, &Limits::none()))
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
