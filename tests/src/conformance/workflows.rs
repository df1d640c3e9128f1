//! Workflows: runs that start once, go on by themselves, and can be looked at and stopped.

use futures::future::join_all;
use sendoff_consumers::{NewRun, RunFilter, RunStatus, RunsOf, Started, WorkflowError, Workflows};
use sendoff_events::WorkflowId;
use sendoff_producers::{
    Expected,
    model::{WorkflowVersion, workflow_version_key},
};
use sendoff_workflows::{
    Definition, Published,
    engine::{Instance, What},
};
use serde_json::json;

use super::{
    Backend,
    given::{acme, at, commit},
};

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: acme(),
        app: "crm".parse().expect("an id"),
        workflow: id("onboarding"),
        version: 3,
        input: json!({
            "tenant": acme(), "workflow": "onboarding", "version": 3, "hops": 1,
            "trigger": { "kind": "manual", "event_id": null },
            "submission": { "app": null, "id": null, "author": null, "revision": null },
            "fields": { "b": [1, { "z": null, "a": "漢字" }], "a": u64::MAX },
        }),
    }
}

fn id(workflow: &str) -> WorkflowId {
    workflow.parse().expect("the name of a workflow")
}

/// The workflows of the backend, with those published that the promises start: each waits for an hour and has an end.
async fn workflows(backend: &dyn Backend) -> std::sync::Arc<dyn Workflows> {
    let workflows = backend.workflows();
    for (workflow, version) in [("onboarding", 3), ("onboarding", 4), ("offboarding", 3)] {
        let definition = json!({
            "workflow": workflow, "app": "crm", "on": [{ "manual": true }],
            "steps": [{ "id": "pause", "wait": { "for": "1h" } }, { "id": "end", "stop": true }],
        });
        let definition = Definition::of(definition).expect("a definition");
        let published = Published::of(&definition, version).expect("it can be published");
        let record = WorkflowVersion {
            definition: published.definition.clone(),
            sha256: published.sha256.clone(),
            published_by: "ada".parse().expect("an id"),
            published_at: at(backend),
        };
        let key = workflow_version_key(&acme(), &published.app, &id(workflow), version);
        let data = serde_json::to_value(record).expect("a record is JSON");
        commit(backend, vec![sendoff_producers::Write { key, expected: Expected::Any, data: Some(data) }]).await;
        workflows.publish(&acme(), &published).await.expect("published");
    }
    workflows
}

pub(super) async fn a_run_is_started_once(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    assert_eq!(workflows.start(&run("r1")).await.expect("started"), Started::New);
    assert_eq!(workflows.start(&run("r1")).await.expect("found"), Started::Already);
    assert_eq!(workflows.start(&run("r2")).await.expect("started"), Started::New);
}

pub(super) async fn of_concurrent_starts_exactly_one_is_new(backend: &dyn Backend) {
    let shared = workflows(backend).await;
    let starts = (0..20).map(|_| {
        let workflows = shared.clone();
        tokio::spawn(async move { workflows.start(&run("r1")).await.expect("started or found") })
    });
    let started = join_all(starts).await.into_iter().map(|task| task.expect("no panic"));
    assert_eq!(started.filter(|started| *started == Started::New).count(), 1);
}

pub(super) async fn the_same_input_in_another_order_is_the_same_run(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    let of = |text: &str| NewRun { input: serde_json::from_str(text).expect("JSON"), ..run("r1") };
    assert_eq!(workflows.start(&of(r#"{"a":1,"b":{"x":1,"y":2}}"#)).await.expect("started"), Started::New);
    let again = workflows.start(&of(r#"{ "b": {"y":2, "x":1}, "a": 1 }"#)).await;
    assert_eq!(again.expect("found"), Started::Already);
}

pub(super) async fn a_repeated_start_with_the_same_input_in_any_order_is_no_conflict(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    let of = |text: &str| NewRun { input: serde_json::from_str(text).expect("JSON"), ..run("r1") };
    workflows.start(&of(r#"{"a":1,"b":{"x":1,"y":2}}"#)).await.expect("started");
    workflows.start(&of(r#"{ "b": {"y":2, "x":1}, "a": 1 }"#)).await.expect("found");
    let found = workflows.get("r1").await.expect("readable").expect("there");
    assert_eq!(found.started.input, json!({ "a": 1, "b": { "x": 1, "y": 2 } }));
}

pub(super) async fn a_name_that_is_taken_by_another_run_is_a_conflict(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    workflows.start(&run("r1")).await.expect("started");
    let others = [
        NewRun { workflow: id("offboarding"), ..run("r1") },
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

pub(super) async fn a_run_tells_what_was_started_and_when(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    let before = at(backend);
    workflows.start(&run("r1")).await.expect("started");
    let found = workflows.get("r1").await.expect("readable").expect("there");
    assert_eq!((found.started, found.failure), (run("r1"), None));
    assert!(before <= found.started_at && found.started_at <= backend.clock().now(), "{}", found.started_at);
    assert_eq!(found.ended_at.is_some(), found.status != RunStatus::Running);
}

pub(super) async fn a_run_that_was_never_started_is_not_there(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    assert_eq!(workflows.get("r1").await.expect("readable"), None);
    assert!(!workflows.stop("r1").await.expect("no error"));
    assert!(!workflows.redrive("r1").await.expect("no error"));
}

pub(super) async fn a_running_run_is_stopped_once_and_never_starts_again(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
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

pub(super) async fn a_version_that_was_never_published_is_not_started(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    let error = workflows.start(&NewRun { version: 9, ..run("r1") }).await.expect_err("there is no version 9");
    assert!(matches!(error, WorkflowError::NotPublished { version: 9, .. }), "{error}");
    assert_eq!(workflows.get("r1").await.expect("readable"), None);
}

pub(super) async fn the_history_of_a_run_tells_where_it_is(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    workflows.start(&run("r1")).await.expect("started");
    let page = workflows.history("r1", 0, 100).await.expect("readable");
    let told: Vec<_> = page.entries.iter().map(|found| (found.entry.what, found.entry.instance.clone())).collect();
    let pause = Some(Instance::new("pause", &[]));
    assert_eq!(told, [(What::Started, None), (What::Entered, pause.clone()), (What::Waiting, pause)]);
    assert_eq!(page.next, None);
    assert!(workflows.stop("r1").await.expect("no error"));
    let page = workflows.history("r1", 3, 100).await.expect("readable");
    let told: Vec<_> = page.entries.iter().map(|found| found.entry.what).collect();
    assert_eq!(told, [What::GivenUp, What::RunStopped]);
}

pub(super) async fn runs_are_listed_by_where_they_stand(backend: &dyn Backend) {
    let workflows = workflows(backend).await;
    for name in ["r1", "r2", "r3"] {
        workflows.start(&run(name)).await.expect("started");
    }
    workflows.stop("r2").await.expect("no error");
    let names = async |status| {
        let filter = RunFilter { tenant: acme(), of: RunsOf::Workflow(run("r1").app, id("onboarding")), status };
        let page = workflows.list(&filter, None, 100).await.expect("readable");
        page.runs.into_iter().map(|run| run.started.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["r3", "r2", "r1"]);
    assert_eq!(names(Some(RunStatus::Running)).await, ["r3", "r1"]);
    assert_eq!(names(Some(RunStatus::Stopped)).await, ["r2"]);
}
