//! The calls to Step Functions and DynamoDB, answered by a small peer that keeps their rules: the emulator can't redrive, waits for
//! no token and never lets two publish at once.

use sendoff_consumers::RunsOf;
use sendoff_events::Clock as _;
use sendoff_host::SystemClock;
use sendoff_workflows::{Definition, engine::Decision};
use serde_json::{Value, json};

use super::*;

mod peer;

use peer::{Peer, refusal};

const MACHINE: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:";

fn published(version: u32, step: Value) -> Published {
    let definition = json!({ "workflow": "onboarding", "app": "crm", "on": [{ "manual": true }], "steps": [step] });
    Published::of(&Definition::of(definition).unwrap(), version).unwrap()
}

fn waits(hours: u32) -> Value {
    json!({ "id": "pause", "wait": { "for": format!("{hours}h") } })
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: acme(),
        app: "crm".parse().unwrap(),
        workflow: "onboarding".parse().unwrap(),
        version: 1,
        input: json!({ "b": 1, "a": 2 }),
    }
}

fn machine(peer: &Peer) -> String {
    let name = peer.store().machine_name(&acme(), &run("r").app, &run("r").workflow);
    format!("{MACHINE}{name}")
}

#[test]
fn a_machine_is_called_by_its_workflow_and_by_nobody_elses() {
    let peer = Peer::default();
    let store = peer.store();
    let name = |tenant: &str, app: &str, workflow: &str| {
        store.machine_name(&tenant.parse().unwrap(), &app.parse().unwrap(), &workflow.parse().unwrap())
    };
    let long = name("acme", "crm", "a-workflow-with-a-very-long-name-indeed");
    assert!(long.starts_with("sendoff-run-a-workflow-with-a-very-l-") && long.len() <= 80, "{long}");
    assert_ne!(name("acme", "crm", "w"), name("acme", "hr", "w"));
    assert_ne!(name("acme", "crm", "w"), name("globex", "crm", "w"));
    assert_eq!(store.execution_arn("m", "r1"), "arn:aws:states:eu-central-1:123456789012:execution:m:r1");
}

#[tokio::test]
async fn the_first_version_makes_the_machine_and_the_next_ones_change_it() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    for version in [1, 2] {
        workflows.publish(&acme(), &published(version, waits(version))).await.unwrap();
    }
    let made = peer.asked("CreateStateMachine");
    assert_eq!(made.len(), 1);
    assert_eq!((&made[0]["publish"], &made[0]["type"]), (&json!(true), &json!("STANDARD")));
    assert_eq!(made[0]["roleArn"], "arn:aws:iam::123456789012:role/runs");
    let tags: Vec<_> = made[0]["tags"].as_array().unwrap().iter().map(|tag| &tag["value"]).collect();
    assert_eq!(tags, ["acme", "crm", "onboarding"]);
    let definition: Value = serde_json::from_str(made[0]["definition"].as_str().unwrap()).unwrap();
    let sha256 = published(1, waits(1)).sha256;
    assert_eq!(definition["Comment"], format!("Workflow onboarding of app crm, version 1, sha256 {sha256}"));
    let changed = peer.asked("UpdateStateMachine");
    assert_eq!(changed.last().unwrap()["publish"], true);
    assert_eq!(peer.version(&machine(&peer), 2), Some(format!("{}:2", machine(&peer))));
}

#[tokio::test]
async fn a_version_that_is_published_again_is_made_once_and_with_another_definition_refused() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    for _ in 0..3 {
        workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    }
    assert_eq!((peer.asked("CreateStateMachine").len(), peer.asked("UpdateStateMachine").len()), (1, 1));
    let error = workflows.publish(&acme(), &published(1, waits(2))).await.unwrap_err();
    assert!(error.to_string().contains("version 1 of workflow `onboarding` of app `crm` was published with another"));
}

#[tokio::test]
async fn of_two_that_publish_at_once_one_is_written_down_and_runs_start_by_it() {
    let peer = Peer::default();
    let (one, other) = (peer.store().workflows(), peer.store().workflows());
    let new = published(1, waits(1));
    let tenant = acme();
    let (first, second) = tokio::join!(one.publish(&tenant, &new), other.publish(&tenant, &new));
    first.unwrap();
    second.unwrap();
    let arn = peer.version(&machine(&peer), 1).unwrap();
    assert_eq!(one.start(&run("r1")).await.unwrap(), Started::New);
    assert_eq!(peer.asked("StartExecution")[0]["stateMachineArn"], arn);
}

#[tokio::test]
async fn a_version_that_somebody_has_deleted_is_made_again() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    peer.delete_version(&format!("{}:1", machine(&peer)));
    assert!(matches!(workflows.start(&run("r1")).await.unwrap_err(), WorkflowError::NotPublished { version: 1, .. }));
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    assert_eq!(peer.version(&machine(&peer), 1), Some(format!("{}:2", machine(&peer))));
    workflows.start(&run("r1")).await.unwrap();
    assert_eq!(peer.asked("StartExecution").last().unwrap()["stateMachineArn"], format!("{}:2", machine(&peer)));
}

