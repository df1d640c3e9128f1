//! What was done already: run once more because somebody wants it, or absorbed by who has done it.

use sendoff_consumers::{Attributes, Filter, IdempotencyKey, NewMessage, REPLAY_ATTRIBUTE, Status};
use sendoff_dlq_tools::run::journal::Step;
use sendoff_host::Exit;
use serde_json::json;

use super::{House, consumer::Outside, embedded::begun, envelope, event_id, planned};

/// A house whose dead letters were done by these consumers since.
async fn done_since(count: usize, consumers: &[&str], outside: &Outside) -> House {
    let house = House::with(count).await;
    for consumer in consumers {
        done_by(&house, consumer, count, outside).await;
    }
    house
}

/// This consumer does the first `count` of them.
async fn done_by(house: &House, consumer: &str, count: usize, outside: &Outside) {
    let store = house.store();
    let queue = store.queue(consumer).await.unwrap();
    let message = |n| NewMessage {
        body: envelope(n).into(),
        attributes: Attributes::from([(REPLAY_ATTRIBUTE.into(), "1".into())]),
        ..NewMessage::default()
    };
    let sent = queue.send(&(0..count).map(message).collect::<Vec<_>>()).await;
    assert!(sent.iter().all(Result::is_ok));
    house.consume(&store, consumer, outside).await;
    store.shutdown().await;
}

async fn consume(house: &House, consumer: &str, outside: &Outside) -> usize {
    let store = house.store();
    let recognized = house.consume(&store, consumer, outside).await;
    store.shutdown().await;
    recognized
}

const FORCE: [&str; 5] = ["--force-rerun", "--because", "the letter had the wrong logo", "--watch", "0s"];

#[tokio::test]
async fn what_is_done_runs_once_more_when_somebody_forces_it_and_says_why() {
    let outside = Outside::default();
    let house = done_since(3, &["email"], &outside).await;
    let none = house.dlq(&["plan", "email"]).await.expect(Exit::NothingMatched);
    assert!(none.out.contains("done"), "{none:?}");
    let (plan, hash) = planned(&house, &FORCE).await;
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!((&ran["moved"], &ran["reopened"]), (&3.into(), &3.into()));
    assert_eq!(consume(&house, "email", &outside).await, 0, "none was taken for a repetition");
    let store = house.store();
    for n in 0..3 {
        assert_eq!(outside.effects("email", event_id(n)), 2);
        let record = store.inbox().get(&IdempotencyKey::new("email", event_id(n))).await.unwrap().unwrap();
        assert_eq!((record.status, record.attempts, record.replay), (Status::Done, 1, 2));
        let history = record.history.last().unwrap();
        assert!(history.error.contains("grace: the letter had the wrong logo"), "{history:?}");
    }
    let audit = store.audit().entries(0, 10).await.unwrap();
    store.shutdown().await;
    let audited: Vec<_> = audit.iter().map(|entry| (&*entry.note.action, &*entry.note.because)).collect();
    assert_eq!(audited[0], ("force-rerun", FORCE[2]));
    assert_eq!(audited[1].0, "replay-ended");
}

