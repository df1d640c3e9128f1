//! Dead letters: looking at them and moving them loses none and changes none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use sendoff_consumers::{
    DeadLetter, DeadLetterKind, DeadLetters, DeadLettersError, Destination, FAILURE_ATTRIBUTE, IdempotencyKey,
    NewMessage, OutgoingLetter, Queue, QueueError, REPLAY_ATTRIBUTE, Receipt, TakenLetter,
};

use super::{
    Backend,
    given::{
        assert_nothing_visible, at, event, event_id, eventually, failure, hold, message, receive, receive_copies,
        receive_one, send, soon, write,
    },
    inbox::{claim_of, won},
};

const EMAIL: &str = "email-dlq";

fn to(queue: &str) -> Destination {
    Destination::Queue(queue.to_owned())
}

/// The consumer's queue, with so many dead letters, each with another body.
async fn dead(backend: &dyn Backend, count: usize) -> Arc<dyn Queue> {
    let queue = backend.create_queue("email", None).await;
    let messages: Vec<_> = (0..count)
        .map(|n| NewMessage {
            attributes: [("type", "x.v1"), ("note", "漢字 \"1\"")].map(|(k, v)| (k.into(), v.into())).into(),
            ..message(format!("Hello, Wörld {n}!"))
        })
        .collect();
    send(&*queue, &messages).await;
    let entries: Vec<_> =
        hold(backend, &*queue, count).await.into_iter().map(|delivery| (delivery, failure("broken"))).collect();
    assert_eq!(queue.dead_letter(&entries).await, vec![Ok(()); count]);
    queue
}

/// Takes until it has `wanted` letters, no letter twice.
async fn take(backend: &dyn Backend, queue: &str, wanted: usize, hold: Duration) -> Vec<TakenLetter> {
    let letters = backend.dead_letter_queues();
    let mut held: BTreeMap<String, TakenLetter> = BTreeMap::new();
    while held.len() < wanted {
        let taken = eventually("a letter", || async {
            let taken = letters.take(queue, 10, hold).await.expect("the letters answer");
            (!taken.is_empty()).then_some(taken)
        })
        .await;
        held.extend(taken.into_iter().map(|taken| (taken.letter.message_id.clone(), taken)));
    }
    assert_eq!(held.len(), wanted, "more letters came than there are");
    held.into_values().collect()
}

/// Checks that no letter can be taken now.
async fn assert_none_free(backend: &dyn Backend, queue: &str, why: &str) {
    let taken = backend.dead_letter_queues().take(queue, 10, Duration::from_secs(1)).await;
    assert_eq!(taken.expect("the letters answer"), [], "{why}");
}

fn receipts(held: &[TakenLetter]) -> Vec<Receipt> {
    held.iter().map(|taken| taken.receipt.clone()).collect()
}

/// What is sent when a letter is replayed.
fn copy(queue: &str, letter: &DeadLetter) -> OutgoingLetter {
    let mut attributes = letter.attributes.clone();
    attributes.remove(FAILURE_ATTRIBUTE);
    attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
    OutgoingLetter { attributes, ..same(queue, letter) }
}

/// A letter as it is.
fn same(queue: &str, letter: &DeadLetter) -> OutgoingLetter {
    OutgoingLetter {
        body: letter.body.clone(),
        attributes: letter.attributes.clone(),
        types: letter.types.clone(),
        group: letter.group.clone(),
        dedup: format!("{}-1", letter.message_id),
        copy_of: Some((queue.to_owned(), letter.message_id.clone())),
    }
}

async fn sent(letters: &dyn DeadLetters, to: &Destination, all: &[OutgoingLetter]) -> Vec<String> {
    letters.send(to, all).await.into_iter().map(|sent| sent.expect("it is sent")).collect()
}

