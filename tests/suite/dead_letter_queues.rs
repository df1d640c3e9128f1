//! The port to dead-letter queues over SQS: what only SQS has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aws_sdk_sqs::types::QueueAttributeName;
use sendoff_aws::{Aws, Store};
use sendoff_consumers::{
    Attributes, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, Destination, FAILURE_ATTRIBUTE, Filter,
    IdempotencyKey, OutgoingLetter, QueueError, Receipt, TakenLetter,
};
use sendoff_events::{EventId, Timestamp};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    faults::{FaultyHttp, Weather},
    servers::Emulator,
    simulation::World,
};

const HOLD: Duration = Duration::from_secs(60);

fn letter(n: usize) -> OutgoingLetter {
    let own =
        |all: &[(&str, &str)]| all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Attributes>();
    OutgoingLetter {
        body: format!("letter {n} \u{fc}").into(),
        attributes: own(&[
            ("type", "app.assigned.v1"),
            ("count", "17"),
            ("bytes", "AP8="),
            (FAILURE_ATTRIBUTE, r#"{"sent_at":"2020-01-01T00:00:00Z"}"#),
            ("AWSTraceHeader", "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ]),
        types: BTreeMap::from([("count".into(), "Number".into()), ("bytes".into(), "Binary".into())]),
        group: None,
        dedup: format!("d-{n}"),
        copy_of: None,
    }
}

/// What the emulator makes of it: ministack 1.5.33 drops the trace header of a message in a batch.
fn traceless(mut letter: OutgoingLetter) -> OutgoingLetter {
    letter.attributes.remove("AWSTraceHeader");
    letter
}

fn to(name: &str) -> Destination {
    Destination::Queue(name.to_owned())
}

async fn put(letters: &dyn DeadLetters, queue: &str, count: usize) -> BTreeSet<String> {
    let all: Vec<OutgoingLetter> = (0..count).map(letter).collect();
    letters.send(&to(queue), &all).await.into_iter().map(Result::unwrap).collect()
}

async fn all(letters: &dyn DeadLetters, queue: &str) -> Vec<TakenLetter> {
    let mut taken = Vec::new();
    loop {
        let some = letters.take(queue, 1000, HOLD).await.unwrap();
        if some.is_empty() {
            return taken;
        }
        taken.extend(some);
    }
}

fn receipts(taken: &[TakenLetter]) -> Vec<Receipt> {
    taken.iter().map(|one| one.receipt.clone()).collect()
}

async fn set(store: &Store, queue: &str, name: QueueAttributeName, value: &str) {
    let url = store.resources().queue_url(queue);
    store.aws().sqs().set_queue_attributes().queue_url(url).attributes(name, value).send().await.unwrap();
}

fn redrive(store: &Store, to: &str) -> String {
    let name = store.resources().queue_url(to);
    let name = name.rsplit('/').next().unwrap();
    format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:{}:{}:{name}","maxReceiveCount":5}}"#,
        Emulator::REGION,
        Emulator::ACCOUNT
    )
}

#[tokio::test]
async fn every_dead_letter_queue_is_listed_with_whose_it_is_and_what_would_do_harm() {
    let backend = OnAws::open().await;
    let (store, letters) = (backend.store(), backend.store().dead_letter_queues());
    backend.create_queue("email", None).await;
    backend.create_queue("imports", None).await;
    backend.create_queue("failed", None).await;
    set(store, "imports", QueueAttributeName::RedrivePolicy, &redrive(store, "failed")).await;
    set(store, "email", QueueAttributeName::RedrivePolicy, &redrive(store, "email-dlq")).await;
    set(store, "email-dlq", QueueAttributeName::RedrivePolicy, &redrive(store, "failed-dlq")).await;
    set(store, "email-dlq", QueueAttributeName::MessageRetentionPeriod, "1209600").await;
    letters.create("email-quarantine").await.unwrap();
    letters.create("email-quarantine").await.unwrap();
    assert!(matches!(letters.create("email").await, Err(DeadLettersError::Refused(_))));
    put(&*letters, "email-dlq", 3).await;

    let queues = letters.queues(Timestamp::UNIX_EPOCH).await.unwrap();
    let kinds: Vec<(&str, &DeadLetterKind)> = queues.iter().map(|queue| (&*queue.name, &queue.kind)).collect();
    let of = |name: &str| DeadLetterKind::Consumer(name.to_owned());
    let expected = [
        ("email-dlq", &of("email")),
        ("email-quarantine", &DeadLetterKind::Quarantine("email".into())),
        ("failed", &of("imports")),
        ("failed-dlq", &of("failed")),
        ("imports-dlq", &of("imports")),
        ("timeline-dlq", &DeadLetterKind::Reaction("timeline".into())),
    ];
    assert_eq!(kinds, expected);
    let email: &DeadLetterQueue = &queues[0];
    assert_eq!((email.waiting, email.in_flight, &email.facts), (3, 0, &None));
    assert_eq!(email.retention, Some(Duration::from_secs(14 * 86_400)));
    assert!(email.untouchable.as_ref().is_some_and(|why| why.contains("failed-dlq")), "{email:?}");
    assert_eq!((&queues[1].untouchable, queues[1].retention), (&None, Some(Duration::from_secs(14 * 86_400))));

    let one = letters.queue("timeline-dlq", Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(one, queues[5]);
    let url = store.resources().queue_url("failed");
    assert_eq!(letters.queue(&url, Timestamp::UNIX_EPOCH).await.unwrap(), queues[2], "a URL of ours has a name");
    let elsewhere = format!("{}/{}/elsewhere", Emulator::shared().endpoint(), Emulator::ACCOUNT);
    for missing in ["nobody-dlq", "email", &elsewhere] {
        let error = letters.queue(missing, Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert_eq!(error, DeadLettersError::NoSuchQueue(missing.into()));
    }
    let error = letters.take("nobody-dlq", 10, HOLD).await.unwrap_err();
    assert_eq!(error, DeadLettersError::NoSuchQueue("nobody-dlq".into()));
    assert!(letters.deployment().contains(Emulator::ACCOUNT), "{}", letters.deployment());
}

#[tokio::test]
async fn letters_are_leased_given_back_and_moved_as_they_are_with_the_types_of_their_attributes() {
    let backend = OnAws::open().await;
    let letters = backend.store().dead_letter_queues();
    backend.create_queue("email", None).await;
    let ids = put(&*letters, "email-dlq", 137).await;
    assert_eq!(ids.len(), 137);
    assert_eq!(letters.read("email-dlq", None, 10).await, Ok(None), "there is no look without a lease");

    let few = letters.take("email-dlq", 7, HOLD).await.unwrap();
    assert_eq!(few.len(), 7, "never more than were asked for");
    assert!(letters.hold("email-dlq", &receipts(&few), Duration::ZERO).await.into_iter().all(|one| one.is_ok()));
    let taken = all(&*letters, "email-dlq").await;
    assert_eq!(taken.iter().map(|one| one.letter.message_id.clone()).collect::<BTreeSet<_>>(), ids);
    assert_eq!(taken.len(), 137, "none twice");
    let given = traceless(letter(0));
    for one in &taken {
        assert_eq!((&one.letter.attributes, &one.letter.types), (&given.attributes, &given.types));
        assert!(one.letter.enqueued_at > "2026-01-01T00:00:00Z".parse().unwrap(), "what its retention counts from");
    }
    let seen_twice: u32 = taken.iter().map(|one| one.letter.receive_count - 1).sum();
    assert_eq!(seen_twice, 7);

    let copies: Vec<OutgoingLetter> = taken
        .iter()
        .map(|one| OutgoingLetter {
            body: one.letter.body.clone(),
            attributes: one.letter.attributes.clone(),
            types: one.letter.types.clone(),
            group: one.letter.group.clone(),
            dedup: "unused".into(),
            copy_of: None,
        })
        .collect();
    assert!(letters.send(&to("email"), &copies).await.into_iter().all(|one| one.is_ok()));
    assert!(letters.delete("email-dlq", &receipts(&taken)).await.into_iter().all(|one| one.is_ok()));
    let backlog = letters.backlog("email").await.unwrap();
    assert_eq!((backlog.waiting, backlog.in_flight, backlog.oldest), (137, 0, None));
    assert_eq!(all(&*letters, "email-dlq").await, []);
    let moved = all(&*letters, "email").await;
    assert_eq!(
        moved.iter().map(|one| one.letter.body.clone()).collect::<BTreeSet<_>>(),
        (0..137).map(|n| letter(n).body).collect()
    );
    assert_eq!((&moved[0].letter.attributes, &moved[0].letter.types), (&given.attributes, &given.types));
}

#[tokio::test]
async fn what_sqs_would_refuse_is_refused_alone() {
    let backend = OnAws::open().await;
    let letters = backend.store().dead_letter_queues();
    backend.create_queue("email", None).await;
    let wrong = OutgoingLetter { body: vec![0xff].into(), ..letter(1) };
    let sent = letters.send(&to("email"), &[letter(0), wrong, letter(2)]).await;
    assert!(matches!(&sent[..], [Ok(_), Err(QueueError::Refused(_)), Ok(_)]), "{sent:?}");
    let sent = letters.send(&to("nobody"), &[letter(0)]).await;
    assert!(matches!(&sent[..], [Err(_)]), "{sent:?}");
    assert_eq!(letters.send(&to("email"), &[]).await, []);
}

#[tokio::test]
async fn a_first_in_first_out_queue_keeps_groups_and_order_and_drops_only_the_same_send() {
    let backend = OnAws::open().await;
    let (store, letters) = (backend.store(), backend.store().dead_letter_queues());
    for name in ["orders.fifo", "orders-dlq.fifo"] {
        let url = store.resources().queue_url(name);
        let create = store.aws().sqs().create_queue().queue_name(url.rsplit('/').next().unwrap());
        create.attributes(QueueAttributeName::FifoQueue, "true").send().await.unwrap();
    }
    let queue = letters.queue("orders-dlq.fifo", Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((queue.fifo, queue.kind), (true, DeadLetterKind::Consumer("orders.fifo".into())));
    let no_group = letters.send(&to("orders.fifo"), &[letter(0)]).await;
    assert!(matches!(&no_group[..], [Err(QueueError::Refused(why))] if why.contains("group")), "{no_group:?}");
    let given: Vec<_> = (0..25).map(|n| OutgoingLetter { group: Some(format!("g{}", n % 2)), ..letter(n) }).collect();
    for _ in 0..2 {
        assert!(letters.send(&to("orders.fifo"), &given).await.into_iter().all(|one| one.is_ok()));
    }
    let mut seen: BTreeMap<String, Vec<bytes::Bytes>> = BTreeMap::new();
    loop {
        let taken = letters.take("orders.fifo", 10, HOLD).await.unwrap();
        if taken.is_empty() {
            break;
        }
        for one in &taken {
            seen.entry(one.letter.group.clone().unwrap()).or_default().push(one.letter.body.clone());
        }
        assert!(letters.delete("orders.fifo", &receipts(&taken)).await.into_iter().all(|one| one.is_ok()));
    }
    for (n, group) in ["g0", "g1"].into_iter().enumerate() {
        let expected: Vec<_> = (0..25).filter(|m| m % 2 == n).map(|m| letter(m).body).collect();
        assert_eq!(seen[group], expected);
    }
}

#[tokio::test]
async fn the_topic_passes_letters_on_to_those_who_want_them_and_says_who_they_are() {
    let backend = OnAws::open().await;
    let letters = backend.store().dead_letter_queues();
    let wants = Filter::event_types(["app.assigned"]);
    backend.create_queue("email", Some(wants.clone())).await;
    backend.create_queue("audit", Some(Filter::default())).await;
    let subscribers = letters.subscribers().await.unwrap();
    let told: Vec<_> = subscribers.iter().map(|one| (&*one.queue, one.filter.clone())).collect();
    assert_eq!(told, [("audit", Some(Filter::default())), ("email", Some(wants))]);

    let other = {
        let mut other = letter(1);
        other.attributes.insert("type".into(), "submission.created.v1".into());
        other
    };
    let sent = letters.send(&Destination::Topic, &[letter(0), other]).await;
    assert!(sent.iter().all(|one| one.as_ref().is_ok_and(|id| !id.is_empty())), "{sent:?}");
    let email = all(&*letters, "email").await;
    assert_eq!(email.len(), 1);
    assert_eq!((&email[0].letter.body, &email[0].letter.types), (&letter(0).body, &letter(0).types));
    assert_eq!(all(&*letters, "audit").await.len(), 2);
}

#[tokio::test]
async fn the_ledger_tells_of_many_jobs_in_their_order_and_of_one_twice() {
    let backend = OnAws::open().await;
    let letters = backend.store().dead_letter_queues();
    let key = |n: u8| IdempotencyKey::new("email", EventId::from_bytes([n; 16]));
    let known = super::inbox_table::left_in_doubt(&backend, &key(7)).await;
    let mut asked: Vec<IdempotencyKey> = (0..220).map(key).collect();
    asked.push(key(7));
    let found = letters.ledger(&asked).await.unwrap();
    assert_eq!(found.len(), 221);
    for (key, found) in asked.iter().zip(found) {
        assert_eq!(found, (*key == known.key).then(|| known.clone()));
    }
    assert_eq!(letters.ledger(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn no_letter_is_lost_on_its_way_through_services_that_fail_in_every_way() {
    let backend = OnAws::open().await;
    let calm = backend.store().dead_letter_queues();
    backend.create_queue("email", None).await;
    put(&*calm, "email-dlq", 120).await;
    let weather = Arc::new(Weather::new(World::new(20_261_126).rng(), 200));
    let aws = Aws::with_http(Emulator::shared().environment(), FaultyHttp::client(weather)).unwrap();
    let stormy =
        Store::new(aws, backend.store().resources().clone(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let letters = stormy.dead_letter_queues();
    // A lease of a second brings back what an answer held that was lost.
    for _ in 0..200 {
        let Ok(taken) = letters.take("email-dlq", 40, Duration::from_secs(1)).await else { continue };
        if taken.is_empty() && calm.queue("email-dlq", Timestamp::UNIX_EPOCH).await.unwrap().waiting == 0 {
            let queue = calm.queue("email-dlq", Timestamp::UNIX_EPOCH).await.unwrap();
            if queue.waiting + queue.in_flight == 0 {
                break;
            }
        }
        let copies: Vec<_> = taken
            .iter()
            .map(|one| OutgoingLetter {
                body: one.letter.body.clone(),
                attributes: one.letter.attributes.clone(),
                types: one.letter.types.clone(),
                group: None,
                dedup: "unused".into(),
                copy_of: None,
            })
            .collect();
        let sent = letters.send(&to("email"), &copies).await;
        let gone: Vec<Receipt> =
            taken.iter().zip(sent).filter(|(_, sent)| sent.is_ok()).map(|(one, _)| one.receipt.clone()).collect();
        letters.delete("email-dlq", &gone).await;
    }
    assert_eq!(all(&*calm, "email-dlq").await, []);
    let arrived: BTreeSet<_> = all(&*calm, "email").await.into_iter().map(|one| one.letter.body).collect();
    assert_eq!(arrived, (0..120).map(|n| letter(n).body).collect());
}
