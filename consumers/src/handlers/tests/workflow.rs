use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Stage, reason, submitted};
use crate::Verdict;

fn with_workflow(version: u32) -> Value {
    json!({ "name": "Expenses", "workflow": { "name": "approve-expenses", "version": version, "steps": ["ask", "pay"] } })
}

#[test]
fn a_submission_starts_the_apps_workflow_under_a_name_of_its_own() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    let (verdict, _, id) = stage.deliver("workflow-kickoff", submitted());
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    let runs = stage.workflows.runs.lock().unwrap();
    let (name, run) = runs.first_key_value().unwrap();
    assert!(name.starts_with("approve-expenses-") && name.len() <= 80, "{name}");
    assert_eq!((run.version, run.steps.as_slice()), (3, ["ask".to_owned(), "pay".into()].as_slice()));
    let input =
        json!({ "event_id": id, "app_id": "expenses", "submission_id": "s1", "author_id": "eve", "revision": 1 });
    assert_eq!(run.input, input);
    assert_eq!(stage.ledger("workflow-kickoff", id).steps["run"].provider_id.as_ref(), Some(name));
}

#[test]
fn an_app_without_a_workflow_starts_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.deliver("workflow-kickoff", submitted()).0, Verdict::Ack { duplicate: false });
    assert!(stage.workflows.runs.lock().unwrap().is_empty());
}

#[test]
fn a_repeated_start_finds_the_run_also_after_the_workflow_was_published_anew() {
    let stage = Stage::new();
    let (delivery, _) = stage.world.delivery(submitted());
    for version in [3, 3, 4] {
        stage.app(with_workflow(version));
        // The ledger is lost, as if the process had crashed after the start.
        stage.world.inbox.0.lock().unwrap().clear();
        assert_eq!(stage.process("workflow-kickoff", &delivery), Verdict::Ack { duplicate: false }, "{version}");
    }
    let runs = stage.workflows.runs.lock().unwrap();
    assert_eq!(runs.values().map(|run| run.version).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_foreign_run_of_the_same_name_is_a_conflict() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    let (delivery, _) = stage.world.delivery(submitted());
    assert_eq!(stage.process("workflow-kickoff", &delivery), Verdict::Ack { duplicate: false });
    stage.workflows.runs.lock().unwrap().values_mut().for_each(|run| run.input = json!("another"));
    stage.world.inbox.0.lock().unwrap().clear();
    assert_eq!(reason(stage.process("workflow-kickoff", &delivery)), "run-conflict");
}

#[test]
fn unreachable_workflows_use_up_no_attempt() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    stage.workflows.down.store(true, Ordering::Relaxed);
    let (verdict, _, id) = stage.deliver("workflow-kickoff", submitted());
    assert!(matches!(verdict, Verdict::Snooze { .. }), "{verdict:?}");
    assert_eq!(stage.ledger("workflow-kickoff", id).attempts, 0);
}

#[test]
fn a_workflow_that_memory_knows_nothing_of_yet_is_started_nevertheless() {
    let stage = Stage::remembering();
    assert_eq!(stage.deliver("workflow-kickoff", submitted()).0, Verdict::Ack { duplicate: false });
    stage.app(with_workflow(3));
    assert_eq!(stage.deliver("workflow-kickoff", submitted()).0, Verdict::Ack { duplicate: false });
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}