pub(super) async fn every_letter_is_taken_once_and_is_hidden_while_it_is_held(backend: &dyn Backend) {
    dead(backend, 25).await;
    let held = take(backend, EMAIL, 25, backend.tick() * 30).await;
    let bodies: BTreeSet<_> = held.iter().map(|taken| taken.letter.body.clone()).collect();
    assert_eq!(bodies.len(), 25);
    for TakenLetter { letter, .. } in &held {
        assert_eq!((&*letter.attributes["type"], &*letter.attributes["note"]), ("x.v1", "漢字 \"1\""));
        assert!(letter.attributes.contains_key(FAILURE_ATTRIBUTE) && letter.receive_count > 0, "{letter:?}");
    }
    assert_none_free(backend, EMAIL, "all are held").await;
}

pub(super) async fn two_takers_at_once_never_hold_the_same_letter(backend: &dyn Backend) {
    dead(backend, 20).await;
    let hold = backend.tick() * 30;
    let takers = (0..4).map(|_| {
        let letters = backend.dead_letter_queues();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..10 {
                let taken = letters.take(EMAIL, 3, hold).await.expect("the letters answer");
                ids.extend(taken.into_iter().map(|taken| taken.letter.message_id));
            }
            ids
        })
    });
    let mut ids: Vec<String> = Vec::new();
    for taker in join_all(takers).await {
        ids.extend(taker.expect("no panic"));
    }
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    assert!(!ids.is_empty());
}

pub(super) async fn a_letter_that_is_given_back_can_be_taken_at_once(backend: &dyn Backend) {
    dead(backend, 2).await;
    let held = take(backend, EMAIL, 2, backend.tick() * 30).await;
    let letters = backend.dead_letter_queues();
    assert_eq!(letters.hold(EMAIL, &receipts(&held), Duration::ZERO).await, [Ok(()), Ok(())]);
    let again = take(backend, EMAIL, 2, backend.tick() * 30).await;
    let content = |all: &[TakenLetter]| {
        let one = |t: &TakenLetter| (t.letter.message_id.clone(), t.letter.body.clone(), t.letter.attributes.clone());
        all.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(content(&again), content(&held));
}

pub(super) async fn a_lease_that_ends_frees_its_letter_and_one_that_is_held_on_does_not(backend: &dyn Backend) {
    dead(backend, 2).await;
    let mut held = take(backend, EMAIL, 2, backend.tick() * 2).await;
    let (kept, left) = (held.remove(0), held.remove(0));
    let letters = backend.dead_letter_queues();
    assert_eq!(letters.hold(EMAIL, std::slice::from_ref(&kept.receipt), backend.tick() * 30).await, [Ok(())]);
    backend.advance(backend.tick() * 3).await;
    let again = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    assert_eq!(again.letter.message_id, left.letter.message_id);
    assert_none_free(backend, EMAIL, "one is held on, one was taken again").await;
    assert_eq!(letters.delete(EMAIL, &[kept.receipt, again.receipt]).await, [Ok(()), Ok(())]);
}

pub(super) async fn a_deleted_letter_never_comes_back(backend: &dyn Backend) {
    dead(backend, 3).await;
    let held = take(backend, EMAIL, 3, backend.tick() * 2).await;
    let letters = backend.dead_letter_queues();
    assert_eq!(letters.delete(EMAIL, &receipts(&held[1..])).await, [Ok(()), Ok(())]);
    backend.advance(backend.tick() * 3).await;
    let left = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    assert_eq!(left.letter.message_id, held[0].letter.message_id);
    assert_none_free(backend, EMAIL, "the others were deleted").await;
}

pub(super) async fn a_letter_belongs_to_whoever_took_it_last(backend: &dyn Backend) {
    dead(backend, 1).await;
    let first = take(backend, EMAIL, 1, backend.tick()).await.remove(0);
    backend.advance(backend.tick() * 2).await;
    let second = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let letters = backend.dead_letter_queues();
    let stale = [first.receipt];
    assert_eq!(letters.hold(EMAIL, &stale, Duration::ZERO).await, [Err(QueueError::Stale)]);
    assert_eq!(letters.delete(EMAIL, &stale).await, [Err(QueueError::Stale)]);
    assert_none_free(backend, EMAIL, "the second holds it").await;
    assert_eq!(letters.delete(EMAIL, &[second.receipt]).await, [Ok(())]);
}

pub(super) async fn a_look_without_leases_gives_every_letter_once_and_touches_none(backend: &dyn Backend) {
    dead(backend, 12).await;
    let letters = backend.dead_letter_queues();
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        // Where there is none, every look is a lease, and the promises about leases hold.
        let Some(page) = letters.read(EMAIL, after.as_deref(), 5).await.expect("the letters answer") else { return };
        let Some(last) = page.last() else { break };
        after = Some(last.message_id.clone());
        seen.extend(page);
    }
    let ids: BTreeSet<_> = seen.iter().map(|letter| &letter.message_id).collect();
    assert_eq!((seen.len(), ids.len()), (12, 12));
    let held = take(backend, EMAIL, 12, backend.tick() * 30).await;
    for TakenLetter { letter, .. } in held {
        let seen = seen.iter().find(|seen| seen.message_id == letter.message_id).expect("it was seen");
        assert_eq!(DeadLetter { receive_count: letter.receive_count - 1, ..letter }, *seen);
    }
}

