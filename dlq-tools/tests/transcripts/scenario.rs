//! The folders that transcripts are run over: made the same way each time, from the same events at the same moments.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Claim, Claimed, Class, Delivery, Failure, Filter, IdempotencyKey, Status, Step, StepState, fingerprint,
};
use sendoff_dlq_tools::Session;
use sendoff_embedded::Store;
use sendoff_events::{AppAssigned, Clock as _, Envelope, EventId, Origin, Rng, Timestamp};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{
    Screen,
    clock::StillClock,
    serving::{QUEUES, Serving},
};
use crate::calls::open;

/// When every scenario begins: a Thursday, 3 a.m.
const NIGHT: &str = "2026-11-26T03:00:00Z";

/// Numbers that are the same in every run.
pub(super) struct Counting(std::sync::atomic::AtomicU64);

impl Rng for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x1234_5678_9abc, std::sync::atomic::Ordering::SeqCst)
    }
}

/// A data folder and the time in it.
pub(crate) struct Scenario {
    folder: TempDir,
    clock: StillClock,
    rng: Arc<Counting>,
    serving: Option<Serving>,
    /// The hashes of the plans that were made, in their order.
    plans: Mutex<Vec<String>>,
}

/// What became of an event at its consumer.
enum Fate {
    /// It failed for good.
    Failed { reason: &'static str, class: Class, error: &'static str, attempts: u32 },
    /// Nobody knows whether it was sent.
    Doubted,
}

impl Scenario {
    /// Makes the one of this name.
    pub(crate) async fn make(name: &str) -> Self {
        let night: Timestamp = NIGHT.parse().unwrap();
        let scenario = Self {
            serving: None,
            plans: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
            clock: StillClock::at(night - Duration::from_secs(6 * 3600)),
            rng: Arc::new(Counting(1.into())),
        };
        let store = scenario.open();
        for queue in QUEUES {
            store.subscribe(queue, &Filter::default()).await.unwrap();
        }
        match name {
            "nothing failed" => {}
            "a bad template" => scenario.bad_template(&store).await,
            "a wrong payload" => scenario.wrong_payload(&store).await,
            other => panic!("there is no scenario `{other}`"),
        }
        store.shutdown().await;
        scenario.clock.advance(Duration::try_from(night - scenario.clock.now()).unwrap());
        scenario
    }

    /// Six mails whose template is broken, two that their server refuses, one of which nobody knows, one that is no event.
    async fn bad_template(&self, store: &Store) {
        const TEMPLATE: Fate = Fate::Failed {
            reason: "bad-template",
            class: Class::Rejected,
            error: "template `app-assigned` line 3: unknown filter `upper_case`",
            attempts: 1,
        };
        for (place, user) in ["ada", "grace", "alan", "edsger", "barbara", "donald"].into_iter().enumerate() {
            let tenant = if place < 4 { "acme" } else { "globex" };
            self.event_fails(store, "email", tenant, "crm", user, &TEMPLATE).await;
        }
        const REFUSED: Fate = Fate::Failed {
            reason: "attempts-exhausted",
            class: Class::Retryable,
            error: "451 4.7.1 the server is too busy",
            attempts: 8,
        };
        for user in ["tony", "niklaus"] {
            self.event_fails(store, "email", "acme", "erp", user, &REFUSED).await;
        }
        self.event_fails(store, "email", "acme", "crm", "kurt", &Fate::Doubted).await;
        let queue = store.queue("email").await.unwrap();
        let message = sendoff_consumers::NewMessage { body: "no event at all".into(), ..Default::default() };
        queue.send(&[message]).await.remove(0).unwrap();
        let delivery = queue.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap().remove(0);
        let error = "the body is not JSON: expected ident at line 1 column 2";
        self.bury(store, "email", delivery, "not-json", Class::Undecodable, error, 0).await;
    }

    /// Two events that name an administrator whom nobody knows.
    async fn wrong_payload(&self, store: &Store) {
        const MISSING: Fate = Fate::Failed {
            reason: "no-such-user",
            class: Class::Rejected,
            error: "there is no user `root`",
            attempts: 1,
        };
        self.event_fails(store, "email", "acme", "crm", "ada", &MISSING).await;
        self.event_fails(store, "email", "acme", "crm", "grace", &MISSING).await;
    }

