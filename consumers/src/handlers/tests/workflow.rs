use std::{sync::atomic::Ordering, time::Duration};

use sendoff_events::{ApprovalDecided, Decision, SubmissionUpdated, Timestamp, WorkflowPublished, WorkflowRequested};
use sendoff_producers::model::workflow_version_key;
use sendoff_workflows::{Definition, Published};
use serde_json::{Value, json};

use super::{Stage, done, reason, submitted, tenant};
use crate::Verdict;

const KICKOFF: &str = "workflow-kickoff";
const NAME: &str = "approve-expenses";

fn stage(on: &Value, kinds: &[&str]) -> Stage {
    let stage = Stage::new();
    publish(&stage, 3, on, kinds);
    stage
}

/// Publishes a version of the app's workflow, which starts so.
pub(super) fn publish(stage: &Stage, version: u32, on: &Value, kinds: &[&str]) {
    let definition = json!({
        "workflow": NAME, "app": "expenses", "fields": { "Amount": "number", "Note": "text" }, "on": on,
        "steps": [{ "id": "end", "stop": true }],
    });
    let definition = Definition::of(definition).unwrap_or_else(|problems| panic!("{problems}"));
    let Published { definition, sha256, .. } =
        Published::of(&definition, version).unwrap_or_else(|problems| panic!("{problems}"));
    let record = json!({
        "definition": definition, "sha256": sha256, "published_by": "ada", "published_at": "2026-11-24T12:00:00Z",
    });
    let key = workflow_version_key(&tenant(), &"expenses".parse().unwrap(), &NAME.parse().unwrap(), version);
    stage.world.records.put(key, record);
    activate(stage, version, kinds);
}

fn activate(stage: &Stage, version: u32, kinds: &[&str]) {
    stage.app(json!({ "name": "Expenses", "workflows": [{ "name": NAME, "version": version, "on": kinds }] }));
}

fn created() -> Value {
    json!([{ "submission": "created" }])
}

fn published(version: u32) -> WorkflowPublished {
    WorkflowPublished { app_id: "expenses".parse().unwrap(), workflow: NAME.parse().unwrap(), version }
}

fn requested() -> WorkflowRequested {
    WorkflowRequested {
        app_id: "expenses".parse().unwrap(),
        workflow: NAME.parse().unwrap(),
        submission_id: None,
        requested_by: Some("ada".parse().unwrap()),
        scheduled_by: None,
    }
}

#[test]
fn a_submission_starts_the_apps_workflow_under_a_name_of_its_own_with_its_fields() {
    let stage = stage(&created(), &["created"]);
    let (verdict, _, id) = stage.deliver(KICKOFF, submitted());
    assert_eq!(verdict, done());
    let runs = stage.workflows.runs.lock().unwrap();
    let (name, run) = runs.first_key_value().unwrap();
    assert!(name.starts_with("approve-expenses-") && name.len() <= 80, "{name}");
    assert_eq!((run.app.as_str(), run.workflow.as_str(), run.version), ("expenses", NAME, 3));
    let input = json!({
        "tenant": tenant(), "workflow": NAME, "version": 3, "hops": 1,
        "trigger": { "kind": "created", "event_id": id },
        "submission": { "app": "expenses", "id": "s1", "author": "eve", "revision": 1 },
        "fields": { "Amount": 12, "Note": null },
    });
    assert_eq!(run.input, input);
    assert_eq!(stage.ledger(KICKOFF, id).steps[NAME].provider_id.as_ref(), Some(name));
}

#[test]
fn what_a_workflow_does_not_wait_for_starts_nothing() {
    let stage = stage(&json!([{ "submission": "updated" }]), &["updated"]);
    assert_eq!(stage.deliver(KICKOFF, submitted()).0, done());
    assert!(stage.workflows.runs.lock().unwrap().is_empty());
    let changed = SubmissionUpdated {
        app_id: "expenses".parse().unwrap(),
        submission_id: "s1".parse().unwrap(),
        editor_id: "eve".parse().unwrap(),
        revision: 2,
        changed_fields: vec!["Amount".into()],
    };
    assert_eq!(stage.deliver(KICKOFF, changed).0, done());
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}

