//! Dead letters, as whoever repairs them sees and moves them.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Attributes, DeadLetter, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, Destination,
    FAILURE_ATTRIBUTE, OutgoingLetter, QueueError, REPLAY_ATTRIBUTE,
};
use sendoff_events::{Clock as _, Outgoing};

use super::{Bench, LEASE, failure, message, receive};
use crate::{DeliveryState, Store, StoreError, StoreOptions};

const EMAIL: &str = "email-dlq";

/// As it was, for another run.
fn copy(queue: &str, letter: &DeadLetter) -> OutgoingLetter {
    let mut attributes = letter.attributes.clone();
    attributes.remove(FAILURE_ATTRIBUTE);
    attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
    OutgoingLetter {
        body: letter.body.clone(),
        attributes,
        types: letter.types.clone(),
        group: letter.group.clone(),
        dedup: format!("{}-1", letter.message_id),
        copy_of: Some((queue.to_owned(), letter.message_id.clone())),
    }
}

fn to(queue: &str) -> Destination {
    Destination::Queue(queue.into())
}

/// A dead letter for `email` about a published event.
async fn dead_event(bench: &Bench) -> Outgoing {
    let queue = bench.subscribed("email").await;
    let event = bench.event("crm", None);
    bench.store.publisher().publish(std::slice::from_ref(&event)).await.remove(0).unwrap();
    let delivery = receive(&*queue, 1).await.remove(0);
    queue.dead_letter(&[(delivery, failure("bad-template"))]).await.remove(0).unwrap();
    event
}

/// A dead letter for `email` for each reason, in order.
async fn dead(bench: &Bench, reasons: &[&str]) -> Vec<String> {
    let queue = bench.store.queue("email").await.unwrap();
    let messages: Vec<_> = reasons.iter().map(|reason| message(reason)).collect();
    queue.send(&messages).await;
    let held = receive(&*queue, reasons.len()).await;
    let ids = held.iter().map(|delivery| delivery.message_id.clone()).collect();
    let entries: Vec<_> = held.into_iter().zip(reasons).map(|(delivery, reason)| (delivery, failure(reason))).collect();
    queue.dead_letter(&entries).await;
    ids
}

async fn only(letters: &Arc<dyn DeadLetters>, bench: &Bench, name: &str) -> DeadLetterQueue {
    letters.queue(name, bench.clock.now()).await.unwrap()
}

#[tokio::test]
async fn a_look_takes_nothing_and_pages_go_on_past_the_tenth_id() {
    let bench = Bench::new();
    let ids = dead(&bench, &["x"; 12]).await;
    let letters = bench.store.dead_letter_queues();
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = letters.read(EMAIL, after.as_deref(), 5).await.unwrap().unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.message_id.clone());
        seen.extend(page.into_iter().map(|letter| (letter.message_id, letter.receive_count)));
    }
    assert_eq!(seen, ids.into_iter().map(|id| (id, 1)).collect::<Vec<_>>());
    let strange = letters.read(EMAIL, Some("\u{1b}[2J"), 5).await.unwrap_err().to_string();
    assert!(strange.contains("is no message id") && !strange.contains('\u{1b}'), "{strange}");
}

#[tokio::test]
async fn the_queues_tell_how_full_and_old_they_are_what_came_and_why_it_failed() {
    let bench = Bench::new();
    dead(&bench, &["x", "y"]).await;
    bench.clock.advance(LEASE);
    let middle = bench.clock.now();
    dead(&bench, &["y"]).await;
    bench.store.queue("sms").await.unwrap();
    bench.store.queue("email-dlq").await.unwrap().send(&[message("by hand")]).await[0].as_ref().unwrap();
    let letters = bench.store.dead_letter_queues();
    let held = letters.take(EMAIL, 1, LEASE).await.unwrap();
    assert_eq!(held.len(), 1);

    let queues = letters.queues(middle).await.unwrap();
    let kinds: Vec<_> = queues.iter().map(|queue| (queue.name.as_str(), queue.kind.clone())).collect();
    let consumer = |name: &str| DeadLetterKind::Consumer(name.into());
    assert_eq!(kinds, [("email-dlq", consumer("email")), ("sms-dlq", consumer("sms"))]);
    let email = &queues[0];
    assert_eq!((email.waiting, email.in_flight, email.retention), (3, 1, None));
    let facts = email.facts.as_ref().unwrap();
    assert_eq!((facts.oldest, facts.arrived), (Some(middle - LEASE), 2));
    let reasons: Vec<_> = facts.reasons.iter().map(|(reason, count)| (reason.as_deref(), *count)).collect();
    assert_eq!(reasons, [(Some("y"), 2), (None, 1), (Some("x"), 1)]);
    let none = queues[1].facts.as_ref().unwrap();
    assert_eq!((none.oldest, none.arrived, none.reasons.len()), (None, 0, 0));
}

