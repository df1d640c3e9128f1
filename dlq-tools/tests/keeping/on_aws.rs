//! The same over SQS and S3, in the emulator.

use std::{collections::BTreeMap, time::Duration};

use sendoff_consumers::{Attributes, Class, DeadLetter, Delivery, Failure, NewMessage};
use sendoff_dlq_tools::Session;
use sendoff_events::Pointer;
use sendoff_host::Exit;
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::Emulator,
};

use super::{Ran, envelope, essences, event_id};
use crate::calls::call;

pub(crate) struct House {
    pub(crate) backend: OnAws,
    work: tempfile::TempDir,
    /// What the environment says besides.
    pub(crate) variables: BTreeMap<String, String>,
}

impl House {
    pub(crate) async fn with(count: usize) -> Self {
        let backend = OnAws::open().await;
        let queue = backend.create_queue("email", None).await;
        let attributes =
            Attributes::from([("type".into(), "app.assigned.v1".into()), ("tenant".into(), "acme".into())]);
        let messages = (0..count).map(|n| NewMessage {
            body: envelope(n).into(),
            attributes: attributes.clone(),
            ..NewMessage::default()
        });
        queue.send(&messages.collect::<Vec<_>>()).await.into_iter().for_each(|sent| drop(sent.unwrap()));
        let mut failed = 0;
        while failed < count {
            let deliveries = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
            failed += deliveries.len();
            let failures = deliveries.into_iter().map(at_email);
            assert!(queue.dead_letter(&failures.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
        }
        Self { backend, work: tempfile::tempdir().unwrap(), variables: BTreeMap::new() }
    }

    pub(crate) async fn dlq(&self, arguments: &[&str]) -> Ran {
        let resources = self.backend.store().resources();
        let mut variables = Emulator::shared().variables();
        let ours = [
            ("USER", "grace"),
            ("SENDOFF_TABLE", &resources.table),
            ("SENDOFF_INBOX_TABLE", &resources.inbox_table),
            ("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base),
        ];
        variables.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.extend(self.variables.clone());
        let session = Session {
            variables,
            folder: self.work.path().to_owned(),
            out_is_terminal: false,
            err_is_terminal: false,
            ..Session::of_this_process()
        };
        call(session, &[&["--work", "work"], arguments].concat()).await
    }

    /// All letters of a queue, which nobody holds.
    pub(crate) async fn letters(&self, queue: &str) -> Vec<DeadLetter> {
        let letters = self.backend.store().dead_letter_queues();
        let mut taken = Vec::new();
        loop {
            let more = letters.take(queue, 100, Duration::from_secs(60)).await.unwrap();
            if more.is_empty() {
                break;
            }
            taken.extend(more);
        }
        let (receipts, messages): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|taken| (taken.receipt, taken.letter)).unzip();
        assert!(letters.hold(queue, &receipts, Duration::ZERO).await.iter().all(Result::is_ok));
        messages
    }
}

fn at_email(delivery: Delivery) -> (Delivery, Failure) {
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
}

#[tokio::test]
async fn letters_go_from_sqs_to_s3_and_back_as_they_were() {
    let house = House::with(23).await;
    let before = house.letters("email-dlq").await;
    assert_eq!(before.len(), 23);
    let place = format!("s3://{}/kept/email.jsonl.zst", house.backend.store().resources().bucket);
    let told = house.dlq(&["archive", "email", "--to", &place, "--output", "json"]).await.expect(Exit::Done).json();
    let hash = told["hash"].as_str().unwrap();
    house.dlq(&["archive", "email", "--to", &place]).await.expect(Exit::Refused);

    let purged =
        house.dlq(&["purge", "email", "--archive", hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    assert_eq!(purged.out, "23 of 23 letters deleted\n");
    assert_eq!(house.letters("email-dlq").await, []);
    let back = house.dlq(&["restore", &place, "--yes"]).await.expect(Exit::Done);
    assert!(back.err.contains("can't be seen without leases"), "{back:?}");
    assert_eq!(essences(&house.letters("email-dlq").await), essences(&before));
    // What is known to be sent isn't sent again.
    house.dlq(&["restore", &place, "--yes"]).await.expect(Exit::NothingMatched);
    assert_eq!(house.letters("email-dlq").await.len(), 23);
    house.dlq(&["restore", &format!("{place}x.jsonl.zst"), "--yes"]).await.expect(Exit::NothingMatched);
}

#[tokio::test]
async fn letters_of_sqs_are_put_aside_and_the_others_can_be_had_at_once() {
    let house = House::with(12).await;
    let before = house.letters("email-dlq").await;
    let (one, two) = (event_id(1).to_string(), event_id(2).to_string());
    let call = ["quarantine", "email", "--because", "x", "--yes", "--id", &one, "--id", &two];
    house.dlq(&call).await.expect(Exit::Done);
    let (aside, stay) = (house.letters("email-quarantine").await, house.letters("email-dlq").await);
    assert_eq!((aside.len(), stay.len()), (2, 10));
    assert_eq!(essences(&[aside, stay].concat()), essences(&before));
    house.dlq(&["archive", "email-quarantine", "--to", "aside.jsonl.zst"]).await.expect(Exit::Done);
}

#[tokio::test]
async fn a_large_body_goes_with_its_letter_into_another_deployment() {
    let (mut house, mut other) = (House::with(0).await, House::with(0).await);
    for house in [&mut house, &mut other] {
        let bucket = house.backend.store().resources().bucket.clone();
        house.variables.insert("SENDOFF_BUCKET".into(), bucket);
    }
    let (store, key) = (house.backend.store(), "2026/11/26/a".parse().unwrap());
    store.blobs().put(&key, envelope(1).into()).await.unwrap();
    let pointer = Pointer { bucket: store.resources().bucket.clone(), key: key.clone() };
    let queue = store.queue("email");
    let body = pointer.to_body().into();
    queue.send(&[NewMessage { body, ..NewMessage::default() }]).await.remove(0).unwrap();
    let delivery = queue.receive(1, Duration::from_secs(20), Duration::from_secs(60)).await.unwrap().remove(0);
    queue.dead_letter(&[at_email(delivery)]).await.remove(0).unwrap();

    house.dlq(&["archive", "email", "--to", "a.jsonl.zst"]).await.expect(Exit::Done);
    let archive = house.work.path().join("a.jsonl.zst");
    let restore = ["restore", archive.to_str().unwrap(), "--yes", "--output", "json"];
    let told = other.dlq(&restore).await.expect(Exit::Done).json();
    assert_eq!((&told["moved"]["sent"], &told["bodies"]["put_back"]), (&1.into(), &1.into()), "{told}");
    let bucket = other.backend.store().resources().bucket.clone();
    assert_ne!(bucket, pointer.bucket);
    assert_eq!(other.letters("email-dlq").await[0].body, Pointer { bucket, ..pointer }.to_body());
    assert_eq!(other.backend.store().blobs().get(&key, 1 << 20).await.unwrap(), envelope(1));
}
