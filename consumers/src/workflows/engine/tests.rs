//! Runs in memory, with what can go wrong around them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{BoxFuture, StepKind, Timestamp, WorkflowStep};
use sendoff_producers::model::{approval_key, workflow_version_key};
use sendoff_workflows::{
    Definition, Published,
    engine::{Instance, RunState, Signal, Status},
};
use serde_json::{Value, json};

use super::{EnginePorts, EngineWorkflows};
use crate::{
    HistoryPage, Limits, NewRun, Router, Run, RunChange, RunFilter, RunPage, Runs, RunsError, Started, StepMessage,
    StoredRun, Stranded, Verdict, WORKFLOW_STEPS, WorkflowError, WorkflowSteps, Workflows as _,
    handlers::doubles::{World, tenant},
};

/// Runs by name, and the messages that carry them on, which nobody delivers.
#[derive(Default)]
struct Kept {
    runs: Mutex<BTreeMap<String, StoredRun>>,
    messages: Mutex<BTreeMap<String, Vec<StepMessage>>>,
}

impl Runs for Kept {
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let started_at = Timestamp::UNIX_EPOCH;
        let run = Run { started: run.clone(), started_at, status: change.status, ended_at: None, failure: None };
        let name = run.started.name.clone();
        self.messages.lock().unwrap().insert(name.clone(), change.messages);
        self.runs.lock().unwrap().insert(name, StoredRun { run, state: change.state, revision: 1 });
        Box::pin(async { Ok(true) })
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>> {
        let found = self.runs.lock().unwrap().get(name).cloned();
        Box::pin(async { Ok(found) })
    }

    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        let mut runs = self.runs.lock().unwrap();
        let stored = runs.get_mut(name).filter(|stored| stored.revision == expected);
        let is_ours = stored.is_some();
        if let Some(stored) = stored {
            (stored.state, stored.run.status, stored.revision) = (change.state, change.status, expected + 1);
            self.messages.lock().unwrap().entry(name.to_owned()).or_default().extend(change.messages);
        }
        Box::pin(async move { Ok(is_ours) })
    }

    fn history<'a>(&'a self, _: &'a str, _: u64, _: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>> {
        Box::pin(async { Ok(HistoryPage { entries: Vec::new(), next: None }) })
    }

    fn list<'a>(&'a self, _: &'a RunFilter, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<RunPage, RunsError>> {
        Box::pin(async { Ok(RunPage { runs: Vec::new(), next: None }) })
    }

    fn stranded<'a>(&'a self, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Stranded, RunsError>> {
        let messages = self.messages.lock().unwrap();
        let is_running = |(_, stored): &(&String, &StoredRun)| stored.run.status == Status::Running;
        let runs = self.runs.lock().unwrap();
        let runs = runs.iter().filter(is_running).map(|(name, _)| name.clone());
        let runs = runs.filter(|name| messages.get(name).is_none_or(Vec::is_empty)).collect();
        Box::pin(async { Ok(Stranded { runs, next: None }) })
    }
}

struct Stage {
    world: World,
    runs: Arc<Kept>,
    engine: Arc<EngineWorkflows>,
}

impl Stage {
    /// A published workflow that waits an hour.
    fn new() -> Self {
        Self::of(&json!({ "id": "nap", "wait": { "for": "1h" } }))
    }

    /// A published workflow of one step.
    fn of(step: &Value) -> Self {
        let (world, runs) = (World::new(), Arc::new(Kept::default()));
        let definition = Definition::of(json!({
            "workflow": "patient", "app": "crm", "on": [{ "manual": true }], "steps": [step],
        }));
        let published = Published::of(&definition.unwrap_or_else(|problems| panic!("{problems}")), 1);
        let Published { definition, sha256, .. } = published.unwrap_or_else(|problems| panic!("{problems}"));
        let key = workflow_version_key(&tenant(), &"crm".parse().unwrap(), &"patient".parse().unwrap(), 1);
        let by = json!({ "published_by": "ada", "published_at": "2026-11-24T12:00:00Z" });
        let mut record = json!({ "definition": definition, "sha256": sha256 });
        record.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        world.records.put(key, record);
        let engine = Arc::new(EngineWorkflows::new(EnginePorts {
            runs: runs.clone(),
            records: world.records.clone(),
            clock: world.clock.clone(),
            rng: world.rng.clone(),
        }));
        Self { world, runs, engine }
    }