#[tokio::test]
async fn a_copy_of_an_events_letter_belongs_to_the_event_and_leaves_its_life_whole() {
    let bench = Bench::new();
    let event = dead_event(&bench).await;
    let letters = bench.store.dead_letter_queues();
    let held = letters.take(EMAIL, 10, LEASE).await.unwrap().remove(0);
    let sent = letters.send(&to("email"), &[copy(EMAIL, &held.letter)]).await.remove(0).unwrap();
    letters.delete(EMAIL, &[held.receipt]).await.remove(0).unwrap();

    let life = bench.store.event_deliveries(event.id()).await.unwrap();
    assert_eq!(life.len(), 1);
    assert_eq!((&life[0].message_id, &*life[0].queue, &life[0].state), (&sent, "email", &DeliveryState::Queued));
    let back = receive(&*bench.store.queue("email").await.unwrap(), 1).await.remove(0);
    assert_eq!((&back.body, back.receive_count), (event.body(), 1));
    assert_eq!(
        back.attributes,
        [("replay", "1"), ("tenant", "acme"), ("type", "app.assigned.v1")].map(|(k, v)| (k.into(), v.into())).into()
    );
    let own: (Option<Vec<u8>>, String) = bench
        .connection()
        .query_row("SELECT body, attributes FROM messages", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(own, (None, r#"{"replay":"1"}"#.into()), "the event's body isn't kept twice");
}

#[tokio::test]
async fn a_letter_that_comes_from_elsewhere_belongs_to_its_event_unless_anything_of_it_differs() {
    let bench = Bench::new();
    let event = dead_event(&bench).await;
    let letters = bench.store.dead_letter_queues();
    let letter = bench.letters(EMAIL).await.remove(0);
    let elsewhere = OutgoingLetter { copy_of: None, ..copy(EMAIL, &letter) };
    let mut other_type = elsewhere.clone();
    other_type.attributes.insert("type".into(), "x".into());
    let mut other_body = elsewhere.clone();
    other_body.body = [&elsewhere.body[..], b" "].concat().into();
    let mut no_tenant = copy(EMAIL, &letter);
    no_tenant.attributes.remove("tenant");
    let all = [elsewhere, other_type, other_body, no_tenant];
    let sent: Vec<_> = letters.send(&to(EMAIL), &all).await.into_iter().map(Result::unwrap).collect();
    let life = bench.store.event_deliveries(event.id()).await.unwrap();
    let life: Vec<_> = life.iter().map(|delivery| delivery.message_id.as_str()).collect();
    assert_eq!(life, [&*letter.message_id, &*sent[0]]);
    for (sent, stored) in all.iter().zip(bench.letters(EMAIL).await.iter().skip(1)) {
        assert_eq!((&stored.body, &stored.attributes), (&sent.body, &sent.attributes));
    }
}

#[tokio::test]
async fn an_event_that_was_made_of_a_letter_is_known_once_it_is_sent_and_not_before() {
    let bench = Bench::new();
    let old = dead_event(&bench).await;
    let letters = bench.store.dead_letter_queues();
    let new = bench.event("crm", Some(old.id()));
    let edited = OutgoingLetter { body: new.body().clone(), ..copy(EMAIL, &bench.letters(EMAIL).await[0]) };
    letters.send(&to(EMAIL), std::slice::from_ref(&edited)).await.remove(0).unwrap();
    assert_eq!(bench.store.event(new.id()).await.unwrap(), None);
    for _ in 0..2 {
        letters.send(&to("email"), std::slice::from_ref(&edited)).await.remove(0).unwrap();
    }
    let found = bench.store.event(new.id()).await.unwrap().unwrap();
    assert_eq!((&found.body, found.summary.causation), (new.body(), Some(old.id())));
    assert_eq!(found.summary.published_at, Some(bench.clock.now()));
    assert_eq!(bench.store.caused_by(old.id()).await.unwrap().len(), 1);
    assert_eq!(bench.store.event_deliveries(new.id()).await.unwrap().len(), 2);
    let received = receive(&*bench.store.queue("email").await.unwrap(), 10).await;
    assert!(received.iter().all(|received| (&received.body, &received.attributes) == (new.body(), &edited.attributes)));
}

#[tokio::test]
async fn a_large_events_letter_from_elsewhere_keeps_the_event_and_its_blob() {
    let bench = Bench::with(|options| options.max_body = 100);
    let event = dead_event(&bench).await;
    let letters = bench.store.dead_letter_queues();
    let letter = bench.letters(EMAIL).await.remove(0);
    assert_eq!(letter.types, [("ExtendedPayloadSize".to_owned(), "Number".to_owned())].into());
    let held = letters.take(EMAIL, 1, LEASE).await.unwrap().remove(0);
    letters.delete(EMAIL, &[held.receipt]).await.remove(0).unwrap();
    let restored = OutgoingLetter { copy_of: None, ..copy(EMAIL, &letter) };
    letters.send(&to(EMAIL), &[restored]).await.remove(0).unwrap();
    assert_eq!(bench.store.event_deliveries(event.id()).await.unwrap().len(), 1);
    let again = bench.letters(EMAIL).await.remove(0);
    assert_eq!((again.body, again.types), (letter.body, letter.types));
}

#[tokio::test]
async fn a_failure_that_is_none_of_ours_stays_an_attribute() {
    let bench = Bench::new();
    dead(&bench, &["x"]).await;
    let letters = bench.store.dead_letter_queues();
    let mut strange = copy(EMAIL, &bench.letters(EMAIL).await[0]);
    for failure in ["null", "\u{1b}[2J", "{\"reason\":7}"] {
        strange.attributes.insert(FAILURE_ATTRIBUTE.into(), failure.into());
        letters.send(&to(EMAIL), &[strange.clone()]).await.remove(0).unwrap();
        assert_eq!(bench.letters(EMAIL).await.last().unwrap().attributes, strange.attributes, "{failure:?}");
    }
    assert_eq!(only(&letters, &bench, EMAIL).await.facts.unwrap().reasons, [(None, 3), (Some("x".into()), 1)]);
}

#[tokio::test]
async fn the_topic_passes_a_copy_on_to_all_who_want_it_and_refuses_what_nobody_wants() {
    let bench = Bench::new();
    let event = dead_event(&bench).await;
    let push = bench.subscribed("push").await;
    let letters = bench.store.dead_letter_queues();
    let letter = copy(EMAIL, &bench.letters(EMAIL).await[0]);
    letters.send(&Destination::Topic, std::slice::from_ref(&letter)).await.remove(0).unwrap();
    for queue in [push, bench.store.queue("email").await.unwrap()] {
        let received = receive(&*queue, 10).await;
        assert_eq!(received.len(), 1);
        assert_eq!((&received[0].body, &received[0].attributes), (event.body(), &letter.attributes));
    }
    let subscribers = letters.subscribers().await.unwrap();
    assert_eq!(subscribers.iter().map(|subscriber| subscriber.queue.as_str()).collect::<Vec<_>>(), ["email", "push"]);
    for queue in ["email", "push"] {
        bench.store.unsubscribe(queue).await.unwrap();
    }
    let refused = letters.send(&Destination::Topic, &[letter]).await.remove(0);
    assert!(matches!(&refused, Err(QueueError::Refused(why)) if why.contains("would be lost")), "{refused:?}");
}

#[tokio::test]
async fn what_is_no_dead_letter_queue_is_left_alone() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("alive")]).await[0].as_ref().unwrap();
    let letters = bench.store.dead_letter_queues();
    for name in ["email", "nobody", "nobody-dlq", ""] {
        let missing = || DeadLettersError::NoSuchQueue(name.into());
        assert_eq!(letters.take(name, 1, LEASE).await, Err(missing()));
        assert_eq!(letters.read(name, None, 1).await, Err(missing()));
        assert_eq!(letters.take_these(name, &["1".into()], LEASE).await, Err(missing()));
        let receipt = sendoff_consumers::Receipt::new("1-1");
        assert!(matches!(letters.delete(name, &[receipt]).await[..], [Err(QueueError::Refused(_))]), "{name}");
    }
    assert_eq!(receive(&*queue, 10).await.len(), 1);
}

