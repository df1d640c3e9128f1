//! `sendoff suppression`: an address that has bounced, and a person who takes that back.

use std::path::Path;

use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::Timestamp;
use sendoff_producers::{
    Expected, Records, UnitOfWork, Write,
    model::{Channel, Suppression, SuppressionReason, deployment, suppression_key},
};
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::Emulator,
};
use serde_json::{Value, json};

use crate::{
    program::{Ended, finish, run, sendoff, wait_for},
    server::Server,
};

const ADA: &str = "ada@example.org";

/// Writes down that there is no such mailbox, as the consumer of mails does.
async fn bounced(records: &dyn Records) {
    let entry = Suppression::new(SuppressionReason::Bounced, "2026-11-01T08:00:00Z", "smtp");
    let data = Some(serde_json::to_value(&entry).unwrap());
    let write = Write { key: suppression_key(Channel::Email, ADA), expected: Expected::Absent, data };
    let work = UnitOfWork::new(deployment(), "email", Timestamp::UNIX_EPOCH).write(write).without_events();
    records.commit(work).await.unwrap();
}

/// What became of the mail about an event.
fn mail(data: &Path, event: &str) -> Value {
    wait_for("the mail has an outcome", || {
        let life: Value = serde_json::from_str(&run(data, ["trace", event, "--output", "json"]).out).ok()?;
        let consumers = life["consumers"].as_array()?.clone();
        let email = consumers.into_iter().find(|consumer| consumer["consumer"] == "email")?;
        (email["outcome"] == "done").then(|| email["steps"][0].clone())
    })
}

fn lift(data: &Path, more: &[&str]) -> Ended {
    run(data, ["suppression", "lift", "email", "Ada@Example.org", "--by", "grace"].iter().chain(more))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_bounced_once_is_shown_and_taken_back_beside_the_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start_with(data, |command| {
        command.env("SENDOFF_MAIL_SINK", "true");
    });
    server.api.prepare().await;
    let nothing = run(data, ["suppression", "ls"]);
    assert!(nothing.with(0).is_empty() && nothing.err.contains("nothing is suppressed"), "{nothing:?}");
    assert!(lift(data, &[]).code == Some(4), "there is nothing to lift");
    let guest = Store::open_beside(data, StoreOptions::default()).unwrap();
    bounced(&*guest.records()).await;
    guest.shutdown().await;

    let event = server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);
    let step = mail(data, &event);
    assert_eq!((&step["state"], &step["reason"]), (&json!("skipped"), &json!("the address is suppressed: bounced")));

    let listed = run(data, ["suppression", "ls", "--output", "json"]).json(0);
    let told = |row: &Value| json!([row["channel"], row["reason"], row["since"], row["source"]]);
    assert_eq!(told(&listed[0]), json!(["email", "bounced", "2026-11-01T08:00:00Z", "smtp"]));
    let shown = run(data, ["suppression", "ls"]);
    assert!(shown.with(0).contains("bounced") && shown.err.contains("1 suppressed"), "{shown:?}");

    let tried = lift(data, &[]);
    assert!(tried.with(0).contains("there was no such mailbox") && tried.err.contains("nothing was done"), "{tried:?}");
    assert_eq!(run(data, ["suppression", "ls", "--output", "json"]).json(0).as_array().unwrap().len(), 1);
    let unsaid = lift(data, &["--yes"]);
    assert!(unsaid.code == Some(2) && unsaid.err.contains("--because"), "{unsaid:?}");

    let done = lift(data, &["--because", "the mailbox is there now", "--yes", "--output", "json"]);
    assert_eq!(done.json(0)["done"], true);
    assert_eq!(run(data, ["suppression", "ls", "--output", "json"]).json(0), json!([]));
    server.api.change("DELETE", "/v1/apps/expenses/assignments/ada", None).await;
    let event = server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);
    assert_eq!(mail(data, &event)["state"], "done");

    let audit = run(data, ["doubt", "audit", "--output", "json"]).json(0);
    let entry = &audit[0];
    assert_eq!(
        (&entry["by"], &entry["action"], &entry["because"]),
        (&json!("grace"), &json!("suppression-lift"), &json!("the mailbox is there now"))
    );
    for said in [&shown.out, &tried.out, &done.out, &audit.to_string()] {
        assert!(!said.to_lowercase().contains(ADA), "no address is printed or kept: {said}");
    }
    assert_eq!(lift(data, &["--because", "again", "--yes"]).code, Some(4), "it is lifted already");
    assert_eq!(server.process.stop("TERM"), Some(0));
}

#[test]
fn what_is_no_address_of_the_channel_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (channel, address) in [("email", "+447700900102"), ("sms", ADA), ("sms", "07700 900102"), ("push", "token")] {
        let ended = run(folder.path(), ["suppression", "lift", channel, address, "--by", "grace"]);
        ended.with(2);
        assert!(!ended.err.contains("07700"), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_aws_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let backend = OnAws::open().await;
    bounced(&*backend.records()).await;
    let call = |args: &[&str]| {
        let mut command = sendoff(folder.path());
        command.arg("suppression").args(args).args(["--backend", "aws"]).envs(Emulator::shared().variables());
        let resources = backend.store().resources();
        command.env("SENDOFF_TABLE", &resources.table).env("SENDOFF_INBOX_TABLE", &resources.inbox_table);
        finish(&mut command)
    };
    assert_eq!(call(&["ls", "--output", "json"]).json(0)[0]["reason"], "bounced");
    let lift = ["lift", "email", ADA, "--by", "grace", "--because", "the mailbox is there now"];
    assert!(call(&lift).with(0).contains("messages would go"));
    assert!(call(&[&lift[..], &["--yes"]].concat()).with(0).contains("messages go to this address again"));
    assert_eq!(call(&["ls", "--output", "json"]).json(0), json!([]));
    let audit = backend.store().audit().entries(0, 10).await.unwrap();
    assert_eq!((audit.len(), &*audit[0].note.action, &*audit[0].note.who), (1, "suppression-lift", "grace"));
    assert!(!audit[0].note.target.contains(ADA));
}
