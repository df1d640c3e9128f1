//! Doubts as a person sees and settles them, from beside the process that serves the folder.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Claim, Claimed, DeadLetter, DeliveryId, DeliveryNews, DeliveryStatus, Destination, IdempotencyKey, InboxRecord,
    OutgoingLetter, Queue, Resolution, ResolveError, Status, Step, StepState, action::record_keys,
};
use sendoff_events::{Clock as _, EventId};

use super::{Bench, LEASE, failure, receive, tenant};
use crate::{Decision, DoubtError, DoubtMessage, OpenError, Settled, Store, StoreError, StoreOptions};

/// A text message to Ada about `event` that is in doubt, and its message in the queue.
pub(super) async fn doubted(bench: &Bench, steps: &[(&str, StepState)]) -> (Arc<dyn Queue>, InboxRecord) {
    let queue = bench.subscribed("sms").await;
    let event = bench.event("crm", None);
    let key = IdempotencyKey::new("sms", event.id());
    bench.store.publisher().publish(&[event]).await.remove(0).unwrap();
    let now = bench.clock.now();
    let claim =
        Claim { key, fence: 1, payload_hash: [7; 32], replay: 0, now, lease_until: now + LEASE, reconcile: false };
    let Ok(Claimed::Won(mut record)) = bench.store.inbox().claim(&claim).await else { panic!("it was free") };
    for (name, state) in steps {
        let (provider, reason) = (Some("twilio".into()), Some("no answer".into()));
        let step = Step {
            state: *state,
            doubted: true,
            at: now,
            provider,
            provider_id: None,
            reason,
            mark: None,
            result: None,
        };
        record.steps.insert((*name).into(), step);
    }
    (record.status, record.revision, record.lease_until) = (Status::InDoubt, record.revision + 1, now);
    bench.store.inbox().write(&record).await.unwrap();
    (queue, record)
}

fn decision(record: &InboxRecord, step: &str, resolution: Resolution) -> Decision {
    let id = DeliveryId::new(record.key.clone(), step);
    Decision { id, resolution, who: "grace".into(), because: "not in the log".into() }
}

fn options(bench: &Bench) -> StoreOptions {
    StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() }
}

fn beside(bench: &Bench) -> Store {
    Store::open_beside(bench.folder.path(), options(bench)).unwrap()
}

async fn state(bench: &Bench, record: &InboxRecord, step: &str) -> StepState {
    bench.store.inbox().get(&record.key).await.unwrap().unwrap().steps[step].state
}

