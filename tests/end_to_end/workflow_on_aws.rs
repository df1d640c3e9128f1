//! `sendoff workflow runs|show|draw|diff|stop|redrive --backend aws`, beside a deployment in the emulator. What that lacks, taking a run up
//! again, a stub before it does by Step Functions' rules.

use std::path::Path;

use sendoff_consumers::NewRun;
use sendoff_events::TenantId;
use sendoff_producers::{
    Expected, UnitOfWork, Write,
    model::{WorkflowVersion, workflow_version_key},
};
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::Emulator,
};
use sendoff_workflows::{Definition, Published};
use serde_json::{Value, json};

use crate::{
    program::{Ended, finish, run, sendoff, wait_for},
    step_functions::StepFunctions,
};

/// The program, as its user's environment leads it to the deployment.
fn workflow(data: &Path, backend: &OnAws, step_functions: &str, args: &[&str]) -> Ended {
    let mut command = sendoff(data);
    command.arg("workflow").args(args).args(["--backend", "aws"]).envs(Emulator::shared().variables());
    let resources = backend.store().resources();
    command.env("SENDOFF_TABLE", &resources.table).env("SENDOFF_INBOX_TABLE", &resources.inbox_table);
    command.env("SENDOFF_RUNS_PREFIX", &resources.runs_prefix);
    command.env("SENDOFF_RUNS_ROLE_ARN", &resources.runs_role_arn).env("AWS_ENDPOINT_URL_SFN", step_functions);
    finish(&mut command)
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

/// Publishes a workflow of the app `crm` as its first version.
async fn publish(backend: &OnAws, name: &str, steps: Value) {
    let definition = json!({
        "workflow": name, "app": "crm", "fields": { "note": "text" }, "on": [{ "manual": true }], "steps": steps,
    });
    let published = Published::of(&Definition::of(definition).unwrap(), 1).unwrap();
    let at = backend.clock().now();
    let record = WorkflowVersion {
        definition: published.definition.clone(),
        sha256: published.sha256.clone(),
        published_by: "ada".parse().unwrap(),
        published_at: at,
    };
    let key = workflow_version_key(&acme(), &published.app, &name.parse().unwrap(), 1);
    let data = Some(serde_json::to_value(record).unwrap());
    let work = UnitOfWork::new(acme(), "ada", sendoff_events::at_millis(at))
        .write(Write { key, expected: Expected::Any, data })
        .without_events();
    backend.records().commit(work).await.unwrap();
    backend.workflows().publish(&acme(), &published).await.unwrap();
}

async fn start(backend: &OnAws, workflow: &str, name: &str) {
    let input = json!({
        "tenant": "acme", "workflow": workflow, "version": 1, "hops": 1,
        "trigger": { "kind": "manual", "event_id": null },
        "submission": { "app": null, "id": null, "author": null, "revision": null },
        "fields": { "note": "Ada's own" },
    });
    let (app, workflow) = ("crm".parse().unwrap(), workflow.parse().unwrap());
    let run = NewRun { name: name.into(), tenant: acme(), app, workflow, version: 1, input };
    backend.workflows().start(&run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_step_functions_are_listed_shown_and_stopped_as_those_of_a_data_folder_are() {
    let folder = tempfile::tempdir().unwrap();
    let backend = OnAws::open().await;
    let endpoint = Emulator::shared().endpoint();
    let call = |args: &[&str]| workflow(folder.path(), &backend, &endpoint, args);
    call(&["runs"]).with(4);
    publish(&backend, "pause", json!([{ "id": "rest", "wait": { "for": "1h" } }, { "id": "end", "stop": true }])).await;
    start(&backend, "pause", "r1").await;
    start(&backend, "pause", "r2").await;

    let names = |args: &[&str]| -> Vec<String> {
        let listed = call(&[&["runs"], args, &["--output", "json"]].concat()).json(0);
        listed.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    for of in [&[][..], &["crm"], &["crm/pause"], &["crm", "--status", "running"]] {
        assert_eq!(names(of), ["r2", "r1"], "{of:?}");
    }
    call(&["runs", "hr"]).with(4);
    call(&["runs", "--tenant", "globex"]).with(4);
    let some = call(&["runs", "--limit", "1"]);
    assert!(some.with(0).contains("crm/pause") && some.err.contains("more than 1"), "{some:?}");

    let shown = call(&["show", "r1", "--output", "json"]).json(0);
    assert_eq!((&shown["workflow"], &shown["status"]), (&json!("crm/pause"), &json!("running")));
    let told: Vec<_> = shown["history"].as_array().unwrap().iter().map(|line| (&line["what"], &line["step"])).collect();
    let (step, none) = (&json!("rest"), &Value::Null);
    assert_eq!(told, [(&json!("started"), none), (&json!("entered"), step), (&json!("waiting"), step)]);
    assert!(!shown.to_string().contains("Ada's own"), "{shown}");
    assert!(call(&["show", "r1", "--show-data"]).with(0).contains("Ada's own"));

    let drawn = call(&["draw", "--run", "r1"]);
    let coloured = drawn.with(0).lines().any(|line| line.contains("s_rest") && line.ends_with(":::open"));
    assert!(drawn.with(0).starts_with("flowchart") && coloured, "{drawn:?}");
    let draft = folder.path().join("draft.yaml");
    let text = "workflow: pause\napp: crm\nfields: { note: text }\non: [{ manual: true }]\n\
                steps: [{ id: rest, wait: { for: 2h } }, { id: end, stop: true }]\n";
    std::fs::write(&draft, text).unwrap();
    let draft = draft.to_str().unwrap();
    assert_eq!(call(&["diff", "1", draft]).with(0), "changed  step rest\n         wait.for: \"1h\" → \"2h\"\n");
    let unknown = call(&["diff", "9", draft]);
    assert!(unknown.code == Some(4) && unknown.err.contains("no version 9"), "{unknown:?}");

    let running = call(&["redrive", "r1", "--by", "grace"]);
    assert!(running.code == Some(5) && running.err.contains("it is running: only a run that failed"), "{running:?}");
    assert_eq!(call(&["stop", "r1", "--by", "grace"]).with(0), "the run r1 is stopped\n");
    let again = call(&["stop", "r1", "--by", "grace"]);
    assert!(again.code == Some(5) && again.err.contains("is stopped: it is at its end"), "{again:?}");
    assert_eq!(names(&["--status", "stopped"]), ["r1"]);
    let shown = call(&["show", "r1"]);
    assert!(shown.with(0).contains("run stopped"), "{shown:?}");
    let kept = backend.audit().entries(0, 10).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|e| (&*e.note.who, &*e.note.action, &*e.note.target)).collect();
    assert_eq!(kept, [("grace", "workflow-stop", "r1")]);
    for call_of in [&["show", "gone"][..], &["stop", "gone", "--by", "grace"], &["redrive", "gone", "--by", "grace"]] {
        let gone = call(call_of);
        assert!(gone.code == Some(4) && gone.err.contains("there is no run `gone`"), "{gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_is_taken_up_again_by_a_stub_that_keeps_the_rules_of_redrive_execution() {
    let folder = tempfile::tempdir().unwrap();
    let backend = OnAws::open().await;
    let (front, endpoint) = StepFunctions::before(Emulator::shared().endpoint(), false).await;
    let call = |args: &[&str]| workflow(folder.path(), &backend, &endpoint, args);
    publish(&backend, "broken", json!([{ "id": "give_up", "fail": "No way, {{ {note} }}" }])).await;
    start(&backend, "broken", "r1").await;
    let shown = wait_for("the run fails", || {
        let shown = call(&["show", "r1", "--output", "json"]).json(0);
        (shown["status"] == "failed").then_some(shown)
    });
    assert_eq!((&shown["error"], &shown["cause"]), (&json!("Workflow.Failed"), &json!("…")));
    assert!(!shown.to_string().contains("No way"), "{shown}");
    assert!(call(&["show", "r1", "--show-data"]).with(0).contains("No way, Ada's own"));

    let (_, late) = StepFunctions::before(Emulator::shared().endpoint(), true).await;
    let too_late = workflow(folder.path(), &backend, &late, &["redrive", "r1", "--by", "grace"]);
    assert!(too_late.code == Some(1) && too_late.err.contains("within 14 days"), "{too_late:?}");

    let redriven = call(&["redrive", "r1", "--by", "grace", "--output", "json"]).json(0);
    assert_eq!(redriven, json!({ "run": "r1", "what": "goes on from where it failed" }));
    let machine = front.redriven();
    assert!(machine.len() == 1 && machine[0].contains(":execution:") && machine[0].ends_with(":r1"), "{machine:?}");
    assert_eq!(call(&["show", "r1", "--output", "json"]).json(0)["status"], "running");
    call(&["redrive", "r1", "--by", "grace"]).with(5);
}

#[test]
fn without_the_names_of_its_resources_it_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["workflow", "show", "r1", "--backend", "aws"]);
    ended.with(2);
    for name in ["SENDOFF_INBOX_TABLE", "SENDOFF_RUNS_ROLE_ARN", "SENDOFF_RUNS_PREFIX"] {
        assert!(ended.err.contains(name), "{name}: {}", ended.err);
    }
    assert!(!ended.err.contains("SENDOFF_TABLE"), "{}", ended.err);
    for of in [&["runs"][..], &["draw", "--run", "r1"]] {
        let ended = run(folder.path(), [&["workflow"][..], of, &["--backend", "aws"]].concat());
        ended.with(2);
        assert!(ended.err.contains("SENDOFF_TABLE"), "{}", ended.err);
    }
}