#[tokio::test]
async fn where_there_is_no_room_for_another_version_old_ones_go_that_no_run_needs() {
    let peer = Peer::default();
    peer.keeps(8);
    let workflows = peer.store().workflows();
    for version in 1..=8 {
        workflows.publish(&acme(), &published(version, waits(version))).await.unwrap();
        if version < 6 {
            let run = NewRun { version, ..run(&format!("r{version}")) };
            workflows.start(&run).await.unwrap();
        }
    }
    // 1 goes on; 2 can be taken up again; 3 and 5 can't, or not any more; 4 can.
    let days_ago = |days: i64| SystemClock.now() - std::time::Duration::from_secs(days.unsigned_abs() * 86_400);
    peer.end_at("r2", "FAILED", days_ago(3));
    peer.end_at("r3", "FAILED", days_ago(20));
    peer.end_at("r4", "TIMED_OUT", days_ago(1));
    peer.end_at("r5", "SUCCEEDED", days_ago(0));
    workflows.publish(&acme(), &published(9, waits(9))).await.unwrap();
    assert_eq!(peer.numbers(), [1, 2, 4, 8, 9]);
    assert_eq!(peer.version(&machine(&peer), 9), Some(format!("{}:9", machine(&peer))));
    // Who starts what was deleted has it made again.
    let late = NewRun { version: 3, ..run("late") };
    let error = workflows.start(&late).await.unwrap_err();
    assert!(matches!(error, WorkflowError::NotPublished { version: 3, .. }), "{error}");
    workflows.publish(&acme(), &published(3, waits(3))).await.unwrap();
    workflows.start(&late).await.unwrap();
    assert_eq!(peer.asked("StartExecution").last().unwrap()["stateMachineArn"], format!("{}:10", machine(&peer)));
}

#[tokio::test]
async fn a_version_for_which_there_is_no_room_is_refused_in_plain_words_and_deletes_nothing_that_is_needed() {
    let peer = Peer::default();
    peer.keeps(3);
    let workflows = peer.store().workflows();
    for version in 1..=3 {
        workflows.publish(&acme(), &published(version, waits(version))).await.unwrap();
        workflows.start(&NewRun { version, ..run(&format!("r{version}")) }).await.unwrap();
    }
    let error = workflows.publish(&acme(), &published(4, waits(4))).await.unwrap_err();
    assert!(matches!(error, WorkflowError::Unusable(_)), "{error}");
    for words in ["as many versions as Step Functions keeps", "the oldest 2 is needed by a run", "under another name"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(peer.numbers(), [1, 2, 3]);
    assert!(peer.asked("DeleteStateMachineVersion").is_empty());
}

#[tokio::test]
async fn a_workflow_with_an_action_that_no_function_carries_out_is_not_published() {
    let peer = Peer::default();
    let text = json!({ "id": "tell", "sms": { "to": { "user": "ada" }, "text": "Hello" } });
    let error = peer.store().workflows().publish(&acme(), &published(1, text)).await.unwrap_err().to_string();
    assert!(error.contains("no function carries out here. SENDOFF_FUNCTIONS names these: steps"), "{error}");
    assert!(peer.asked("CreateStateMachine").is_empty());
}

#[tokio::test]
async fn a_run_is_started_by_its_version_once_and_found_by_its_name() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    let error = workflows.start(&run("r1")).await.unwrap_err();
    assert!(matches!(error, WorkflowError::NotPublished { version: 1, .. }), "{error}");
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::New);
    // Another process, which doesn't know of it.
    assert_eq!(peer.store().workflows().start(&run("r1")).await.unwrap(), Started::Already);
    let started = &peer.asked("StartExecution")[0];
    let expected = (json!(format!("{}:1", machine(&peer))), json!("r1"), json!(r#"{"a":2,"b":1}"#));
    assert_eq!(
        (&started["stateMachineArn"], &started["name"], &started["input"]),
        (&expected.0, &expected.1, &expected.2)
    );
    let other = NewRun { input: json!({}), ..run("r1") };
    assert!(matches!(workflows.start(&other).await, Err(WorkflowError::Conflict { name }) if name == "r1"));
    assert_eq!(workflows.get("r1").await.unwrap().unwrap().started, run("r1"));
    assert_eq!(workflows.get("r2").await.unwrap(), None);
}

#[tokio::test]
async fn a_name_whose_item_got_lost_is_compared_with_what_runs_under_it() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    workflows.start(&run("r1")).await.unwrap();
    peer.forget_run("r1");
    peer.end("r1", "SUCCEEDED");
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::Already);
    peer.forget_run("r1");
    let other = NewRun { input: json!({}), ..run("r1") };
    assert!(matches!(workflows.start(&other).await, Err(WorkflowError::Conflict { .. })));
}

