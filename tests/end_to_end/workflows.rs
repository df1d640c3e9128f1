use serde_json::{Value, json};

use crate::{
    program::{run, wait_for},
    server::Server,
};

#[tokio::test]
async fn without_any_settings_an_approval_is_mailed_and_decided_by_its_link_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let first = Server::start(data);
    first.api.prepare().await;
    let workflow = json!({
        "workflow": "approve", "app": "expenses", "on": [{ "submission": "created" }],
        "steps": [
            { "id": "ask", "approval": { "approvers": "[\"ada\"]", "title": "May I?", "text": "Please.", "deadline": "2d" } },
            { "id": "no", "if": "{steps.ask.decision} <> \"approved\"", "then": [{ "id": "sorry", "fail": "no" }] },
        ],
    });
    first.api.change("POST", "/v1/apps/expenses/workflows/approve/versions", Some(workflow)).await;
    first.api.submit(json!({})).await;
    let mailed = || {
        // As long as there is none, it says so by its code.
        let mails: Value = serde_json::from_str(&run(data, ["mail", "ls", "--output", "json"]).out).ok()?;
        let id = mails.as_array()?.iter().find(|mail| mail["subject"] == "Please decide: May I?")?["id"]
            .as_str()?
            .to_owned();
        let shown = run(data, ["mail", "show", &id]);
        let path = shown.with(0).split_whitespace().find_map(|word| word.split_once("/approvals/"))?.1;
        Some(path.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).to_owned())
    };
    let token = wait_for("the mail with the link", mailed);
    assert_eq!(first.process.stop("INT"), Some(0));

    // Its port is another one, and the link is good still.
    let second = Server::start(data);
    let url = format!("{}/approvals/{token}", second.api.base);
    let http = sendoff_tests::servers::plain_client();
    let page = http.get(&url).send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.text().await.unwrap().contains("May I?")), (200, true));
    let form = http.post(&url).header("content-type", "application/x-www-form-urlencoded");
    let decided = form.body("decision=approved").send().await.unwrap();
    assert_eq!(decided.status().as_u16(), 200);
    wait_for("the run goes on", || {
        let runs = run(data, ["workflow", "runs", "--output", "json"]).json(0);
        let is = |run: &Value| run["status"] == "succeeded";
        runs.as_array()?.iter().any(is).then_some(())
    });
    assert_eq!(second.process.stop("INT"), Some(0));
}

#[tokio::test]
async fn two_apps_that_write_to_each_other_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data);
    for (app, other) in [("ping", "pong"), ("pong", "ping")] {
        server.api.change("PUT", &format!("/v1/apps/{app}"), Some(json!({ "name": app, "owners": [] }))).await;
        let workflow = json!({
            "workflow": "answer", "app": app, "on": [{ "submission": "created" }],
            "steps": [{ "id": "write", "record": { "app": other, "author": "robot", "create": { "fields": { "said": "your turn" } } } }],
        });
        server.api.change("POST", &format!("/v1/apps/{app}/workflows/answer/versions"), Some(workflow)).await;
    }
    server.api.change("POST", "/v1/apps/ping/submissions", Some(json!({ "fields": {} }))).await;
    // As long as there is none, it says so by its code.
    let runs = || serde_json::from_str::<Vec<Value>>(&run(data, ["workflow", "runs", "--output", "json"]).out).unwrap();
    let (failed, ended) = wait_for("a run that writes no further, after all others", || {
        let runs = runs();
        let failed = runs.iter().find(|run| run["status"] == "failed")?["run"].as_str()?.to_owned();
        runs.iter().all(|run| run["status"] != "running").then_some((failed, runs))
    });
    let shown = run(data, ["workflow", "show", &failed]);
    assert!(shown.with(0).contains("hop-limit"), "{}", shown.out);
    let succeeded = ended.iter().filter(|run| run["status"] == "succeeded").count();
    assert_eq!((ended.len(), succeeded), (9, 8), "{ended:?}");
    assert_eq!(server.process.stop("INT"), Some(0));
}

#[tokio::test]
async fn a_workflow_that_sends_by_a_channel_that_is_off_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), |command| {
        command.args(["--set", "channels.sink=false"]);
    });
    server.api.change("PUT", "/v1/apps/crm", Some(json!({ "name": "CRM", "owners": [] }))).await;
    let publish = async |channel: &str, set: Value| {
        let mut step = json!({ "id": "tell" });
        step[channel] = set;
        let workflow = json!({ "workflow": "greet", "app": "crm", "on": [{ "manual": true }], "steps": [step] });
        let path = "/v1/apps/crm/workflows/greet/versions";
        let answer = server.api.send(reqwest::Method::POST, path, Some(&workflow)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, told) = publish("sms", json!({ "to": { "user": "ada" }, "text": "Hello" })).await;
    assert_eq!(status, 422, "{told}");
    assert!(told.contains("step `tell` sends by the channel `sms`, which is off"), "{told}");
    let (status, told) =
        publish("email", json!({ "to": { "user": "ada" }, "subject": "Hello", "text": "Hello" })).await;
    assert_eq!(status, 201, "{told}");
    assert_eq!(server.process.stop("INT"), Some(0));
}
