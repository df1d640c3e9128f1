//! Starting where what was published can't be seen everywhere at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use futures::executor::block_on;
use sendoff_events::{BoxFuture, TenantId};
use sendoff_producers::model::workflow_version_key;
use sendoff_workflows::{Definition, Published};
use serde_json::{Value, json};

use super::Kickoff;
use crate::{
    Decided, HandlerError, HistoryPage, NewRun, Run, RunFilter, RunPage, Started, WorkflowError, Workflows,
    handlers::doubles::{MemoryRecords, MemorySchedules, tenant},
};

/// Finds nothing of what was published.
#[derive(Default)]
struct Unseeing {
    published: AtomicU32,
}

impl Workflows for Unseeing {
    fn publish<'a>(&'a self, _: &'a TenantId, _: &'a Published) -> BoxFuture<'a, Result<(), WorkflowError>> {
        self.published.fetch_add(1, SeqCst);
        Box::pin(async { Ok(()) })
    }

    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        let NewRun { app, workflow, version, .. } = run.clone();
        Box::pin(async move { Err(WorkflowError::NotPublished { app, workflow, version }) })
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        Box::pin(async { Ok(None) })
    }

    fn history<'a>(&'a self, _: &'a str, _: u64, _: usize) -> BoxFuture<'a, Result<HistoryPage, WorkflowError>> {
        Box::pin(async { panic!("nobody asks for this") })
    }

    fn list<'a>(
        &'a self,
        _: &'a RunFilter,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<RunPage, WorkflowError>> {
        Box::pin(async { panic!("nobody asks for this") })
    }

    fn stop<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { panic!("nobody asks for this") })
    }

    fn redrive<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { panic!("nobody asks for this") })
    }

    fn decide<'a>(&'a self, _: &'a Decided) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { panic!("nobody asks for this") })
    }
}

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
    let (workflows, records) = (Arc::new(Unseeing::default()), Arc::new(MemoryRecords::default()));
    let kickoff = Kickoff::new(records.clone(), workflows.clone(), Arc::new(MemorySchedules::default()));
    let error = block_on(kickoff.begin(&run())).unwrap_err();
    assert!(matches!(&error, HandlerError::Reject { reason, .. } if reason == "workflow-unusable"), "{error}");
    assert_eq!(workflows.published.load(SeqCst), 0);
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
    assert_eq!(workflows.published.load(SeqCst), 1);
}