pub(super) async fn letters_that_are_asked_for_by_their_ids_are_taken_and_no_others(backend: &dyn Backend) {
    dead(backend, 3).await;
    let (letters, hold) = (backend.dead_letter_queues(), backend.tick() * 30);
    let held = take(backend, EMAIL, 3, hold).await;
    letters.hold(EMAIL, &receipts(&held[..2]), Duration::ZERO).await;
    let ids: Vec<_> = held.iter().skip(1).map(|taken| taken.letter.message_id.clone()).collect();
    let asked = [&*ids, &["no such id".to_owned()]].concat();
    let Some(taken) = letters.take_these(EMAIL, &asked, hold).await.expect("the letters answer") else { return };
    let taken: Vec<_> = taken.into_iter().map(|taken| taken.letter.message_id).collect();
    assert_eq!(taken, ids[..1], "the third is held");
    assert_eq!(take(backend, EMAIL, 1, hold).await[0].letter.message_id, held[0].letter.message_id);
}

pub(super) async fn a_letter_that_is_sent_to_its_consumer_arrives_as_it_was(backend: &dyn Backend) {
    let queue = dead(backend, 1).await;
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let letters = backend.dead_letter_queues();
    let replayed = copy(EMAIL, &held.letter);
    assert_eq!(sent(&*letters, &to("email"), std::slice::from_ref(&replayed)).await.len(), 1);
    assert_eq!(letters.delete(EMAIL, &[held.receipt]).await, [Ok(())]);
    let arrived = receive_one(backend, &*queue).await;
    assert_eq!((&arrived.body, &arrived.attributes), (&replayed.body, &replayed.attributes));
    assert_eq!(arrived.receive_count, 1, "its receives count anew");
    assert_none_free(backend, EMAIL, "it was deleted").await;
}

