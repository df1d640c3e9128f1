//! Plans and runs: over a real data folder, and over a broker in memory whose every answer may be lost.

mod again;
mod alone;
mod broker;
mod consumer;
mod drafts;
mod edited;
mod embedded;
mod forecasts;
mod journals;
mod on_aws;
mod plans;
mod ports;
mod simulation;
mod stops;
mod twins;
mod worlds;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_consumers::{Attributes, Class, Delivery, Failure, NewMessage};
use sendoff_dlq_tools::Session;
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::EventId;
use sendoff_host::Exit;
use serde_json::{Value, json};

use crate::calls::{Counting, Ran, SleepClock, call_until, open};

/// The path and the hash of a new plan.
pub(crate) async fn planned(house: &House, more: &[&str]) -> (String, String) {
    let plan = house.dlq(&[&["plan", "email", "--output", "json"], more].concat()).await.expect(Exit::Done).json();
    let text = |name: &str| plan[name].as_str().unwrap().to_owned();
    (text("plan"), text("hash"))
}

/// A data folder with dead letters, and the tool over it.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<SleepClock>,
    rng: Arc<Counting>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl House {
    /// With so many dead letters of `email`.
    pub(crate) async fn with(count: usize) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(SleepClock::new()),
            rng: Arc::new(Counting::new()),
            variables: BTreeMap::from([("USER".into(), "grace".into())]),
        };
        house.fail(count).await;
        house
    }

    /// Lets this happen so many seconds from now, as another process would do it.
    pub(crate) fn at(self: &Arc<Self>, seconds: i64, act: impl AsyncFnOnce(&Self) + Send + 'static) {
        let house = Arc::downgrade(self);
        let act = move || {
            let Some(house) = house.upgrade() else { return };
            let apart = move || tokio::runtime::Runtime::new().unwrap().block_on(act(&house));
            std::thread::spawn(apart).join().unwrap();
        };
        self.clock.at(seconds, act);
    }

    /// The store, whoever else has it open.
    pub(crate) fn beside(&self) -> Store {
        let options = StoreOptions { clock: self.clock.clone(), ..StoreOptions::default() };
        Store::open_beside(self.folder.path(), options).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        open(self.folder.path(), self.clock.clone())
    }

    async fn fail(&self, count: usize) {
        let store = self.store();
        let queue = store.queue("email").await.unwrap();
        let attributes =
            Attributes::from([("type".into(), "app.assigned.v1".into()), ("tenant".into(), "acme".into())]);
        let messages: Vec<_> = (0..count)
            .map(|n| NewMessage { body: envelope(n).into(), attributes: attributes.clone(), ..NewMessage::default() })
            .collect();
        queue.send(&messages).await.into_iter().for_each(|sent| drop(sent.unwrap()));
        let failed = self.receive(&store).await.into_iter().map(|delivery| {
            let failure = Failure {
                reason: "bad-template".into(),
                class: Class::Rejected,
                fingerprint: "bad-template-00000000".into(),
                consumer: "email".into(),
                attempts: 1,
                first_at: delivery.sent_at,
                last_at: delivery.sent_at,
                error: "line 3".into(),
            };
            (delivery, failure)
        });
        assert!(queue.dead_letter(&failed.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
        store.shutdown().await;
    }

    /// What waits in the consumer's queue.
    pub(crate) async fn receive(&self, store: &Store) -> Vec<Delivery> {
        let queue = store.queue("email").await.unwrap();
        let mut all = Vec::new();
        loop {
            let deliveries = queue.receive(100, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
            if deliveries.is_empty() {
                return all;
            }
            all.extend(deliveries);
        }
    }

    /// How many letters there are.
    pub(crate) async fn letters(&self) -> usize {
        let store = self.store();
        let letters = store.dead_letter_queues().read("email-dlq", None, 100_000).await.unwrap().unwrap();
        store.shutdown().await;
        letters.len()
    }

    /// Calls the tool.
    pub(crate) async fn dlq(&self, arguments: &[&str]) -> Ran {
        self.dlq_until(arguments, None).await
    }

    /// The same, while whoever reads what it prints goes away after so many bytes.
    pub(crate) async fn dlq_until(&self, arguments: &[&str], goes_after: Option<usize>) -> Ran {
        let session = Session {
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            variables: self.variables.clone(),
            folder: self.folder.path().to_owned(),
            out_is_terminal: false,
            err_is_terminal: false,
            ..Session::of_this_process()
        };
        let arguments = [&["--data", self.folder.path().to_str().unwrap()], arguments].concat();
        call_until(session, &arguments, goes_after).await
    }

    /// The audit's actions, in order.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let store = self.store();
        let entries = store.audit().entries(0, 1000).await.unwrap();
        store.shutdown().await;
        entries.into_iter().map(|entry| entry.note.action).collect()
    }
}

pub(crate) fn event_id(n: usize) -> EventId {
    format!("0193a0a0-0000-7000-8000-{n:012x}").parse().unwrap()
}

pub(crate) fn envelope(n: usize) -> String {
    let mut envelope: Value =
        serde_json::from_str(include_str!("../../../events/samples/app.assigned.v1.json")).unwrap();
    let now = "2026-11-18T00:00:00.000Z";
    envelope["id"] = json!(event_id(n));
    envelope["time"] = json!(now);
    envelope["firstpublished"] = json!(now);
    envelope["subject"] = json!(format!("apps/app-{n}/assignments/ada"));
    envelope["data"] = json!({ "app_id": format!("app-{n}"), "user_id": "ada", "assigned_by": "grace" });
    envelope.to_string()
}
