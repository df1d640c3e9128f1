//! The handlers behind a router, over ports in memory.

mod chains;
mod devices;
mod email;
mod forgetting;
mod hindered;
mod load;
mod old_news;
mod patience;
mod settings;
mod skips;
mod strays;
mod up_to_date;
mod webhooks;
mod workflow;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::executor::block_on;
use sendoff_events::{AppAssigned, Clock as _, Event, EventId, SubmissionCreated};
use sendoff_producers::{
    Lookup,
    model::{Channel, app_key, submission_key, user_key},
};
use serde_json::{Value, json};

use super::{
    Desk,
    doubles::{FakeProvider, MemoryDeliveries, MemorySchedules, MemoryWorkflows, World, tenant},
    with_email, with_push, with_sms, with_webhook, with_whatsapp,
};
use crate::{
    Deliveries as _, Delivery, DeliveryId, DeliveryNews, DeliveryStatus, IdempotencyKey, InboxRecord, Kickoff, Limits,
    Router, StepState, Verdict,
    cache::{CacheSettings, Cached},
    channels::{email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
    links::Links,
    routing::Routing,
    templates::Templates,
    with_workflows,
};

/// Ada (German) and Bob (English, here) own the app `expenses`; Eve has made submission `s1`.
struct Stage {
    world: World,
    deliveries: Arc<MemoryDeliveries>,
    mails: Arc<FakeProvider<Mail>>,
    texts: Arc<FakeProvider<Sms>>,
    whatsapps: Arc<FakeProvider<Whatsapp>>,
    pushes: Arc<FakeProvider<Push>>,
    calls: Arc<FakeProvider<Webhook>>,
    workflows: Arc<MemoryWorkflows>,
    schedules: Arc<MemorySchedules>,
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
        Self::remembering_as(Play::default(), CacheSettings::default())
    }

    fn remembering_as(play: Play, settings: CacheSettings) -> Self {
        Self::over(play, |world| Arc::new(Cached::new(world.records.clone(), settings, world.clock.clone())))
    }

    fn playing(play: Play) -> Self {
        Self::over(play, |world| world.records.clone())
    }

    fn over(play: Play, records: impl FnOnce(&World) -> Arc<dyn Lookup>) -> Self {
        let world = World::new();
        let (deliveries, workflows) = (Arc::<MemoryDeliveries>::default(), Arc::<MemoryWorkflows>::default());
        let (mails, texts, whatsapps) = (Arc::default(), Arc::default(), Arc::default());
        let (pushes, calls) = (Arc::default(), Arc::default());
        let records = records(&world);
        let desk = Arc::new(Desk {
            records: records.clone(),
            authoritative: world.records.clone(),
            inbox: world.inbox.clone(),
            deliveries: deliveries.clone(),
            templates: Arc::new(Templates::standard().unwrap()),
            routing: Arc::new(play.routing),
            links: Some(Links::new("https://notify.acme.example", &"0123456789abcdef".into()).unwrap()),
            channels: play.on,
        });
        let schedules = Arc::<MemorySchedules>::default();
        let kickoff = Kickoff::new(world.records.clone(), workflows.clone(), schedules.clone());
        let from = "Acme <apps@acme.example>".parse().unwrap();
        let stage =
            Self { world, deliveries, mails, texts, whatsapps, pushes, calls, workflows, schedules, router: None };
        let router = with_workflows(Router::new(stage.world.ports()), kickoff).unwrap();
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
        stage.submission(json!({ "Amount": 12 }));
        stage
    }

    fn user(&self, id: &str, data: Value) {
        self.world.records.put(user_key(&tenant(), &id.parse().unwrap()), data);
    }

    fn app(&self, data: Value) {
        self.world.records.put(app_key(&tenant(), &"expenses".parse().unwrap()), data);
    }

    fn submission(&self, fields: Value) {
        let submission = json!({
            "app_id": "expenses", "submission_id": "s1", "author_id": "eve", "revision": 1, "fields": fields,
        });
        let key = submission_key(&tenant(), &"expenses".parse().unwrap(), &"s1".parse().unwrap());
        self.world.records.put(key, submission);
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

    /// What the ledger of a channel says of a recipient: the state, and the reason.
    fn step(&self, consumer: &str, id: EventId, step: &str) -> (StepState, Option<String>) {
        let ledger = self.ledger(consumer, id);
        let step = ledger.steps.get(step).unwrap_or_else(|| panic!("{consumer} has no {step}: {:?}", ledger.steps));
        (step.state, step.reason.clone())
    }

    /// A provider's news of a message.
    fn tell(&self, consumer: &str, id: EventId, step: &str, status: DeliveryStatus) {
        self.tell_of(None, consumer, id, step, status);
    }

    /// The same, of the message that the provider calls so.
    fn tell_of(&self, name: Option<&str>, consumer: &str, id: EventId, step: &str, status: DeliveryStatus) {
        let delivery = DeliveryId::new(IdempotencyKey::new(consumer, id), step);
        let at = self.world.clock.now();
        let (provider, provider_id) = ("fake".to_owned(), name.map(str::to_owned));
        let news = DeliveryNews { status, provider, provider_id, reason: Some("63016".into()), at };
        assert!(block_on(self.deliveries.tell(&delivery, &news, at)).unwrap());
    }

    /// A user who can be reached on every channel.
    fn reachable(&self, id: &str) {
        let user = json!({
            "name": id, "email": format!("{id}@example.org"), "phone": "+4930123456", "push_tokens": [format!("{id}-1")],
        });
        self.user(id, user);
    }

    fn forward(&self, seconds: u64) {
        self.world.clock.forward(Duration::from_secs(seconds));
    }

    fn ledger(&self, consumer: &str, id: EventId) -> InboxRecord {
        self.world.ledger(consumer, id)
    }
}

fn assigned(user: &str) -> AppAssigned {
    AppAssigned {
        app_id: "expenses".parse().unwrap(),
        user_id: user.parse().unwrap(),
        assigned_by: "bob".parse().unwrap(),
    }
}

/// Rules of which the app's assignment goes through this chain.
fn chain(channels: &str) -> Play {
    let text = format!(
        r#"{{ "events": {{ "app.assigned": [{{ "to": "assignee", "template": "app-assigned", "channels": [{channels}] }}] }} }}"#
    );
    Play { routing: Routing::parse(&text, &Templates::standard().unwrap()).unwrap(), ..Play::default() }
}

fn done() -> Verdict {
    Verdict::Ack { duplicate: false }
}

fn put_off(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Snooze { after, pause: false } => after.as_secs(),
        other => panic!("not put off: {other:?}"),
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