pub(super) async fn a_letter_that_is_put_aside_keeps_its_attributes_with_their_types(backend: &dyn Backend) {
    dead(backend, 1).await;
    let letters = backend.dead_letter_queues();
    for _ in 0..2 {
        letters.create("email-quarantine").await.expect("it can be made, and made again");
    }
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let mut letter = same(EMAIL, &held.letter);
    letter.attributes.extend([("count".into(), "17".into()), ("bytes".into(), "AP8=".into())]);
    letter.types.extend([("count".into(), "Number".into()), ("bytes".into(), "Binary".into())]);
    letter.group = Some("acme".into());
    sent(&*letters, &to("email-quarantine"), std::slice::from_ref(&letter)).await;
    let aside = take(backend, "email-quarantine", 1, backend.tick() * 30).await.remove(0).letter;
    let all = |attributes: &sendoff_consumers::Attributes| {
        let told = attributes.get(FAILURE_ATTRIBUTE).map(|text| serde_json::from_str::<serde_json::Value>(text));
        (told.map(|told| told.expect("JSON")), attributes.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!((&aside.body, all(&aside.attributes)), (&letter.body, all(&letter.attributes)));
    assert_eq!((&aside.types, &aside.group), (&letter.types, &letter.group));
    for name in ["count", "bytes", "note", "type"] {
        assert_eq!(aside.attributes[name], letter.attributes[name], "{name}");
    }
}

pub(super) async fn what_is_sent_twice_is_there_twice_under_two_ids(backend: &dyn Backend) {
    let queue = dead(backend, 1).await;
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let letters = backend.dead_letter_queues();
    let replayed = copy(EMAIL, &held.letter);
    let mut ids = sent(&*letters, &to("email"), std::slice::from_ref(&replayed)).await;
    ids.extend(sent(&*letters, &to("email"), &[replayed]).await);
    assert_ne!(ids[0], ids[1]);
    let arrived = receive(backend, &*queue, 2).await;
    let arrived: BTreeSet<_> = arrived.into_iter().map(|delivery| delivery.message_id).collect();
    assert_eq!(arrived, ids.into_iter().collect());
}

pub(super) async fn a_letter_of_an_event_carries_it_and_so_does_its_copy(backend: &dyn Backend) {
    let queue = backend.create_queue("email", Some(sendoff_consumers::Filter::default())).await;
    let event = event(backend);
    assert_eq!(backend.publisher().publish(std::slice::from_ref(&event)).await, [Ok(())]);
    let delivery = receive_copies(backend, &*queue).await.remove(0);
    assert_eq!(queue.dead_letter(&[(delivery.clone(), failure("broken"))]).await, [Ok(())]);
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    assert_eq!(held.letter.body, event.body());
    let letters = backend.dead_letter_queues();
    sent(&*letters, &to("email"), &[copy(EMAIL, &held.letter)]).await;
    let mut attributes = delivery.attributes.clone();
    attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
    let arrived = eventually("the copy", || async {
        let received = queue.receive(10, Duration::ZERO, backend.tick()).await.expect("the queue answers");
        received.into_iter().find(|received| received.attributes.contains_key(REPLAY_ATTRIBUTE))
    })
    .await;
    assert_eq!((&arrived.body, &arrived.attributes), (event.body(), &attributes));
}

pub(super) async fn the_topic_passes_a_letter_on_to_those_who_want_it(backend: &dyn Backend) {
    use sendoff_consumers::Filter;
    dead(backend, 1).await;
    let wants = backend.create_queue("wants", Some(Filter::event_types(["app.assigned"]))).await;
    let other = backend.create_queue("other", Some(Filter::event_types(["submission.created"]))).await;
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let mut letter = copy(EMAIL, &held.letter);
    letter.attributes.insert("type".into(), "app.assigned.v1".into());
    let letters = backend.dead_letter_queues();
    sent(&*letters, &Destination::Topic, std::slice::from_ref(&letter)).await;
    let arrived = receive_copies(backend, &*wants).await.remove(0);
    assert_eq!((&arrived.body, &arrived.attributes), (&letter.body, &letter.attributes));
    assert_nothing_visible(&*other, "it wants others").await;
    let subscribers = letters.subscribers().await.expect("the letters answer");
    let wanting: Vec<_> = subscribers
        .iter()
        .filter(|subscriber| subscriber.filter.as_ref().expect("it can be read").accepts(&letter.attributes))
        .map(|subscriber| subscriber.queue.as_str())
        .collect();
    assert_eq!((wanting, subscribers.len()), (vec!["wants"], 2));
}

pub(super) async fn queues_are_listed_with_whose_they_are_and_how_full(backend: &dyn Backend) {
    dead(backend, 3).await;
    let letters = backend.dead_letter_queues();
    letters.create("email-quarantine").await.expect("made");
    let held = eventually("a letter", || async {
        let held = letters.take(EMAIL, 1, backend.tick() * 30).await.expect("the letters answer");
        (!held.is_empty()).then_some(held)
    })
    .await;
    let since = at(backend) - Duration::from_secs(3600);
    let listed = eventually("the list", || async {
        let queues = letters.queues(since).await.expect("the letters answer");
        let email = queues.iter().find(|queue| queue.name == EMAIL)?;
        (email.waiting + email.in_flight == 3 && email.in_flight == held.len() as u64).then_some(queues)
    })
    .await;
    let kind = |name: &str| listed.iter().find(|queue| queue.name == name).map(|queue| queue.kind.clone());
    assert_eq!(kind(EMAIL), Some(DeadLetterKind::Consumer("email".into())));
    assert_eq!(kind("email-quarantine"), Some(DeadLetterKind::Quarantine("email".into())));
    let one = letters.queue(EMAIL, since).await.expect("it is there");
    assert_eq!((&*one.name, &one.kind), (EMAIL, &DeadLetterKind::Consumer("email".into())));
    if let Some(facts) = &one.facts {
        assert_eq!((facts.arrived, &facts.reasons), (3, &vec![(Some("broken".into()), 3)]));
        assert!(facts.oldest.is_some());
    }
}

pub(super) async fn a_queue_that_is_not_there_is_told_by_its_name(backend: &dyn Backend) {
    dead(backend, 1).await;
    let letters = backend.dead_letter_queues();
    let missing = || DeadLettersError::NoSuchQueue("nobody-dlq".into());
    assert_eq!(letters.take("nobody-dlq", 1, backend.tick()).await, Err(missing()));
    assert_eq!(letters.queue("nobody-dlq", at(backend)).await, Err(missing()));
    let held = take(backend, EMAIL, 1, backend.tick() * 30).await.remove(0);
    let sent = letters.send(&to("nobody"), &[copy(EMAIL, &held.letter)]).await;
    assert!(matches!(&sent[..], [Err(_)]), "{sent:?}");
}

pub(super) async fn the_backlog_of_a_queue_counts_what_waits(backend: &dyn Backend) {
    let queue = backend.create_queue("email", None).await;
    send(&*queue, &["a", "b"].map(message)).await;
    let letters = backend.dead_letter_queues();
    eventually("the backlog", || async {
        let backlog = letters.backlog("email").await.expect("the letters answer");
        (backlog.waiting == 2 && backlog.in_flight == 0).then_some(())
    })
    .await;
}

pub(super) async fn the_ledger_is_in_the_order_that_was_asked_for_and_tells_what_is_not_there(backend: &dyn Backend) {
    let keys: Vec<_> = (0..130).map(|_| IdempotencyKey::new("email", event_id(backend))).collect();
    let mut records = BTreeMap::new();
    for key in keys.iter().step_by(13).rev() {
        records.insert(key.clone(), won(backend, &claim_of(key, 1, at(backend))).await);
    }
    let ledger = backend.dead_letter_queues().ledger(&keys).await.expect("the ledger answers");
    assert_eq!(ledger, keys.iter().map(|key| records.get(key).cloned()).collect::<Vec<_>>());
    assert_eq!(backend.dead_letter_queues().ledger(&[]).await, Ok(vec![]));
}

pub(super) async fn a_change_that_was_parked_is_a_letter_of_its_reaction(backend: &dyn Backend) {
    super::given::commit(backend, vec![write("a", sendoff_producers::Expected::Absent, serde_json::json!(1))]).await;
    let changes = backend.changes();
    let change = eventually("the change", || async {
        let read = changes.read("timeline", 10, Duration::ZERO).await.expect("the stream answers");
        read.into_iter().next()
    })
    .await;
    soon("parking", changes.park("timeline", &change, &failure("broken"))).await.expect("parked");
    let held = take(backend, "timeline-dlq", 1, backend.tick() * 30).await.remove(0);
    assert!(held.letter.attributes.contains_key(FAILURE_ATTRIBUTE));
    let letters = backend.dead_letter_queues();
    assert_eq!(letters.delete("timeline-dlq", &[held.receipt]).await, [Ok(())]);
    assert!(backend.dead_letters("timeline").await.is_empty());
}
