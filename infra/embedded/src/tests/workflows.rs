use sendoff_consumers::{NewRun, RunStatus, RunStep, Started, WorkflowError};
use sendoff_events::Clock as _;
use serde_json::json;

use super::{Bench, tenant};

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: tenant(),
        workflow: "welcome".into(),
        version: 2,
        steps: vec!["greet".into(), "remind".into()],
        input: json!({"b": 1, "a": [2]}),
    }
}

#[tokio::test]
async fn a_run_is_started_once_takes_its_steps_and_is_found_again_after_a_restart() {
    let bench = Bench::new();
    let at = bench.clock.now();
    let workflows = bench.store.workflows();
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::New);
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::Already);
    drop(workflows);
    let bench = bench.reopen();
    let found = bench.store.workflows().get("r1").await.unwrap().unwrap();
    assert_eq!(found.started, run("r1"));
    assert_eq!((found.status, found.started_at), (RunStatus::Succeeded, at));
    assert_eq!(found.taken, ["greet", "remind"].map(|id| RunStep { id: id.into(), at }));
    assert_eq!(bench.store.workflows().get("r2").await.unwrap(), None);
    assert!(!bench.store.workflows().stop("r1").await.unwrap(), "it has ended already");
}

#[tokio::test]
async fn a_run_of_the_same_name_that_differs_in_anything_is_a_conflict() {
    let bench = Bench::new();
    let workflows = bench.store.workflows();
    workflows.start(&run("r")).await.unwrap();
    let others = [
        NewRun { workflow: "other".into(), ..run("r") },
        NewRun { version: 3, ..run("r") },
        NewRun { input: json!({}), ..run("r") },
    ];
    for other in others {
        assert!(matches!(workflows.start(&other).await, Err(WorkflowError::Conflict { name }) if name == "r"));
    }
}