#[test]
fn a_condition_that_does_not_hold_starts_nothing_and_is_on_record() {
    let stage = stage(&json!([{ "submission": "created", "when": "{Amount} > 100" }]), &["created"]);
    let (verdict, _, id) = stage.deliver(KICKOFF, submitted());
    assert_eq!((verdict, stage.workflows.runs.lock().unwrap().len()), (done(), 0));
    let (_, why) = stage.step(KICKOFF, id, NAME);
    assert_eq!(why.as_deref(), Some("its condition doesn't hold"));
    stage.submission(json!({ "Amount": 101 }));
    drop(stage.deliver(KICKOFF, submitted()));
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}

#[test]
fn a_condition_that_would_take_all_memory_starts_nothing_and_is_told() {
    let when = format!("COUNT([{}]) > 0", vec!["{Note}"; 1_000].join(","));
    let stage = stage(&json!([{ "submission": "created", "when": when }]), &["created"]);
    stage.submission(json!({ "Note": "x".repeat(200_000) }));
    let (verdict, _, _) = stage.deliver(KICKOFF, submitted());
    let Verdict::DeadLetter(failure) = verdict else { panic!("{verdict:?}") };
    assert_eq!((&*failure.reason, stage.workflows.runs.lock().unwrap().len()), ("bad-input", 0));
    assert!(failure.error.contains(NAME) && failure.error.contains("33554432 bytes"), "{}", failure.error);
    stage.submission(json!({ "Note": "x".repeat(1_000) }));
    assert_eq!(stage.deliver(KICKOFF, submitted()).0, done());
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}

#[test]
fn a_field_of_another_type_is_told_by_its_name() {
    let stage = stage(&created(), &["created"]);
    stage.submission(json!({ "Amount": "a lot" }));
    let (verdict, _, _) = stage.deliver(KICKOFF, submitted());
    let Verdict::DeadLetter(failure) = verdict else { panic!("{verdict:?}") };
    assert_eq!(failure.reason, "bad-input");
    assert!(failure.error.contains("Amount"), "{}", failure.error);
}

