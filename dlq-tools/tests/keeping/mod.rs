//! Editing letters, and keeping them elsewhere: each verb over a real data folder, in the process.

mod archives;
mod crashes;
mod edits;
pub(crate) mod on_aws;
mod quarantines;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use sendoff_consumers::{Attributes, Claim, Claimed, Class, DeadLetter, Failure, IdempotencyKey, NewMessage, Status};
use sendoff_dlq_tools::Session;
use sendoff_embedded::Store;
use sendoff_events::{Clock as _, EventId};
use serde_json::{Value, json};

use crate::calls::{Counting, Ran, SleepClock, call_until, open};

/// A data folder with dead letters, and the tool over it.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<SleepClock>,
    rng: Arc<Counting>,
    pub(crate) terminal: bool,
}

impl House {
    /// With so many dead letters in `email-dlq`: events `app.assigned.v1` of the apps `app-0`, `app-1`, ….
    pub(crate) async fn with(count: usize) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(SleepClock::new()),
            rng: Arc::new(Counting::new()),
            terminal: false,
        };
        house.fail("email", (0..count).map(envelope).collect()).await;
        house
    }

    pub(crate) fn store(&self) -> Store {
        open(self.folder.path(), self.clock.clone())
    }

    /// Lets these bodies fail at a consumer.
    pub(crate) async fn fail(&self, consumer: &str, bodies: Vec<String>) {
        self.fail_with(consumer, bodies, &[]).await;
    }

    /// Lets these bodies fail at a consumer, with further attributes.
    pub(crate) async fn fail_with(&self, consumer: &str, bodies: Vec<String>, more: &[(&str, &str)]) {
        let store = self.store();
        let queue = store.queue(consumer).await.unwrap();
        let mut attributes =
            Attributes::from([("type".into(), "app.assigned.v1".into()), ("tenant".into(), "acme".into())]);
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let messages = bodies.into_iter().map(|body| NewMessage {
            body: body.into(),
            attributes: attributes.clone(),
            ..NewMessage::default()
        });
        queue.send(&messages.collect::<Vec<_>>()).await.into_iter().for_each(|sent| drop(sent.unwrap()));
        loop {
            let deliveries = queue.receive(100, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
            if deliveries.is_empty() {
                break;
            }
            let failures = deliveries.into_iter().map(|delivery| {
                let failure = Failure {
                    reason: "bad-template".into(),
                    class: Class::Rejected,
                    fingerprint: "bad-template-00000000".into(),
                    consumer: consumer.into(),
                    attempts: 1,
                    first_at: delivery.sent_at,
                    last_at: delivery.sent_at,
                    error: "line 3".into(),
                };
                (delivery, failure)
            });
            assert!(queue.dead_letter(&failures.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
        }
        store.shutdown().await;
    }

    /// Lets the inbox record of the n-th event say this.
    pub(crate) async fn record(&self, n: usize, status: Status) {
        let store = self.store();
        let inbox = store.inbox();
        let key = IdempotencyKey::new("email", event_id(n));
        let claim = Claim {
            key,
            fence: 7,
            payload_hash: [0; 32],
            replay: 0,
            now: self.clock.now(),
            lease_until: self.clock.now(),
            reconcile: false,
        };
        let Claimed::Won(mut record) = inbox.claim(&claim).await.unwrap() else { panic!("it is new") };
        record.status = status;
        record.revision += 1;
        inbox.write(&record).await.unwrap();
        store.shutdown().await;
    }

    pub(crate) async fn letters(&self, queue: &str) -> Vec<DeadLetter> {
        let store = self.store();
        let letters = store.dead_letter_queues().read(queue, None, 100_000).await.unwrap().unwrap();
        store.shutdown().await;
        letters
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
            variables: BTreeMap::from([("USER".into(), "grace".into())]),
            folder: self.folder.path().to_owned(),
            out_is_terminal: self.terminal,
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

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) fn event_id(n: usize) -> EventId {
    let mut bytes = [0x70; 16];
    bytes[12..].copy_from_slice(&u32::try_from(n).unwrap().to_be_bytes());
    EventId::from_bytes(bytes)
}

pub(crate) fn envelope(n: usize) -> String {
    let mut envelope: Value =
        serde_json::from_str(include_str!("../../../events/samples/app.assigned.v1.json")).unwrap();
    envelope["id"] = json!(event_id(n).to_string());
    envelope["subject"] = json!(format!("apps/app-{n}/assignments/ada"));
    envelope["data"] = json!({ "app_id": format!("app-{n}"), "user_id": "ada", "assigned_by": "grace" });
    envelope.to_string()
}

/// Body, attributes, their types, and group.
pub(crate) type Essence = (Vec<u8>, Attributes, BTreeMap<String, String>, Option<String>);

/// What a letter is but for what the broker gives it.
pub(crate) fn essence(letter: &DeadLetter) -> Essence {
    (letter.body.to_vec(), letter.attributes.clone(), letter.types.clone(), letter.group.clone())
}

pub(crate) fn essences(letters: &[DeadLetter]) -> Vec<Essence> {
    let mut essences: Vec<_> = letters.iter().map(essence).collect();
    essences.sort();
    essences
}

pub(crate) fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}