    fn start(&self, name: &str) {
        let (app, workflow) = ("crm".parse().unwrap(), "patient".parse().unwrap());
        let input = json!({ "tenant": tenant(), "trigger": { "kind": "manual" }, "fields": {}, "hops": 1 });
        let run = NewRun { name: name.into(), tenant: tenant(), app, workflow, version: 1, input };
        assert_eq!(block_on(self.engine.start(&run)).unwrap(), Started::New);
    }

    fn status(&self, name: &str) -> Status {
        self.runs.runs.lock().unwrap()[name].run.status
    }
}

#[test]
fn a_run_that_can_not_be_understood_keeps_no_other_from_being_picked_up() {
    let stage = Stage::new();
    for name in ["a-damaged", "b-lost", "c-unpublished", "d-lost", "e-well"] {
        stage.start(name);
    }
    {
        let mut runs = stage.runs.runs.lock().unwrap();
        runs.get_mut("a-damaged").unwrap().state = "{".into();
        runs.get_mut("c-unpublished").unwrap().run.started.version = 9;
    }
    stage.runs.messages.lock().unwrap().retain(|name, _| name == "e-well");
    assert_eq!(block_on(stage.engine.pick_up()).unwrap(), 2);
    let messages = stage.runs.messages.lock().unwrap();
    assert_eq!(messages.keys().collect::<Vec<_>>(), ["b-lost", "d-lost", "e-well"]);
    assert!(messages.values().all(|messages| messages.len() == 1));
}

#[test]
fn a_message_that_comes_before_its_time_is_asked_to_come_again() {
    let stage = Stage::new();
    stage.start("r1");
    let due = || Signal::Due { instance: Instance::new("nap", &[]), attempt: 1 };
    // The clock was set back since the message was sent.
    stage.world.clock.forward(Duration::from_secs(3599));
    let error = block_on(stage.engine.tell("r1", due())).unwrap_err();
    assert!(matches!(&error, WorkflowError::Unavailable(why) if why.contains("2026-11-24T13:00:00Z")), "{error}");
    assert_eq!(stage.status("r1"), Status::Running);
    stage.world.clock.forward(Duration::from_secs(1));
    assert!(block_on(stage.engine.tell("r1", due())).unwrap());
    assert_eq!(stage.status("r1"), Status::Succeeded);
    assert!(!block_on(stage.engine.tell("r1", due())).unwrap(), "told once more it changes nothing");
}

/// What becomes of an approval of an hour whose time is over, with this record of it.
fn over(decision: &Value) -> Value {
    let stage =
        Stage::of(&json!({ "id": "ask", "approval": { "approvers": "[\"ada\"]", "title": "T", "deadline": "1h" } }));
    stage.start("r1");
    let mut approval = json!({
        "run": "r1", "instance": "ask", "approvers": ["ada"], "title": "T", "text": "", "redrive": 0,
        "deadline": "2026-11-24T12:59:00Z",
    });
    if !decision.is_null() {
        approval["decision"] = decision.clone();
    }
    stage.world.records.put(approval_key(&tenant(), "r1", "ask"), approval);
    stage.world.clock.forward(Duration::from_secs(3600));
    let router =
        Router::new(stage.world.ports()).with(WorkflowSteps::new(stage.engine.clone(), BTreeMap::new())).unwrap();
    let wake = WorkflowStep { run: "r1".into(), instance: "ask".into(), attempt: 1, kind: StepKind::Wake };
    let (delivery, _) = stage.world.delivery(wake);
    let verdict = block_on(router.consumer(WORKFLOW_STEPS).unwrap().process(&delivery, &Limits::none()));
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    assert_eq!(stage.status("r1"), Status::Succeeded);
    let state = stage.runs.runs.lock().unwrap()["r1"].state.clone();
    serde_json::from_str::<RunState>(&state).unwrap().results()["ask"].clone()
}

#[test]
fn what_was_decided_in_time_counts_though_the_news_of_it_come_after_the_deadline() {
    let decided = json!({ "decision": "approved", "by": "ada", "comment": "Fine.", "at": "2026-11-24T12:58:59Z" });
    let expected = json!({
        "status": "decided", "error": null, "decision": "approved", "by": "ada", "comment": "Fine.",
        "at": "2026-11-24T12:58:59.000Z",
    });
    assert_eq!(over(&decided), expected);
    assert_eq!(over(&Value::Null)["status"], "expired");
}
