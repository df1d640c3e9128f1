use std::time::Duration;

use sendoff_consumers::{
    Claim, Claimed, IdempotencyKey, InboxRecord, NewMessage, NewRun, RunChange, RunStatus, Step, StepMessage,
    StepState, WORKFLOW_STEPS,
    action::{approval_record_keys, record_keys},
};
use sendoff_events::{Clock as _, Envelope, Origin, Personal, StepKind, Timestamp, WorkflowStep};
use sendoff_producers::{
    Expected, Write,
    model::{Approval, approval_key},
};
use sendoff_workflows::engine::{Entry, What};
use serde_json::json;

use super::{Bench, LEASE, receive, tenant};
use crate::{Purged, Retention};

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: tenant(),
        app: "crm".parse().unwrap(),
        workflow: "welcome".parse().unwrap(),
        version: 2,
        input: json!({ "b": 1, "a": [2] }),
    }
}

fn to(bench: &Bench, status: RunStatus) -> RunChange {
    let (at, what) = (bench.clock.now(), What::Started);
    let entry = Entry { at, what, instance: None, attempt: None, input: None, output: None, error: None };
    RunChange { state: "{}".into(), status, failure: None, history: vec![entry], messages: Vec::new() }
}

/// What the engine says to itself, and the id of that event.
fn step(bench: &Bench, run: &str) -> (StepMessage, sendoff_events::EventId) {
    let data = WorkflowStep { run: run.into(), instance: "mail".into(), attempt: 1, kind: StepKind::Act };
    let origin = Origin {
        source: "/test".into(),
        tenant: tenant(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let event = Envelope::new(data, origin, None, &*bench.clock, &bench.rng).encode().unwrap();
    let id = event.id();
    let message = NewMessage { body: event.into_body(), ..NewMessage::default() };
    (StepMessage { name: "mail/1/act".into(), due: bench.clock.now(), message }, id)
}

#[tokio::test]
async fn a_run_with_its_history_and_messages_is_found_again_after_a_restart() {
    let bench = Bench::new();
    let (message, _) = step(&bench, "r1");
    let change = RunChange { messages: vec![message.clone()], ..to(&bench, RunStatus::Running) };
    assert!(bench.store.runs().create(&run("r1"), change).await.unwrap());
    let before = bench.store.runs().load("r1").await.unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.store.runs().load("r1").await.unwrap(), before);
    assert_eq!(bench.store.runs().history("r1", 0, 10).await.unwrap().entries.len(), 1);
    let queue = bench.store.queue(WORKFLOW_STEPS).await.unwrap();
    assert_eq!(receive(&*queue, 10).await[0].body, message.message.body);
}

#[tokio::test]
async fn a_run_that_has_ended_goes_with_its_history_on_its_date_and_a_running_one_never() {
    let bench = Bench::new();
    let runs = bench.store.runs();
    for (name, status) in [("r1", RunStatus::Running), ("r2", RunStatus::Succeeded), ("r3", RunStatus::Failed)] {
        runs.create(&run(name), to(&bench, status)).await.unwrap();
    }
    let days = |n: u64| Duration::from_secs(n * 24 * 60 * 60);
    bench.clock.advance(days(90));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap(), Purged::default());
    bench.clock.advance(days(1));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().runs, 2);
    assert!(runs.load("r1").await.unwrap().is_some() && runs.load("r2").await.unwrap().is_none());
    let left: i64 = bench.connection().query_row("SELECT count(*) FROM run_history", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_run_with_a_long_history_is_forgotten_in_small_steps() {
    let bench = Bench::new();
    let change = to(&bench, RunStatus::Succeeded);
    let history = vec![change.history[0].clone(); 1200];
    bench.store.runs().create(&run("r1"), RunChange { history, ..change }).await.unwrap();
    bench.clock.advance(Duration::from_secs(91 * 24 * 60 * 60));
    let before = bench.store.write_stats().commits;
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().runs, 1);
    assert_eq!(bench.store.write_stats().commits - before, 3 + 1, "500 entries a step, and the run");
    let left: i64 = bench.connection().query_row("SELECT count(*) FROM run_history", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

/// Something that a run has called, or has asked for until then.
fn called(bench: &Bench, what: What, instance: &str, until: Option<Timestamp>) -> Entry {
    let Entry { at, .. } = to(bench, RunStatus::Running).history.remove(0);
    let (instance, output) = (instance.parse().ok(), until.map(|until| json!(until.to_string())));
    Entry { at, what, instance, attempt: Some(1), input: None, output, error: None }
}

#[tokio::test]
async fn calls_that_a_run_has_given_up_are_forgotten_with_it_and_what_is_in_doubt_is_not() {
    let bench = Bench::new();
    let (runs, inbox) = (bench.store.runs(), bench.store.inbox());
    let (now, minute) = (bench.clock.now(), Duration::from_secs(60));
    let (first, second) = (now + 60 * minute, now + 300 * minute);
    let asked = approval(second - minute);
    let data = Some(serde_json::to_value(&asked).unwrap());
    let writes = vec![Write { key: approval_key(&tenant(), "r1", "mail"), expected: Expected::Absent, data }];
    bench.store.records().commit(bench.work(writes, Vec::new())).await.unwrap();
    let history = vec![
        called(&bench, What::Attempted, "sms/3", None),
        called(&bench, What::Attempted, "doubt", None),
        called(&bench, What::Attempted, "begun", None),
        called(&bench, What::Asked, "mail", Some(first)),
        called(&bench, What::Asked, "mail", Some(second)),
    ];
    for (name, status) in [("r1", RunStatus::Failed), ("r2", RunStatus::Running)] {
        let change = RunChange { history: history.clone(), ..to(&bench, status) };
        runs.create(&run(name), change).await.unwrap();
    }
    let of = |call: &str, action: &str| record_keys(&tenant(), call).find(|key| key.consumer() == action).unwrap();
    let mut given_up = vec![of("r1/sms/3", "sms")];
    for deadline in [first - minute, second - minute] {
        given_up.extend(approval_record_keys(&tenant(), "r1/mail", &approval(deadline)));
    }
    let mut kept = vec![of("r2/sms/3", "sms"), of("r3/sms/3", "sms")];
    for (key, state) in [("r1/doubt", StepState::InDoubt), ("r1/begun", StepState::Sending)] {
        kept.push(of(key, "http"));
        let Ok(Claimed::Won(mut record)) = inbox.claim(&claim(&bench, &of(key, "http"))).await else { panic!("new") };
        let (doubted, at) = (state == StepState::InDoubt, now);
        let step =
            Step { state, doubted, at, provider: None, provider_id: None, reason: None, mark: None, result: None };
        record.steps.insert("call".into(), step);
        inbox.write(&InboxRecord { revision: record.revision + 1, ..record }).await.unwrap();
    }
    for key in given_up.iter().chain(&kept[..2]) {
        assert!(matches!(inbox.claim(&claim(&bench, key)).await, Ok(Claimed::Won(_))), "{key}");
    }
    let days = |n: u64| Duration::from_secs(n * 24 * 60 * 60);
    bench.clock.advance(days(90));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap(), Purged::default());
    bench.clock.advance(days(1));
    let purged = bench.store.purge(Retention::default()).await.unwrap();
    assert_eq!((purged.runs, purged.inbox), (1, given_up.len() as u64));
    for key in &given_up {
        assert_eq!(inbox.get(key).await, Ok(None), "{key}");
    }
    for key in &kept {
        assert!(inbox.get(key).await.unwrap().is_some(), "{key}");
    }
}

fn claim(bench: &Bench, key: &IdempotencyKey) -> Claim {
    let (key, now) = (key.clone(), bench.clock.now());
    Claim { key, fence: 1, payload_hash: [0; 32], replay: 0, now, lease_until: now + LEASE, reconcile: false }
}

/// What Ada is asked by `r1`, until then.
fn approval(deadline: Timestamp) -> Approval {
    Approval {
        run: "r1".into(),
        instance: "mail".into(),
        approvers: vec!["ada".parse().unwrap()],
        title: Personal::new("May we?".to_owned()),
        text: Personal::new(String::new()),
        deadline,
        redrive: 0,
        token: None,
        decision: None,
    }
}

#[tokio::test]
async fn what_a_vanished_process_held_of_a_run_is_free_at_once() {
    let bench = Bench::new();
    let (message, id) = step(&bench, "r1");
    let change = RunChange { messages: vec![message], ..to(&bench, RunStatus::Running) };
    bench.store.runs().create(&run("r1"), change).await.unwrap();
    let queue = bench.store.queue(WORKFLOW_STEPS).await.unwrap();
    // A body that isn't ours must not stand in the way.
    queue.send(&[super::message("no JSON")]).await.remove(0).unwrap();
    assert_eq!(receive(&*queue, 10).await.len(), 2);
    let now = bench.clock.now();
    let claim = |fence| Claim {
        key: IdempotencyKey::new(WORKFLOW_STEPS, id),
        fence,
        payload_hash: [0; 32],
        replay: 0,
        now,
        lease_until: now + LEASE * 100,
        reconcile: false,
    };
    assert!(matches!(bench.store.inbox().claim(&claim(1)).await, Ok(Claimed::Won(_))));
    assert_eq!(bench.store.recover().await, Ok(2));
    assert_eq!(receive(&*queue, 10).await.len(), 2);
    assert!(matches!(bench.store.inbox().claim(&claim(2)).await, Ok(Claimed::Won(_))));
}

#[tokio::test]
async fn what_a_vanished_process_held_of_an_action_is_free_at_once() {
    let bench = Bench::new();
    let (message, _) = step(&bench, "r1");
    let change = RunChange { messages: vec![message], ..to(&bench, RunStatus::Running) };
    bench.store.runs().create(&run("r1"), change).await.unwrap();
    let approval = approval(bench.clock.now() + LEASE * 1000);
    let key = approval_key(&tenant(), "r1", "mail");
    let data = Some(serde_json::to_value(&approval).unwrap());
    let writes = vec![Write { key, expected: Expected::Absent, data }];
    bench.store.records().commit(bench.work(writes, Vec::new())).await.unwrap();

    let queue = bench.store.queue(WORKFLOW_STEPS).await.unwrap();
    assert_eq!(receive(&*queue, 10).await.len(), 1);
    let now = bench.clock.now();
    let claim = |key: &IdempotencyKey, fence| Claim {
        key: key.clone(),
        fence,
        payload_hash: [0; 32],
        replay: 0,
        now,
        lease_until: now + LEASE * 100,
        reconcile: false,
    };
    let mut own: Vec<IdempotencyKey> = record_keys(&tenant(), "r1/mail").collect();
    own.extend(approval_record_keys(&tenant(), "r1/mail", &approval));
    let another = record_keys(&tenant(), "r1/other").next().unwrap();
    for key in own.iter().chain([&another]) {
        assert!(matches!(bench.store.inbox().claim(&claim(key, 1)).await, Ok(Claimed::Won(_))));
    }
    assert_eq!(bench.store.recover().await, Ok(1));
    for key in &own {
        let claimed = bench.store.inbox().claim(&claim(key, 2)).await;
        assert!(matches!(claimed, Ok(Claimed::Won(_))), "{key}: {claimed:?}");
    }
    // No message was at that one.
    assert!(matches!(bench.store.inbox().claim(&claim(&another, 2)).await, Ok(Claimed::Busy { .. })));
}