#[tokio::test]
async fn a_doubt_is_shown_with_its_event_its_news_and_where_its_message_stands() {
    let bench = Bench::new();
    assert_eq!(bench.store.doubts().await.unwrap(), []);
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt), ("björn", StepState::Done)]).await;
    let id = DeliveryId::new(record.key.clone(), "ada");
    let at = bench.clock.now();
    let news = DeliveryNews {
        status: DeliveryStatus::Undelivered,
        provider: "twilio".into(),
        provider_id: None,
        reason: None,
        at,
    };
    bench.store.deliveries().tell(&id, &news, at).await.unwrap();

    let doubts = bench.store.doubts().await.unwrap();
    assert_eq!(doubts.len(), 1, "what is done is in no doubt");
    let doubt = &doubts[0];
    assert_eq!((&doubt.id, doubt.provider.as_deref(), doubt.attempts), (&id, Some("twilio"), 1));
    assert_eq!((doubt.reason.as_deref(), doubt.news.as_ref()), (Some("no answer"), Some(&news)));
    let event = doubt.event.as_ref().unwrap();
    assert_eq!((&*event.event_type, &event.tenant), ("app.assigned.v1", &tenant()));
    assert!(matches!(doubt.message, DoubtMessage::Waits { .. }) && !doubt.tried_again, "{doubt:?}");

    // One that no program of ours could have written doesn't hide the doubts.
    bench.connection().execute("UPDATE events SET type = 'App.Assigned!'", []).unwrap();
    assert_eq!(bench.store.doubts().await.unwrap()[0].event.as_ref().unwrap().event_type, "App.Assigned!");

    let held = receive(&*queue, 1).await.remove(0);
    let now = bench.store.doubt(&id).await.unwrap().unwrap().message;
    assert_eq!(now, DoubtMessage::Running { until: bench.clock.now() + LEASE });
    queue.dead_letter(&[(held, failure("outcome-unknown"))]).await.remove(0).unwrap();
    assert_eq!(bench.store.doubt(&id).await.unwrap().unwrap().message, DoubtMessage::DeadLettered);
    let other = DeliveryId::new(record.key, "björn");
    assert_eq!(bench.store.doubt(&other).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_in_doubt_and_will_be_tried_again_is_listed_with_the_time_and_can_be_settled_before() {
    let bench = Bench::new();
    let (queue, mut record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    // As a policy that sends again leaves it: free to be claimed, and its message waits.
    (record.status, record.revision) = (Status::Claimed, record.revision + 1);
    bench.store.inbox().write(&record).await.unwrap();
    let held = receive(&*queue, 1).await.remove(0);
    let running = bench.store.doubts().await.unwrap();
    assert!(running[0].tried_again && matches!(running[0].message, DoubtMessage::Running { .. }), "{running:?}");
    queue.release(&[(held, Duration::from_secs(900))]).await.remove(0).unwrap();
    let waiting = bench.store.doubts().await.unwrap();
    let until = bench.clock.now() + Duration::from_secs(900);
    assert_eq!((waiting.len(), waiting[0].tried_again), (1, true));
    assert_eq!(waiting[0].message, DoubtMessage::Waits { until });

    let sent = Resolution::Sent { provider_id: None };
    assert_eq!(bench.store.settle_doubt(decision(&record, "ada", sent)).await, Ok(Settled::GoesOn));
    assert_eq!((receive(&*queue, 1).await.len(), bench.store.doubts().await.unwrap()), (1, vec![]));
}

#[tokio::test]
async fn what_a_run_that_has_failed_leaves_in_doubt_is_listed_though_no_message_belongs_to_it() {
    let bench = Bench::new();
    let (_, mut record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    // As the call of a webhook leaves it: free to be claimed, and nobody but its run would.
    record.key = record_keys(&tenant(), "run/hook").find(|key| key.consumer() == "webhook").unwrap();
    let now = bench.clock.now();
    let (key, lease_until) = (record.key.clone(), now + LEASE);
    let claim = Claim { key, fence: 2, payload_hash: [7; 32], replay: 0, now, lease_until, reconcile: false };
    let Ok(Claimed::Won(mut call)) = bench.store.inbox().claim(&claim).await else { panic!("it was free") };
    (call.steps, call.revision) = (record.steps, call.revision + 1);
    bench.store.inbox().write(&call).await.unwrap();
    assert_eq!(bench.store.doubts().await.unwrap().len(), 1, "while it is called its answer may come");
    (call.lease_until, call.revision) = (now, call.revision + 1);
    bench.store.inbox().write(&call).await.unwrap();
    let doubts = bench.store.doubts().await.unwrap();
    let found: Vec<_> = doubts.iter().filter(|doubt| doubt.id.key == call.key).collect();
    assert_eq!((doubts.len(), found.len(), found[0].message), (2, 1, DoubtMessage::Gone));
    let sent = Resolution::Sent { provider_id: None };
    assert_eq!(bench.store.settle_doubt(decision(&call, "ada", sent)).await, Ok(Settled::NoMessage));
    assert_eq!(bench.store.doubts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_settled_dead_letter_is_delivered_again_and_what_failed_for_good_stays_failed() {
    for (resolution, settled) in [
        (Resolution::Sent { provider_id: Some("SM1".into()) }, StepState::Done),
        (Resolution::SendAgain, StepState::Pending),
    ] {
        let bench = Bench::new();
        let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt), ("björn", StepState::Failed)]).await;
        let held = receive(&*queue, 1).await.remove(0);
        queue.dead_letter(&[(held, failure("outcome-unknown"))]).await.remove(0).unwrap();

        let guest = beside(&bench);
        let done = guest.settle_doubt(decision(&record, "ada", resolution.clone())).await;
        assert_eq!(done, Ok(Settled::GoesOn));
        assert_eq!(state(&bench, &record, "ada").await, settled);
        let back = receive(&*queue, 1).await.remove(0);
        assert_eq!((back.receive_count, back.attributes.contains_key("failure")), (1, false));
        assert!(!back.attributes.contains_key("replay"), "it is no replay: what failed must not be tried again");
        assert_eq!(state(&bench, &record, "björn").await, StepState::Failed);
        assert_eq!(bench.store.doubts().await.unwrap(), []);

        let decisions = bench.store.decisions(record_event(&record).unwrap()).await.unwrap();
        let (at, note) = &decisions[0];
        assert_eq!((&*note.who, &*note.because), ("grace", "not in the log"));
        assert_eq!((note.target.clone(), *at), (format!("{}/ada", record.key), bench.clock.now()));
        let twice = guest.settle_doubt(decision(&record, "ada", resolution)).await;
        assert!(matches!(twice, Ok(Settled::NotInDoubt | Settled::GoesOn)), "{twice:?}");
    }
}

#[tokio::test]
async fn a_letter_that_was_put_aside_is_found_and_goes_back_to_its_queue() {
    let bench = Bench::new();
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt), ("björn", StepState::Pending)]).await;
    let held = receive(&*queue, 1).await.remove(0);
    queue.dead_letter(&[(held, failure("outcome-unknown"))]).await.remove(0).unwrap();
    let letters = bench.store.dead_letter_queues();
    letters.create("sms-quarantine").await.unwrap();
    let taken = letters.take("sms-dlq", 1, LEASE).await.unwrap().remove(0);
    let DeadLetter { message_id, body, attributes, types, group, .. } = taken.letter;
    let (dedup, copy_of) = (message_id.clone(), Some(("sms-dlq".into(), message_id)));
    let aside = OutgoingLetter { body, attributes, types, group, dedup, copy_of };
    letters.send(&Destination::Queue("sms-quarantine".into()), &[aside]).await.remove(0).unwrap();
    letters.delete("sms-dlq", &[taken.receipt]).await.remove(0).unwrap();

    let id = DeliveryId::new(record.key.clone(), "ada");
    assert_eq!(bench.store.doubt(&id).await.unwrap().unwrap().message, DoubtMessage::DeadLettered);
    let sent = Resolution::Sent { provider_id: None };
    assert_eq!(bench.store.settle_doubt(decision(&record, "ada", sent)).await, Ok(Settled::GoesOn));
    let back = receive(&*queue, 1).await.remove(0);
    assert!(!back.attributes.contains_key("failure"), "{back:?}");
    assert_eq!(letters.read("sms-quarantine", None, 1).await.unwrap().unwrap(), []);
}