#[tokio::test]
async fn a_quarantine_is_a_queue_of_dead_letters_of_its_consumer() {
    let bench = Bench::new();
    dead(&bench, &["x"]).await;
    let letters = bench.store.dead_letter_queues();
    for _ in 0..2 {
        letters.create("email-quarantine").await.unwrap();
    }
    letters.create("timeline-quarantine").await.unwrap();
    for name in ["attic", "-quarantine", "email", "no-dlq", "email quarantine"] {
        assert!(matches!(letters.create(name).await, Err(DeadLettersError::Refused(_))), "{name}");
    }
    let letter = bench.letters(EMAIL).await.remove(0);
    let aside = OutgoingLetter { attributes: letter.attributes.clone(), ..copy(EMAIL, &letter) };
    letters.send(&to("email-quarantine"), &[aside]).await.remove(0).unwrap();
    assert_eq!(bench.letters("email-quarantine").await[0].attributes, letter.attributes);

    let queues = letters.queues(bench.clock.now()).await.unwrap();
    let kinds: Vec<_> = queues.into_iter().map(|queue| (queue.name, queue.kind)).collect();
    let quarantine = DeadLetterKind::Quarantine("email".into());
    assert_eq!(quarantine.target(), Some("email"));
    assert_eq!(
        kinds,
        [
            (EMAIL.into(), DeadLetterKind::Consumer("email".into())),
            ("email-quarantine".into(), quarantine),
            ("timeline-quarantine".into(), DeadLetterKind::Foreign),
        ]
    );
    let subscribed = bench.store.subscribe("email-quarantine", &sendoff_consumers::Filter::default()).await;
    assert!(matches!(subscribed, Err(StoreError::Refused(_))), "{subscribed:?}");
    assert!(bench.store.queue("sms-quarantine").await.is_err(), "a queue of that name is none for a consumer");
    let back = bench.store.queue("email-quarantine").await.unwrap();
    assert_eq!(receive(&*back, 1).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_starts_leaves_the_letters_that_a_guest_holds() {
    let bench = Bench::new();
    dead(&bench, &["x"]).await;
    let options = StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() };
    let guest = Store::open_beside(bench.folder.path(), options).unwrap().dead_letter_queues();
    let held = guest.take(EMAIL, 1, LEASE).await.unwrap().remove(0);
    let bench = bench.reopen();
    assert_eq!(bench.store.recover().await, Ok(0));
    assert_eq!(bench.store.dead_letter_queues().take(EMAIL, 1, LEASE).await.unwrap(), []);
    guest.delete(EMAIL, &[held.receipt]).await.remove(0).unwrap();
    assert!(bench.letters(EMAIL).await.is_empty());
}

#[tokio::test]
async fn letters_that_nobody_took_over_go_back_at_once() {
    let bench = Bench::new();
    let ids = dead(&bench, &["x", "y"]).await;
    let letters = bench.store.dead_letter_queues();
    for _ in 0..20 {
        let held = bench.hold();
        let mut take = letters.take_these(EMAIL, &ids, LEASE);
        assert!(futures::poll!(&mut take).is_pending());
        drop((take, held));
    }
    super::until("they are there again", async || letters.take(EMAIL, 10, LEASE).await.unwrap().len() == 2).await;
}

#[tokio::test]
async fn a_store_that_is_only_looked_at_says_so_when_letters_are_taken() {
    let bench = Bench::new();
    dead(&bench, &["x"]).await;
    let options = StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() };
    let reader = Store::open_read_only(bench.folder.path(), options).unwrap().dead_letter_queues();
    assert_eq!(reader.read(EMAIL, None, 9).await.unwrap().unwrap(), bench.letters(EMAIL).await);
    assert!(
        matches!(reader.take(EMAIL, 1, LEASE).await, Err(DeadLettersError::Refused(why)) if why.contains("read-only"))
    );
    assert_eq!(reader.deployment(), bench.store.dead_letter_queues().deployment());
    let folder = bench.folder.path().canonicalize().unwrap();
    assert_eq!(reader.deployment(), format!("data folder {}", folder.display()));
}

