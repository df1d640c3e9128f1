//! Workflows of a data folder, beside the server that runs them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use axum::http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use sendoff_consumers::channels::http::{HttpClient, HttpRequest, HttpSettings};
use serde_json::{Value, json};

use crate::program::{Ended, finish, sendoff, workflow};

const PAUSE: &str = "\
workflow: pause
app: expenses
on: [{ manual: true }]
steps:
  - { id: rest, wait: { for: 3d } }
  - { id: end, stop: true }
";

const BROKEN: &str = "\
workflow: broken
app: expenses
fields: { note: text }
on: [{ manual: true }]
steps:
  - { id: give_up, fail: 'No way, {{ COALESCE({note}, \"Ada\") }}' }
";

const NESTED: &str = "\
workflow: nested
app: expenses
fields: { lines: { list: text }, parts: { list: text } }
on: [{ manual: true }]
steps:
  - { id: outer, for_each: '{lines}', do: [{ id: inner, for_each: '{parts}', as: part, do: [{ id: rest, wait: { for: 1 } }] }] }
";

/// A server that is killed when the test ends, however it ends.
struct Server(Child, String);

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = sendoff(folder);
        command.args(["--data", "data", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("the server tells its address");
        let base = line.trim().strip_prefix("listening on ").expect("the first line tells the address").to_owned();
        Self(child, base)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn on_data(folder: &Path, args: &[&str]) -> Ended {
    workflow(folder, ["--data", "data"].iter().chain(args))
}

/// What the run tells, once it is as it should be.
fn until(folder: &Path, args: &[&str], is: impl Fn(&Value) -> bool) -> Value {
    let patience = Duration::from_secs(60);
    #[expect(clippy::disallowed_methods, reason = "a deadline of the test's own")]
    let begun = Instant::now();
    loop {
        let told = on_data(folder, args);
        let json: Value = serde_json::from_str(told.out_as_it_is()).unwrap_or_default();
        if is(&json) {
            return json;
        }
        assert!(begun.elapsed() < patience, "it doesn't come: {told:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn prepare(folder: &Path, base: &str) {
    let token = finish(sendoff(folder).args(["--data", "data", "token"])).with(0).trim().to_owned();
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    for (path, body) in [
        ("/v1/users/ada", json!({ "name": "Ada", "email": "ada@example.org" })),
        ("/v1/apps/expenses", json!({ "name": "Expenses", "owners": ["ada"] })),
    ] {
        let request = HttpRequest::new(Method::PUT, format!("{base}{path}"));
        let request = request.header(AUTHORIZATION, &format!("Bearer {token}"), true).unwrap();
        let request = request.header(CONTENT_TYPE, "application/json", false).unwrap();
        let answer = http.send(request.body(body.to_string())).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn a_workflow_is_published_run_looked_at_stopped_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("pause.yaml"), PAUSE).unwrap();
    fs::write(folder.join("broken.yaml"), BROKEN).unwrap();
    let none = on_data(folder, &["publish", "pause.yaml"]);
    none.with(7);
    let server = Server::start(folder);
    let unknown = on_data(folder, &["publish", "pause.yaml"]);
    unknown.with(4);
    assert!(unknown.err.contains("expenses"), "{}", unknown.err);
    prepare(folder, &server.1).await;

    // Publishing, here and by the API.
    let said = on_data(folder, &["publish", "pause.yaml"]);
    assert_eq!(said.with(0), "expenses/pause: version 1 is published and switched on\n");
    let said = on_data(folder, &["publish", "pause.yaml"]);
    assert_eq!(said.with(0), "expenses/pause: version 1 says the same, and is switched on already\n");
    assert!(!said.err.contains("warning"), "{}", said.err);
    // What Step Functions has no room for runs here all the same.
    fs::write(folder.join("nested.yaml"), NESTED).unwrap();
    let said = on_data(folder, &["publish", "nested.yaml"]);
    assert_eq!(said.with(0), "expenses/nested: version 1 is published and switched on\n");
    assert!(said.err.contains("nested.yaml: warning: `inner` is done for each item of `outer`"), "{}", said.err);
    let token = finish(sendoff(folder).args(["--data", "data", "token"])).with(0).trim().to_owned();
    let there = ["workflow", "publish", "broken.yaml", "--output", "json", "--url", &server.1];
    let missing = finish(sendoff(folder).args(there));
    missing.with(2);
    assert!(missing.err.contains("SENDOFF_TOKEN"), "{}", missing.err);
    let said = finish(sendoff(folder).args(there).env("SENDOFF_TOKEN", &token)).json(0);
    assert_eq!((&said["version"], said["events"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    let plain = ["workflow", "publish", "broken.yaml", "--url", "http://sendoff.example.org"];
    finish(sendoff(folder).args(plain).env("SENDOFF_TOKEN", &token)).with(5);

    // A run that waits, and is stopped.
    let asked = on_data(folder, &["run", "expenses/pause"]);
    assert!(asked.with(0).starts_with("asked for a run of expenses/pause; see: sendoff trace "), "{}", asked.with(0));
    on_data(folder, &["run", "expenses/gone"]).with(4);
    let runs = ["runs", "expenses/pause", "--status", "running", "--output", "json"];
    let running = until(folder, &runs, |runs| runs[0]["run"].is_string());
    let run = running[0]["run"].as_str().unwrap();
    let shown = until(folder, &["show", run, "--output", "json"], |shown| shown.to_string().contains("\"waiting\""));
    assert_eq!((&shown["status"], &shown["workflow"]), (&json!("running"), &json!("expenses/pause")));
    on_data(folder, &["redrive", run, "--by", "grace"]).with(5);
    let because = ["--by", "grace", "--because", "INC-9: it waits for nobody"];
    let stop = [&["stop", run][..], &because].concat();
    assert_eq!(on_data(folder, &stop).with(0), format!("the run {run} is stopped\n"));
    let again = on_data(folder, &stop);
    again.with(5);
    assert!(again.err.contains("is stopped: it is at its end"), "{}", again.err);
    let chart = on_data(folder, &["draw", "--run", run]);
    assert!(chart.with(0).contains(":::givenup"), "{}", chart.with(0));

    // A run that fails, and is taken up again.
    on_data(folder, &["run", "expenses/broken"]).with(0);
    let runs = ["runs", "expenses", "--status", "failed", "--output", "json"];
    let failed = until(folder, &runs, |runs| runs[0]["run"].is_string());
    let run = failed[0]["run"].as_str().unwrap();
    assert_eq!(failed[0]["error"], "Workflow.Failed");
    let shown = on_data(folder, &["show", run]);
    assert!(!shown.with(0).contains("No way"), "{}", shown.with(0));
    assert!(shown.err.contains("--show-data"), "{}", shown.err);
    let open = on_data(folder, &["show", run, "--show-data"]);
    assert!(open.with(0).contains("No way, Ada"), "{}", open.with(0));
    let redrive = ["redrive", run, "--by", "ada"];
    assert_eq!(on_data(folder, &redrive).with(0), format!("the run {run} goes on from where it failed\n"));
    until(folder, &["show", run, "--output", "json"], |shown| {
        shown["status"] == "failed" && shown.to_string().contains("\"redriven\"")
    });

    // Who did it and why is kept, of what was done.
    on_data(folder, &["stop", run]).with(2);
    let audit = finish(sendoff(folder).args(["--data", "data", "doubt", "audit", "--output", "json"])).json(0);
    let kept = |n: usize| ["by", "action", "target", "because"].map(|name| audit[n][name].as_str().unwrap().to_owned());
    assert_eq!(audit.as_array().map(Vec::len), Some(2), "{audit}");
    assert_eq!(kept(0), ["grace", "workflow-stop", running[0]["run"].as_str().unwrap(), "INC-9: it waits for nobody"]);
    assert_eq!(kept(1), ["ada", "workflow-redrive", run, ""]);

    // A draft beside what was published.
    fs::write(folder.join("draft.yaml"), PAUSE.replace("3d", "5d")).unwrap();
    let told = on_data(folder, &["diff", "1", "draft.yaml"]);
    assert_eq!(told.with(0), "changed  step rest\n         wait.for: \"3d\" → \"5d\"\n");
    on_data(folder, &["diff", "9", "draft.yaml"]).with(4);
    on_data(folder, &["show", "gone"]).with(4);

    // Switched off, here and by the API, it starts no more until it is published again.
    let said = on_data(folder, &["switch-off", "expenses/pause"]);
    assert!(said.with(0).starts_with("expenses/pause is switched off: it starts no more."), "{}", said.with(0));
    for gone in [on_data(folder, &["switch-off", "expenses/pause"]), on_data(folder, &["run", "expenses/pause"])] {
        gone.with(4);
        assert!(gone.err.contains("no workflow `pause` that is switched on"), "{}", gone.err);
    }
    let there = ["workflow", "switch-off", "expenses/broken", "--output", "json", "--url", &server.1];
    let said = finish(sendoff(folder).args(there).env("SENDOFF_TOKEN", &token)).json(0);
    assert_eq!(said, json!({ "app_id": "expenses", "workflow": "broken", "switched_on": false }));
    let said = on_data(folder, &["publish", "pause.yaml"]);
    assert_eq!(said.with(0), "expenses/pause: version 1 says the same, and is switched on again\n");
    on_data(folder, &["runs", "other"]).with(4);
}
