//! Workflows: runs that start once.

use futures::future::join_all;
use sendoff_consumers::{NewRun, RunStatus, Started, WorkflowError};
use serde_json::json;

use super::{
    Backend,
    given::{acme, at},
};

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: acme(),
        workflow: "onboarding".into(),
        version: 3,
        steps: ["mail", "wait", "sms"].map(String::from).into(),
        input: json!({ "b": [1, { "z": null, "a": "漢字" }], "a": u64::MAX }),
    }
}

pub(super) async fn a_run_is_started_once(backend: &dyn Backend) {
    let workflows = backend.workflows();
    assert_eq!(workflows.start(&run("r1")).await.expect("started"), Started::New);
    assert_eq!(workflows.start(&run("r1")).await.expect("found"), Started::Already);
    assert_eq!(workflows.start(&run("r2")).await.expect("started"), Started::New);
}

pub(super) async fn of_concurrent_starts_exactly_one_is_new(backend: &dyn Backend) {
    let starts = (0..20).map(|_| {
        let workflows = backend.workflows();
        tokio::spawn(async move { workflows.start(&run("r1")).await.expect("started or found") })
    });
    let started = join_all(starts).await.into_iter().map(|task| task.expect("no panic"));
    assert_eq!(started.filter(|started| *started == Started::New).count(), 1);
}

pub(super) async fn the_same_input_in_another_order_is_the_same_run(backend: &dyn Backend) {
    let workflows = backend.workflows();
    let of = |text: &str| NewRun { input: serde_json::from_str(text).expect("JSON"), ..run("r1") };
    assert_eq!(workflows.start(&of(r#"{"a":1,"b":{"x":1,"y":2}}"#)).await.expect("started"), Started::New);
    let again = workflows.start(&of(r#"{ "b": {"y":2, "x":1}, "a": 1 }"#)).await;
    assert_eq!(again.expect("found"), Started::Already);
}

pub(super) async fn a_repeated_start_with_the_same_input_in_any_order_is_no_conflict(backend: &dyn Backend) {
    let workflows = backend.workflows();
    let of = |text: &str| NewRun { input: serde_json::from_str(text).expect("JSON"), ..run("r1") };
    workflows.start(&of(r#"{"a":1,"b":{"x":1,"y":2}}"#)).await.expect("started");
    workflows.start(&of(r#"{ "b": {"y":2, "x":1}, "a": 1 }"#)).await.expect("found");
    let found = workflows.get("r1").await.expect("readable").expect("there");
    assert_eq!(found.started.input, json!({ "a": 1, "b": { "x": 1, "y": 2 } }));
}

pub(super) async fn a_name_that_is_taken_by_another_run_is_a_conflict(backend: &dyn Backend) {
    let workflows = backend.workflows();
    workflows.start(&run("r1")).await.expect("started");
    let others = [
        NewRun { workflow: "offboarding".into(), ..run("r1") },
        NewRun { version: 4, ..run("r1") },
        NewRun { input: json!({}), ..run("r1") },
    ];
    for other in others {
        match workflows.start(&other).await {
            Err(WorkflowError::Conflict { name }) => assert_eq!(name, "r1"),
            result => panic!("it should have been a conflict: {result:?}"),
        }
    }
    assert_eq!(workflows.get("r1").await.expect("readable").expect("there").started, run("r1"));
}

pub(super) async fn a_run_tells_what_was_started_and_which_steps_it_took_in_order(backend: &dyn Backend) {
    let before = at(backend);
    backend.workflows().start(&run("r1")).await.expect("started");
    let found = backend.workflows().get("r1").await.expect("readable").expect("there");
    assert_eq!(found.started, run("r1"));
    assert!(before <= found.started_at && found.started_at <= backend.clock().now(), "{}", found.started_at);
    let taken: Vec<&str> = found.taken.iter().map(|step| step.id.as_str()).collect();
    assert!(["mail", "wait", "sms"].starts_with(&taken), "{taken:?}");
    assert!(found.taken.iter().all(|step| step.at >= found.started_at));
}

pub(super) async fn a_run_that_was_never_started_is_not_there(backend: &dyn Backend) {
    assert_eq!(backend.workflows().get("r1").await.expect("readable"), None);
    assert!(!backend.workflows().stop("r1").await.expect("no error"));
}

pub(super) async fn a_running_run_is_stopped_once_and_never_starts_again(backend: &dyn Backend) {
    let workflows = backend.workflows();
    workflows.start(&run("r1")).await.expect("started");
    let status = async || workflows.get("r1").await.expect("readable").expect("there").status;
    // A short run may have come to its end already; then there is nothing to stop.
    let was_running = workflows.stop("r1").await.expect("no error");
    let ended = if was_running { RunStatus::Stopped } else { RunStatus::Succeeded };
    assert_eq!(status().await, ended);
    assert!(!workflows.stop("r1").await.expect("no error"));
    assert_eq!(workflows.start(&run("r1")).await.expect("found"), Started::Already);
    assert_eq!(status().await, ended);
}