#[tokio::test]
async fn whoever_took_the_name_started_the_run_though_an_equal_start_overtook_it() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    workflows.start(&run("r1")).await.unwrap();
    peer.forget_run("r1");
    peer.say("StartExecution", refusal("ExecutionAlreadyExists", "the name is taken"));
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::New);
    peer.say("StartExecution", refusal("ExecutionAlreadyExists", "the name is taken"));
    assert_eq!(workflows.start(&run("r1")).await.unwrap(), Started::Already);
}

#[tokio::test]
async fn a_run_that_failed_is_taken_up_again_and_after_14_days_it_is_said_that_it_is_too_late() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    workflows.start(&run("r1")).await.unwrap();
    assert!(!workflows.redrive("r1").await.unwrap(), "it runs");
    peer.end("r1", "FAILED");
    assert!(workflows.redrive("r1").await.unwrap());
    assert_eq!(workflows.get("r1").await.unwrap().unwrap().status, RunStatus::Running);
    peer.end("r1", "FAILED");
    peer.say("RedriveExecution", refusal("ExecutionNotRedrivable", "The execution has exceeded its redrivable period"));
    let error = workflows.redrive("r1").await.unwrap_err().to_string();
    assert!(error.contains("`r1` can't be taken up again") && error.contains("redrivable period"), "{error}");
    assert!(error.contains("within 14 days"), "{error}");
}

#[tokio::test]
async fn a_decision_goes_to_the_token_that_is_kept_with_the_question() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    workflows.start(&run("r1")).await.unwrap();
    let decided = Decided {
        run: "r1".into(),
        instance: "ask/2".parse().unwrap(),
        decision: Decision::Approved,
        by: "ada".into(),
        comment: None,
        at: "2026-11-26T08:00:00Z".parse().unwrap(),
    };
    assert!(!workflows.decide(&decided).await.unwrap(), "nobody was asked");
    assert!(!workflows.decide(&Decided { run: "r2".into(), ..decided.clone() }).await.unwrap(), "there is no such run");
    peer.ask_approval(&acme(), "r1", "ask/2", "the token");
    assert!(workflows.decide(&decided).await.unwrap());
    let told = peer.asked("SendTaskSuccess").remove(0);
    let output: Value = serde_json::from_str(told["output"].as_str().unwrap()).unwrap();
    let expected = json!({ "decision": "approved", "by": "ada", "comment": null, "at": "2026-11-26T08:00:00.000Z" });
    assert_eq!((told["taskToken"].as_str(), output), (Some("the token"), expected));
    for gone in ["TaskTimedOut", "TaskDoesNotExist"] {
        peer.say("SendTaskSuccess", refusal(gone, "Task Timed Out"));
        assert!(!workflows.decide(&decided).await.unwrap(), "{gone}");
    }
}

#[test]
fn a_run_that_waits_to_be_redriven_is_not_over() {
    assert_eq!(status(&ExecutionStatus::PendingRedrive), RunStatus::Running);
    assert_eq!(status(&ExecutionStatus::TimedOut), RunStatus::Failed);
    assert_eq!(status(&ExecutionStatus::Aborted), RunStatus::Stopped);
}

#[tokio::test]
async fn runs_are_asked_for_by_what_a_machine_can_be_asked() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    for status in [None, Some(RunStatus::Running), Some(RunStatus::Failed), Some(RunStatus::Stopped)] {
        let of = RunsOf::Workflow(run("r").app, run("r").workflow);
        workflows.list(&RunFilter { tenant: acme(), of, status }, None, 10).await.unwrap();
    }
    let asked: Vec<_> = peer.asked("ListExecutions").into_iter().map(|call| call["statusFilter"].clone()).collect();
    assert!(!asked.is_empty() && !asked.contains(&json!("PENDING_REDRIVE")), "{asked:?}");
}

#[tokio::test]
async fn what_step_functions_refuses_for_now_is_tried_again() {
    let peer = Peer::default();
    let workflows = peer.store().workflows();
    let is_put_off = |error: WorkflowError| assert!(matches!(error, WorkflowError::Unavailable(_)), "{error}");
    for (call, code) in [
        ("CreateStateMachine", "ConflictException"),
        ("CreateStateMachine", "StateMachineDeleting"),
        ("CreateStateMachine", "StateMachineLimitExceeded"),
        ("UpdateStateMachine", "ConflictException"),
        ("UpdateStateMachine", "StateMachineDeleting"),
    ] {
        peer.say(call, refusal(code, "not now"));
        is_put_off(workflows.publish(&acme(), &published(1, waits(1))).await.unwrap_err());
    }
    workflows.publish(&acme(), &published(1, waits(1))).await.unwrap();
    for code in ["ExecutionLimitExceeded", "StateMachineDeleting"] {
        peer.say("StartExecution", refusal(code, "not now"));
        is_put_off(workflows.start(&run("r1")).await.unwrap_err());
    }
    peer.say("StartExecution", refusal("InvalidExecutionInput", "never"));
    assert!(matches!(workflows.start(&run("r1")).await.unwrap_err(), WorkflowError::Unusable(_)));
    workflows.start(&run("r1")).await.unwrap();
}
