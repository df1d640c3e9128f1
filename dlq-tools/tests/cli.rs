//! The real bin over a real data folder.

#![cfg(test)]

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use sendoff_consumers::{Class, Failure, NewMessage, REPLAY_ATTRIBUTE};
use sendoff_embedded::{Store, StoreOptions};
use serde_json::Value;

fn dlq(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlq"));
    // No setting of the machine that the tests run on gets in.
    command.env_clear().current_dir(data).arg("--data").arg(data).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder whose queue `email` has three dead letters: two `bad-template`, one `not-json`.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let queue = store.queue("email").await.unwrap();
    for reason in ["bad-template", "not-json", "bad-template"] {
        queue.send(&[NewMessage { body: reason.into(), ..NewMessage::default() }]).await;
        let delivery = queue.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap().remove(0);
        let failure = Failure {
            reason: reason.into(),
            class: Class::Rejected,
            fingerprint: format!("{reason}-00000000"),
            consumer: "email".into(),
            attempts: 1,
            first_at: delivery.sent_at,
            last_at: delivery.sent_at,
            error: "line 3".into(),
        };
        assert_eq!(queue.dead_letter(&[(delivery, failure)]).await, [Ok(())]);
    }
    store.shutdown().await;
    folder
}

#[tokio::test]
async fn ls_counts_dead_letters_and_names_the_top_reason() {
    let folder = folder().await;
    let queues = json(&dlq(folder.path(), &["ls", "--output", "json"]));
    assert_eq!(queues["queues"][0]["dead"], 3);
    assert_eq!(queues["queues"][0]["top_reason"], "bad-template");
    let table = dlq(folder.path(), &["ls"]);
    assert!(String::from_utf8(table.stdout).unwrap().contains("bad-template (2)"));
}

#[tokio::test]
async fn show_lists_one_reason_and_leaves_everything_where_it_is() {
    let folder = folder().await;
    let shown = json(&dlq(folder.path(), &["show", "email", "--reason", "not-json", "--output", "json"]));
    assert_eq!(shown["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(shown["dead_letters"][0]["failure"]["error"], "line 3");
    assert_eq!(dlq(folder.path(), &["show", "email", "--reason", "nothing-like-it"]).status.code(), Some(4));
    assert_eq!(json(&dlq(folder.path(), &["ls", "--output", "json"]))["queues"][0]["dead"], 3);
}

#[tokio::test]
async fn replay_says_what_it_would_do_until_it_is_told_to() {
    let folder = folder().await;
    let dry = dlq(folder.path(), &["replay", "email", "--reason", "bad-template"]);
    assert!(String::from_utf8(dry.stderr).unwrap().starts_with("2 dead letters of `email` would be moved back"));
    assert_eq!(json(&dlq(folder.path(), &["ls", "--output", "json"]))["queues"][0]["dead"], 3);

    let applied = dlq(folder.path(), &["replay", "email", "--reason", "bad-template", "--apply"]);
    assert_eq!(applied.status.code(), Some(0), "{}", String::from_utf8_lossy(&applied.stderr));
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let queue = store.queue("email").await.unwrap();
    let moved = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
    assert_eq!(moved.len(), 2);
    assert!(moved.iter().all(|d| d.body == "bad-template" && d.attributes[REPLAY_ATTRIBUTE] == "1"));
}

#[tokio::test]
async fn replay_is_refused_while_the_folder_is_served() {
    let folder = folder().await;
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let refused = dlq(folder.path(), &["replay", "email", "--apply"]);
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(json(&dlq(folder.path(), &["ls", "--output", "json"]))["queues"][0]["dead"], 3);
    drop(store);
}

#[test]
fn no_data_and_no_such_queue_are_told_apart() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(dlq(empty.path(), &["ls"]).status.code(), Some(7));
    drop(Store::open(empty.path(), StoreOptions::default()).unwrap());
    assert_eq!(dlq(empty.path(), &["show", "nobody"]).status.code(), Some(4));
}