    /// Publishes an event, lets its consumer take it, and ends it there.
    async fn event_fails(&self, store: &Store, consumer: &str, tenant: &str, app: &str, user: &str, fate: &Fate) {
        self.clock.advance(Duration::from_secs(600));
        let by_nobody = matches!(fate, Fate::Failed { reason: "no-such-user", .. });
        let data = AppAssigned {
            app_id: app.parse().unwrap(),
            user_id: user.parse().unwrap(),
            assigned_by: if by_nobody { "root" } else { "admin" }.parse().unwrap(),
        };
        let tenant = tenant.parse().unwrap();
        let origin = Origin {
            source: "/sendoff/api".into(),
            tenant,
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let event = Envelope::new(data, origin, Some(1), &self.clock, &*self.rng).encode().unwrap();
        let id = event.id();
        store.publisher().publish(&[event]).await.remove(0).unwrap();
        for queue in QUEUES {
            let queue = store.queue(queue).await.unwrap();
            let delivery = queue.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap().remove(0);
            if queue.name() == consumer {
                self.end(store, consumer, id, delivery, fate).await;
            } else {
                self.done(store, queue.name(), id, &delivery).await;
                queue.ack(&[delivery.receipt]).await.remove(0).unwrap();
            }
        }
    }

    async fn claim(
        &self,
        store: &Store,
        consumer: &str,
        event: EventId,
        delivery: &Delivery,
    ) -> sendoff_consumers::InboxRecord {
        let now = self.clock.now();
        let claim = Claim {
            key: IdempotencyKey::new(consumer, event),
            fence: self.rng.next_u64() >> 1,
            payload_hash: Sha256::digest(&delivery.body).into(),
            replay: 0,
            now,
            lease_until: now,
            reconcile: false,
        };
        match store.inbox().claim(&claim).await.unwrap() {
            Claimed::Won(record) => record,
            other => panic!("{other:?}"),
        }
    }

    async fn done(&self, store: &Store, consumer: &str, event: EventId, delivery: &Delivery) {
        let mut record = self.claim(store, consumer, event, delivery).await;
        (record.status, record.revision) = (Status::Done, record.revision + 1);
        store.inbox().write(&record).await.unwrap();
    }

    async fn end(&self, store: &Store, consumer: &str, event: EventId, delivery: Delivery, fate: &Fate) {
        let mut record = self.claim(store, consumer, event, &delivery).await;
        record.revision += 1;
        let (reason, class, error, attempts) = match fate {
            Fate::Failed { reason, class, error, attempts } => {
                record.status = Status::Failed;
                (*reason, *class, *error, *attempts)
            }
            Fate::Doubted => {
                record.status = Status::InDoubt;
                let step = Step {
                    state: StepState::InDoubt,
                    doubted: true,
                    at: self.clock.now(),
                    provider: Some("smtp".into()),
                    provider_id: None,
                    mark: None,
                    result: None,
                    reason: Some("the connection broke after DATA".into()),
                };
                record.steps.insert("kurt".into(), step);
                ("outcome-unknown", Class::InDoubt, "the connection broke after DATA", 1)
            }
        };
        record.attempts = attempts;
        let (at, fingerprint) = (self.clock.now(), fingerprint(reason, error));
        let (reason_text, error_text) = (reason.to_owned(), error.to_owned());
        record.remember(sendoff_consumers::Attempt { at, class, reason: reason_text, fingerprint, error: error_text });
        store.inbox().write(&record).await.unwrap();
        self.bury(store, consumer, delivery, reason, class, error, attempts).await;
    }

    #[expect(clippy::too_many_arguments, reason = "each stands in the failure")]
    async fn bury(
        &self,
        store: &Store,
        consumer: &str,
        delivery: Delivery,
        reason: &str,
        class: Class,
        error: &str,
        attempts: u32,
    ) {
        let failure = Failure {
            reason: reason.into(),
            class,
            fingerprint: fingerprint(reason, error),
            consumer: consumer.into(),
            attempts,
            first_at: delivery.sent_at,
            last_at: self.clock.now(),
            error: error.into(),
        };
        let queue = store.queue(consumer).await.unwrap();
        queue.dead_letter(&[(delivery, failure)]).await.remove(0).unwrap();
    }

    pub(crate) fn open(&self) -> Store {
        open(&self.folder.path().join("data"), Arc::new(self.clock.clone()))
    }

    /// What happens between two commands.
    pub(super) async fn then(&mut self, what: &str) {
        match what {
            "the consumers run" => self.serve(true),
            "the consumers run, and fail again" => self.serve(false),
            "the consumers stop" => self.serving.take().expect("they run").stop().await,
            "an hour passes" => self.clock.advance(Duration::from_secs(3600)),
            other => panic!("nobody knows how to let `{other}` happen"),
        }
    }

    /// Lets a process serve the folder from now on.
    fn serve(&mut self, well: bool) {
        // Numbers of its own: which of the two draws first is chance.
        let rng = Arc::new(Counting((1 << 40).into()));
        let (store, clock) = (self.open(), self.clock.clone());
        self.serving = Some(Serving::begin(store, clock, rng, well));
    }

    /// A call of the tool here.
    pub(crate) fn session(&self, screen: &Screen) -> Session {
        let variables = BTreeMap::from([
            ("USER".to_owned(), "grace".to_owned()),
            ("SENDOFF_DATA".to_owned(), self.path().join("data").display().to_string()),
        ]);
        Session {
            clock: Arc::new(self.clock.clone()),
            rng: Arc::clone(&self.rng) as Arc<dyn Rng>,
            variables,
            folder: self.path().to_owned(),
            program: env!("CARGO_BIN_EXE_dlq").into(),
            // That of the machine may be full.
            disk: |_| Ok((40 << 30, 100 << 30)),
            out: Box::new(screen.clone()),
            err: Box::new(screen.clone()),
            out_is_terminal: false,
            err_is_terminal: false,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The text without what is another one in every run: the folder's path, and the hashes of plans, which name it.
    pub(super) fn anonymous(&self, text: &str) -> String {
        let real = self.path().canonicalize().unwrap();
        let mut text = text.replace(&real.display().to_string(), "/srv/sendoff");
        text = text.replace(&self.path().display().to_string(), "/srv/sendoff");
        let mut plans = self.plans.lock().unwrap();
        for line in text.lines() {
            let hash = line.strip_prefix("hash ").or_else(|| line.trim().strip_prefix("\"hash\": \""));
            let hash = hash.map(|hash| hash.trim_end_matches([',', '"']).to_owned()).filter(|hash| hash.len() == 64);
            if let Some(hash) = hash.filter(|hash| !plans.contains(hash)) {
                plans.push(hash);
            }
        }
        for (place, hash) in plans.iter().enumerate() {
            let told = format!("{:x}", Sha256::digest(format!("plan {place}")));
            for digits in [64, 16, 12] {
                text = text.replace(&hash[..digits], &told[..digits]);
            }
        }
        text
    }
}
