//! Starting where what was published can't be seen everywhere at once.

use std::sync::{Arc, atomic::AtomicBool};

use futures::executor::block_on;
use sendoff_producers::model::workflow_version_key;
use sendoff_workflows::{Definition, Published};
use serde_json::{Value, json};

use super::Kickoff;
use crate::{
    HandlerError, NewRun,
    handlers::doubles::{MemoryRecords, MemorySchedules, MemoryWorkflows, tenant},
};

fn run() -> NewRun {
    NewRun {
        name: "onboarding-1".into(),
        tenant: tenant(),
        app: "crm".parse().unwrap(),
        workflow: "onboarding".parse().unwrap(),
        version: 1,
        input: Value::Null,
    }
}

#[test]
fn a_run_of_what_was_published_just_now_and_is_not_seen_yet_is_put_off_and_one_of_what_never_was_is_not() {
    let workflows = Arc::new(MemoryWorkflows { is_behind: AtomicBool::new(true), ..MemoryWorkflows::default() });
    let records = Arc::new(MemoryRecords::default());
    let kickoff = Kickoff::new(records.clone(), workflows.clone(), Arc::new(MemorySchedules::default()));
    let error = block_on(kickoff.begin(&run())).unwrap_err();
    assert!(matches!(&error, HandlerError::Reject { reason, .. } if reason == "workflow-unusable"), "{error}");
    assert!(workflows.published.lock().unwrap().is_empty());
    let definition = json!({
        "workflow": "onboarding", "app": "crm", "on": [{ "manual": true }], "steps": [{ "id": "end", "stop": true }],
    });
    let Published { definition, sha256, .. } = Published::of(&Definition::of(definition).unwrap(), 1).unwrap();
    let NewRun { tenant, app, workflow, version, .. } = run();
    let record = json!({
        "definition": definition, "sha256": sha256, "published_by": "ada", "published_at": "2026-11-24T12:00:00Z",
    });
    records.put(workflow_version_key(&tenant, &app, &workflow, version), record);
    let error = block_on(kickoff.begin(&run())).unwrap_err();
    assert!(matches!(error, HandlerError::Snooze { .. }), "{error}");
    assert_eq!(*workflows.published.lock().unwrap(), [("onboarding".to_owned(), 1)]);
}