fn record_event(record: &InboxRecord) -> Option<EventId> {
    DeliveryId::new(record.key.clone(), "x").event()
}

#[tokio::test]
async fn a_message_that_waits_out_its_doubt_comes_at_once() {
    let bench = Bench::new();
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    let held = receive(&*queue, 1).await.remove(0);
    queue.release(&[(held, Duration::from_secs(900))]).await.remove(0).unwrap();
    assert!(receive(&*queue, 1).await.is_empty());
    let done = bench.store.settle_doubt(decision(&record, "ada", Resolution::SendAgain)).await;
    assert_eq!(done, Ok(Settled::GoesOn));
    assert_eq!(receive(&*queue, 1).await.len(), 1);
}

#[tokio::test]
async fn while_another_recipient_is_in_doubt_the_dead_letter_stays() {
    let bench = Bench::new();
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt), ("björn", StepState::InDoubt)]).await;
    let held = receive(&*queue, 1).await.remove(0);
    queue.dead_letter(&[(held, failure("outcome-unknown"))]).await.remove(0).unwrap();
    let sent = Resolution::Sent { provider_id: None };
    let first = bench.store.settle_doubt(decision(&record, "ada", sent.clone())).await;
    assert_eq!(first, Ok(Settled::OthersWait));
    assert!(receive(&*queue, 1).await.is_empty());
    assert_eq!(bench.store.doubts().await.unwrap().len(), 1);
    assert_eq!(bench.store.settle_doubt(decision(&record, "björn", sent)).await, Ok(Settled::GoesOn));
    assert_eq!(receive(&*queue, 1).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_settled_changes_nothing_and_is_not_written_down() {
    let bench = Bench::new();
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt), ("björn", StepState::Done)]).await;
    let stranger = decision(&record, "nobody", Resolution::SendAgain);
    let refused = bench.store.settle_doubt(stranger).await;
    assert!(matches!(refused, Err(DoubtError::Resolve(ResolveError::Unknown(_)))), "{refused:?}");
    let known = bench.store.settle_doubt(decision(&record, "björn", Resolution::SendAgain)).await;
    assert_eq!(known, Ok(Settled::NotInDoubt));

    // Somebody looks at the dead letter.
    let held = receive(&*queue, 1).await.remove(0);
    queue.dead_letter(&[(held, failure("outcome-unknown"))]).await.remove(0).unwrap();
    let dead = bench.store.queue("sms-dlq").await.unwrap();
    assert_eq!(receive(&*dead, 1).await.len(), 1);
    let leased = bench.store.settle_doubt(decision(&record, "ada", Resolution::SendAgain)).await;
    assert_eq!(leased, Err(DoubtError::Leased));
    assert_eq!(state(&bench, &record, "ada").await, StepState::InDoubt);
    assert_eq!(bench.store.audit().entries(0, 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_guest_writes_while_the_folder_is_served_and_a_waiting_receive_is_told() {
    let bench = Bench::new();
    let (queue, record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    let held = receive(&*queue, 1).await.remove(0);
    queue.release(&[(held, Duration::from_secs(900))]).await.remove(0).unwrap();
    assert_eq!(bench.store.notice_others().await, Ok(false), "what this process wrote is nobody else's");
    // The clock stands still: only a bell can end this wait.
    let waiting = tokio::spawn(async move { queue.receive(1, Duration::from_secs(60), LEASE).await });
    tokio::task::yield_now().await;
    let guest = beside(&bench);
    guest.settle_doubt(decision(&record, "ada", Resolution::SendAgain)).await.unwrap();
    guest.shutdown().await;
    assert_eq!(bench.store.notice_others().await, Ok(true));
    assert_eq!(bench.store.notice_others().await, Ok(false), "it is told once");
    let received = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is woken").unwrap().unwrap();
    assert_eq!(received.len(), 1);
    // The server goes on as before.
    bench.store.queue("other").await.unwrap();
}

#[tokio::test]
async fn a_guest_creates_nothing_and_knows_its_limits() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open_beside(empty.path(), StoreOptions::default()), Err(OpenError::Missing { .. })));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);

    // A newer Sendoff comes to serve the folder while the guest has it open.
    let bench = Bench::new();
    let (_, record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    let guest = beside(&bench);
    bench.connection().pragma_update(None, "user_version", 99).unwrap();
    let refused = guest.settle_doubt(decision(&record, "ada", Resolution::SendAgain)).await;
    let Err(DoubtError::Store(StoreError::Damaged { why, .. })) = refused else { panic!("{refused:?}") };
    assert!(why.contains("brought to version 99"), "{why}");
    assert_eq!(state(&bench, &record, "ada").await, StepState::InDoubt);
}