#[tokio::test]
async fn a_forced_rerun_that_was_sent_and_has_run_is_not_opened_once_more() {
    let outside = Outside::default();
    let house = done_since(1, &["email"], &outside).await;
    let (plan, hash) = planned(&house, &FORCE).await;
    // A process has opened it, and died while it sent. What it sent has run.
    begun(&house, &plan, [Step::Begun { by: "grace".into() }, Step::Intent { n: vec![0] }]).await;
    let store = house.store();
    let key = IdempotencyKey::new("email", event_id(0));
    let now = store.inbox().get(&key).await.unwrap().unwrap().updated_at;
    sendoff_consumers::reopen(&*store.inbox(), &key, "grace", now).await.unwrap();
    let attributes = Attributes::from([(REPLAY_ATTRIBUTE.into(), "2".into())]);
    let copy = NewMessage { body: envelope(0).into(), attributes, ..NewMessage::default() };
    assert!(store.queue("email").await.unwrap().send(&[copy]).await[0].is_ok());
    house.consume(&store, "email", &outside).await;
    store.shutdown().await;
    assert_eq!(outside.effects("email", event_id(0)), 2);
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!((&ran["moved"], &ran["resent"], &ran["reopened"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(consume(&house, "email", &outside).await, 1, "it was recognized");
    assert_eq!(outside.effects("email", event_id(0)), 2);
}

#[tokio::test]
async fn a_forced_rerun_does_not_go_over_a_doubt() {
    let outside = Outside::default();
    let house = done_since(2, &["email"], &outside).await;
    let (plan, hash) = planned(&house, &FORCE).await;
    // A doubt comes up after the plan was made.
    let store = house.store();
    let mut record = store.inbox().get(&IdempotencyKey::new("email", event_id(1))).await.unwrap().unwrap();
    record.status = Status::InDoubt;
    record.revision += 1;
    store.inbox().write(&record).await.unwrap();
    store.shutdown().await;
    let refused = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Refused);
    assert!(refused.err.contains("sendoff doubt resolve"), "{refused:?}");
    let refused = house.dlq(&[&["plan", "email"], &FORCE[..]].concat()).await.expect(Exit::Refused);
    assert!(refused.err.contains("sendoff doubt resolve"), "{refused:?}");
    assert_eq!(house.letters().await, 2);
    assert_eq!(house.audit().await, [""; 0]);
    assert_eq!(outside.effects("email", event_id(0)), 1);
}

#[tokio::test]
async fn what_goes_to_the_topic_is_absorbed_by_those_that_have_done_it() {
    let outside = Outside::default();
    let house = done_since(4, &["sms"], &outside).await;
    let store = house.store();
    for consumer in ["email", "sms"] {
        store.subscribe(consumer, &Filter::event_types(["app.assigned"])).await.unwrap();
    }
    store.subscribe("audit", &Filter::event_types(["submission.created"])).await.unwrap();
    store.shutdown().await;
    let topic = ["--to", "topic", "--watch", "0s"];
    let refused = house.dlq(&[&["plan", "email"], &topic[..]].concat()).await.expect(Exit::Refused);
    let listed = "`sms` would get 4 letters of type app.assigned.v1 again, and has done 4 of them";
    assert!(refused.err.contains(listed) && refused.err.contains("--yes-other-subscribers"), "{refused:?}");
    assert!(!refused.err.contains("audit"), "it wants others: {refused:?}");
    let (plan, hash) = planned(&house, &[&topic[..], &["--yes-other-subscribers"]].concat()).await;
    let shown = house.dlq(&["run", &plan]).await.expect(Exit::Done);
    assert!(shown.err.contains(listed), "{shown:?}");
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(ran["moved"], 4);
    assert_eq!(consume(&house, "email", &outside).await, 0);
    assert_eq!(consume(&house, "sms", &outside).await, 4, "all were recognized");
    for n in 0..4 {
        assert_eq!((outside.effects("email", event_id(n)), outside.effects("sms", event_id(n))), (1, 1));
    }
}

#[tokio::test]
async fn what_the_topic_would_not_bring_back_to_its_own_consumer_is_not_sent_there() {
    let house = House::with(4).await;
    let plan = ["plan", "email", "--to", "topic", "--watch", "0s", "--yes-other-subscribers", "--output", "json"];
    let store = house.store();
    store.subscribe("sms", &Filter::event_types(["app.assigned"])).await.unwrap();
    let none = house.dlq(&plan).await.expect(Exit::Refused);
    let told = "4 letters would come to nobody, and be gone: `email` has no subscription to the topic";
    assert!(none.err.contains(told), "{none:?}");
    store.subscribe("email", &Filter::event_types(["submission.created"])).await.unwrap();
    let other = house.dlq(&plan).await.expect(Exit::Refused);
    assert!(other.err.contains("the subscription of `email` doesn't let them through"), "{other:?}");
    store.subscribe("email", &Filter::event_types(["app.assigned"])).await.unwrap();
    store.shutdown().await;
    assert_eq!(house.dlq(&plan).await.expect(Exit::Done).json()["head"]["send"], 4);
}

/// Four letters of `email`, of which `sms` has done the first two. The first and the third are edited.
async fn with_edits(outside: &Outside) -> House {
    let house = House::with(4).await;
    done_by(&house, "sms", 2, outside).await;
    let [first, third] = [0, 2].map(|n| event_id(n).to_string());
    let edit = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id", &first, "--id", &third];
    house.dlq(&edit).await.expect(Exit::Done);
    house
}

#[tokio::test]
async fn a_plan_for_another_consumer_goes_by_what_that_one_has_done_also_for_edited_letters() {
    let outside = Outside::default();
    let house = with_edits(&outside).await;
    let plan = async |more: &[&str]| {
        house
            .dlq(&[&["plan", "email", "--watch", "0s", "--output", "json"], more].concat())
            .await
            .expect(Exit::Done)
            .json()
    };
    let own = plan(&["--out", "own.plan"]).await;
    assert_eq!(own["head"]["forecasts"], json!({ "edited": 2, "run": 2 }));
    let other = plan(&["--to", "queue:sms", "--yes-other-consumer", "--out", "other.plan"]).await;
    assert_eq!(other["head"]["forecasts"], json!({ "done": 2, "edited": 1, "run": 1 }));
    assert_eq!(other["head"]["sent"], json!({ "edited": 1, "run": 1 }));
    let hash = other["hash"].as_str().unwrap();
    let ran = house.dlq(&["run", "other.plan", "--apply", hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(ran["moved"], 2);
    assert_eq!(consume(&house, "sms", &outside).await, 0, "it had done none of them");
    for n in [0, 1, 3] {
        assert_eq!(outside.effects("sms", event_id(n)), 1, "event {n}");
    }
    assert_eq!(outside.effects("sms", event_id(2)), 0, "its new event was done");
}

#[tokio::test]
async fn an_edited_letter_that_goes_to_the_topic_counts_as_new_to_all_subscribers() {
    let outside = Outside::default();
    let house = with_edits(&outside).await;
    let store = house.store();
    for consumer in ["email", "sms"] {
        store.subscribe(consumer, &Filter::event_types(["app.assigned"])).await.unwrap();
    }
    store.shutdown().await;
    let refused = house.dlq(&["plan", "email", "--to", "topic"]).await.expect(Exit::Refused);
    let listed = "`sms` would get 4 letters of type app.assigned.v1 again, and has done 1 of them";
    assert!(refused.err.contains(listed), "{refused:?}");
    assert!(refused.err.contains("2 letters of these were edited: they are new to all subscribers"), "{refused:?}");
}