#[tokio::test]
async fn the_backlog_of_a_queue_says_for_how_long_its_oldest_message_could_have_been_received() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let letters = bench.store.dead_letter_queues();
    assert_eq!(letters.backlog("email").await.unwrap(), sendoff_consumers::Backlog::default());
    queue.send(&[message("a"), message("b")]).await;
    assert_eq!(receive(&*queue, 1).await.len(), 1);
    bench.clock.advance(Duration::from_secs(7));
    let backlog = letters.backlog("email").await.unwrap();
    assert_eq!((backlog.waiting, backlog.in_flight, backlog.oldest), (1, 1, Some(Duration::from_secs(7))));
    assert_eq!(letters.backlog("nobody").await, Err(DeadLettersError::NoSuchQueue("nobody".into())));
}

#[tokio::test]
async fn a_message_with_too_many_attributes_is_refused_alone() {
    let bench = Bench::new();
    dead(&bench, &["x"]).await;
    let letters = bench.store.dead_letter_queues();
    let good = copy(EMAIL, &bench.letters(EMAIL).await[0]);
    let attributes: Attributes = (0..11).map(|n| (n.to_string(), "x".into())).collect();
    let sent = letters.send(&to("email"), &[OutgoingLetter { attributes, ..good.clone() }, good.clone()]).await;
    assert!(matches!(&sent[..], [Err(QueueError::Refused(_)), Ok(_)]), "{sent:?}");
    let nowhere = letters.send(&to("nobody"), &[good.clone(), good]).await;
    assert!(nowhere.iter().all(|sent| matches!(sent, Err(QueueError::Refused(_)))), "{nowhere:?}");
}