#[tokio::test]
async fn many_guests_and_the_server_write_at_the_same_time_and_nothing_is_lost() {
    let bench = Bench::new();
    let steps: Vec<String> = (0..8).map(|n| format!("user-{n}")).collect();
    let named: Vec<_> = steps.iter().map(|step| (step.as_str(), StepState::InDoubt)).collect();
    let (queue, record) = doubted(&bench, &named).await;
    let guests = steps.iter().map(|step| {
        let (guest, decision) = (beside(&bench), decision(&record, step, Resolution::Sent { provider_id: None }));
        tokio::spawn(async move { guest.settle_doubt(decision).await })
    });
    let mut running: Vec<_> = guests.collect();
    for n in 0..50 {
        queue.send(&[super::message(&n.to_string())]).await.remove(0).unwrap();
    }
    let mut settled = Vec::new();
    for guest in running.drain(..) {
        settled.push(guest.await.unwrap().unwrap());
    }
    assert_eq!(settled.iter().filter(|settled| **settled == Settled::GoesOn).count(), 1, "the last one: {settled:?}");
    assert_eq!(bench.store.audit().entries(0, 100).await.unwrap().len(), 8);
    assert_eq!(bench.store.doubts().await.unwrap(), []);
    let depth = queue.depth().await.unwrap();
    assert_eq!(depth.visible, 51);
}