#[test]
fn a_repeated_start_finds_the_run_also_after_the_workflow_was_published_anew() {
    let stage = stage(&created(), &["created"]);
    let (delivery, _) = stage.world.delivery(submitted());
    for version in [3, 3, 4] {
        publish(&stage, version, &created(), &["created"]);
        // The ledger is lost, as if the process had crashed after the start.
        stage.world.inbox.0.lock().unwrap().clear();
        assert_eq!(stage.process(KICKOFF, &delivery), done(), "{version}");
    }
    let runs = stage.workflows.runs.lock().unwrap();
    assert_eq!(runs.values().map(|run| run.version).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_repeated_start_is_not_told_as_skipped_because_the_submission_was_changed_since() {
    let stage = stage(&json!([{ "submission": "created", "when": "{Amount} < 100" }]), &["created"]);
    let (delivery, id) = stage.world.delivery(submitted());
    assert_eq!(stage.process(KICKOFF, &delivery), done());
    let run = stage.workflows.runs.lock().unwrap().keys().next().unwrap().clone();
    // The ledger is lost, as if the process had crashed after the start.
    stage.world.inbox.0.lock().unwrap().clear();
    stage.submission(json!({ "Amount": 500 }));
    assert_eq!(stage.process(KICKOFF, &delivery), done());
    assert_eq!(stage.ledger(KICKOFF, id).steps[NAME].provider_id.as_ref(), Some(&run));
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}

#[test]
fn a_foreign_run_of_the_same_name_is_a_conflict() {
    let stage = stage(&created(), &["created"]);
    let (delivery, _) = stage.world.delivery(submitted());
    assert_eq!(stage.process(KICKOFF, &delivery), done());
    stage.workflows.runs.lock().unwrap().values_mut().for_each(|run| run.input = json!("another"));
    stage.world.inbox.0.lock().unwrap().clear();
    assert_eq!(reason(stage.process(KICKOFF, &delivery)), "run-conflict");
}

#[test]
fn unreachable_workflows_use_up_no_attempt() {
    let stage = stage(&created(), &["created"]);
    stage.workflows.down.store(true, Ordering::Relaxed);
    let (verdict, _, id) = stage.deliver(KICKOFF, submitted());
    assert!(matches!(verdict, Verdict::Snooze { .. }), "{verdict:?}");
    assert_eq!(stage.ledger(KICKOFF, id).attempts, 0);
}

#[test]
fn a_workflow_that_memory_knows_nothing_of_yet_is_started_nevertheless() {
    let stage = Stage::remembering();
    assert_eq!(stage.deliver(KICKOFF, submitted()).0, done());
    publish(&stage, 3, &created(), &["created"]);
    assert_eq!(stage.deliver(KICKOFF, submitted()).0, done());
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 1);
}

#[test]
fn what_memory_knows_of_an_app_is_not_what_is_started() {
    let stage = Stage::remembering();
    publish(&stage, 3, &created(), &["created"]);
    // A mail's look-up leaves the app in memory, as it is now.
    assert_eq!(stage.deliver("email", submitted()).0, done());
    publish(&stage, 4, &json!([{ "submission": "created" }, { "manual": true }]), &["created", "manual"]);
    for event in [stage.deliver(KICKOFF, submitted()), stage.deliver(KICKOFF, requested())] {
        assert_eq!(event.0, done());
    }
    let runs = stage.workflows.runs.lock().unwrap();
    assert_eq!(runs.values().map(|run| run.version).collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn somebody_can_ask_for_a_run_where_the_workflow_allows_it() {
    let stage = stage(&json!([{ "manual": true }]), &["manual"]);
    assert_eq!(stage.deliver(KICKOFF, requested()).0, done());
    let with = WorkflowRequested { submission_id: Some("s1".parse().unwrap()), ..requested() };
    assert_eq!(stage.deliver(KICKOFF, with).0, done());
    let runs: Vec<_> = stage.workflows.runs.lock().unwrap().values().map(|run| run.input.clone()).collect();
    let mut amounts: Vec<_> = runs.iter().map(|input| input["fields"]["Amount"].clone()).collect();
    amounts.sort_by_key(Value::to_string);
    assert_eq!(amounts, [json!(12), Value::Null]);
    activate(&stage, 3, &["created"]);
    assert_eq!(reason(stage.deliver(KICKOFF, requested()).0), "workflow-off");
}

#[test]
fn a_decision_is_passed_on() {
    let stage = Stage::new();
    let decided = ApprovalDecided {
        run: "r1".into(),
        instance: "ask/2".into(),
        decision: Decision::Rejected,
        by: "ada".parse().unwrap(),
        comment: None,
    };
    assert_eq!(stage.deliver(KICKOFF, decided).0, done());
    let told = stage.workflows.decided.lock().unwrap();
    assert_eq!((&*told[0].run, told[0].instance.to_string(), &*told[0].by), ("r1", "ask/2".to_owned(), "ada"));
    assert_eq!(told[0].decision, sendoff_workflows::engine::Decision::Rejected);
}

/// Every day at 08:30 in Berlin but on Sundays.
fn mornings() -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat"];
    json!([{ "schedule": { "at": "08:30", "zone": "Europe/Berlin", "days": days } }])
}

fn waiting(stage: &Stage) -> Vec<(Timestamp, sendoff_events::EventId)> {
    let schedules = stage.schedules.0.lock().unwrap();
    let id = |schedule: &crate::Schedule| {
        let envelope: Value = serde_json::from_slice(&schedule.message.body).unwrap();
        envelope["id"].as_str().unwrap().parse().unwrap()
    };
    schedules.values().map(|schedule| (schedule.due, id(schedule))).collect()
}

/// Delivers what waits longest, once its time has come.
fn come_round(stage: &Stage) -> Verdict {
    let (_, schedule) = stage.schedules.0.lock().unwrap().pop_first().unwrap();
    let early = schedule.due.duration_since(sendoff_events::Clock::now(&*stage.world.clock));
    stage.world.clock.forward(Duration::try_from(early).unwrap());
    let (mut delivery, _) = stage.world.delivery(submitted());
    delivery.body = schedule.message.body;
    stage.process(KICKOFF, &delivery)
}

#[test]
fn a_schedule_starts_a_run_at_each_of_its_times_and_every_time_once() {
    // It is Tuesday, 13:00 in Berlin.
    let stage = stage(&mornings(), &["schedule"]);
    assert_eq!(stage.deliver(KICKOFF, published(3)).0, done());
    let first = waiting(&stage);
    assert_eq!(first[0].0, "2026-11-25T07:30:00Z".parse().unwrap());
    assert_eq!(stage.deliver(KICKOFF, published(3)).0, done());
    assert_eq!(waiting(&stage), first, "told again it is the same message, down to the event's id");
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 0);
    let mut due = Vec::new();
    for _ in 0..5 {
        due.push(waiting(&stage)[0].0);
        assert_eq!(come_round(&stage), done());
    }
    let expected = ["2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28", "2026-11-30"];
    let expected: Vec<Timestamp> = expected.iter().map(|day| format!("{day}T07:30:00Z").parse().unwrap()).collect();
    assert_eq!(due, expected);
    let runs = stage.workflows.runs.lock().unwrap();
    assert!(runs.len() == 5 && runs.values().all(|run| run.input["trigger"]["kind"] == "schedule"), "{runs:?}");
}

#[test]
fn a_schedule_ends_with_the_last_version_that_has_one() {
    let stage = stage(&mornings(), &["schedule"]);
    drop(stage.deliver(KICKOFF, published(3)));
    publish(&stage, 4, &created(), &["created"]);
    assert_eq!(stage.deliver(KICKOFF, published(4)).0, done());
    assert_eq!(come_round(&stage), done());
    assert_eq!(waiting(&stage), [], "and it puts no next one");
    assert_eq!(stage.workflows.runs.lock().unwrap().len(), 0);
    assert_eq!(stage.workflows.published.lock().unwrap().len(), 2);
}

/// The versions of all runs, and the times that wait.
fn versions_and_times(stage: &Stage) -> (Vec<u32>, Vec<String>) {
    let runs = stage.workflows.runs.lock().unwrap();
    let times = waiting(stage).into_iter().map(|(due, _)| due.to_string()).collect();
    (runs.values().map(|run| run.version).collect(), times)
}

#[test]
fn a_time_that_is_due_when_a_version_is_published_is_not_lost() {
    let stage = stage(&mornings(), &["schedule"]);
    drop(stage.deliver(KICKOFF, published(3)));
    // Nobody handles what is due for two seconds, and then the news of the version comes first.
    stage.forward(19 * 3600 + 30 * 60 + 2);
    publish(&stage, 4, &mornings(), &["schedule"]);
    assert_eq!(stage.deliver(KICKOFF, published(4)).0, done());
    let times = ["2026-11-25T07:30:00Z", "2026-11-26T07:30:00Z"].map(str::to_owned);
    assert_eq!(versions_and_times(&stage), (vec![], times.to_vec()));
    let due = stage.schedules.0.lock().unwrap().pop_first().unwrap().1;
    let (mut delivery, _) = stage.world.delivery(submitted());
    delivery.body = due.message.body;
    assert_eq!(stage.process(KICKOFF, &delivery), done());
    assert_eq!(versions_and_times(&stage), (vec![4], times[1..].to_vec()), "its run is one of the version that is on");
    assert_eq!(come_round(&stage), done());
    assert_eq!(versions_and_times(&stage), (vec![4, 4], vec!["2026-11-27T07:30:00Z".into()]));
}

#[test]
fn of_another_times_version_a_schedule_keeps_the_times_of_the_one_that_is_on() {
    let stage = stage(&mornings(), &["schedule"]);
    drop(stage.deliver(KICKOFF, published(3)));
    let evenings = json!([{ "schedule": { "at": "20:00", "zone": "Europe/Berlin" } }]);
    publish(&stage, 4, &evenings, &["schedule"]);
    // Another worker handles the message of the version before, and the news of the new one come late, or twice.
    stage.forward(12 * 3600);
    assert_eq!(come_round(&stage), done());
    let evening = vec!["2026-11-25T19:00:00Z".to_owned()];
    assert_eq!(versions_and_times(&stage), (vec![], evening.clone()), "half past eight isn't its time");
    for _ in 0..2 {
        assert_eq!(stage.deliver(KICKOFF, published(4)).0, done());
        assert_eq!(versions_and_times(&stage).1, evening);
    }
    assert_eq!(come_round(&stage), done());
    assert_eq!(versions_and_times(&stage), (vec![4], vec!["2026-11-26T19:00:00Z".into()]));
}
