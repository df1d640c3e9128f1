//! Two letters of one event.

use std::collections::BTreeSet;

use sendoff_host::Exit;

use super::{House, event_id, planned};

async fn with_twins() -> House {
    let house = House::with(2).await;
    house.fail(2).await;
    assert_eq!(house.letters().await, 4);
    house
}

#[tokio::test]
async fn an_edit_covers_all_letters_of_an_event_and_makes_one_new_event_of_them() {
    let house = with_twins().await;
    let found = house.dlq(&["grep", "email", "--output", "ndjson", "--id", &event_id(0).to_string()]).await;
    let twins: Vec<serde_json::Value> = found.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id =
        |at: usize| twins[at].pointer("/message_id").or(twins[at].pointer("/message/id")).unwrap().as_str().unwrap();
    let set = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id"];
    let half = house.dlq(&[&set[..], &[id(0)]].concat()).await.expect(Exit::Refused);
    assert!(half.err.contains(&format!("--id {}", id(1))), "{half:?}");
    house.dlq(&[&set[..], &[id(0), "--id", id(1)]].concat()).await.expect(Exit::Done);
    // One edit is taken back: its letter must not run as it was.
    house.dlq(&["edit", "email", "--undo", "--yes", "--id", id(1)]).await.expect(Exit::Done);
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let head = std::fs::read_to_string(house.folder.path().join(&plan)).unwrap();
    assert!(head.contains("\"forecast\":\"replaced\""), "{head}");
    house.dlq(&["run", &plan, "--apply", &hash]).await;
    let store = house.store();
    let sent = house.receive(&store).await;
    store.shutdown().await;
    let sent: Vec<serde_json::Value> = sent.iter().map(|sent| serde_json::from_slice(&sent.body).unwrap()).collect();
    let old = event_id(0).to_string();
    assert!(sent.iter().all(|event| event["id"] != *old), "{sent:#?}");
    let new: BTreeSet<_> =
        sent.iter().filter(|event| event["causationid"] == *old).map(|e| e["id"].to_string()).collect();
    assert_eq!(new.len(), 1, "{sent:#?}");
}

#[tokio::test]
async fn both_letters_of_an_edited_event_carry_the_same_new_one() {
    let house = with_twins().await;
    let id = event_id(0).to_string();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id", &id]).await.expect(Exit::Done);
    let (plan, _) = planned(&house, &["--id", &id]).await;
    let lines = std::fs::read_to_string(house.folder.path().join(&plan)).unwrap();
    let entries: Vec<serde_json::Value> =
        lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["event"], entries[1]["event"]);
    let nothing = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id", &id];
    house.dlq(&nothing).await.expect(Exit::NothingMatched);
}

#[tokio::test]
async fn letters_go_only_where_somebody_serves_them_and_plans_of_a_second_get_numbers() {
    let house = House::with(1).await;
    let to = async |to: &str| house.dlq(&["plan", "email", "--to", to]).await;
    assert!(to("queue:email-dlq").await.expect(Exit::Refused).err.contains("is a dead-letter queue"));
    assert!(to("queue:nope").await.expect(Exit::NothingMatched).err.contains("email"));
    let (first, _) = planned(&house, &[]).await;
    let (second, _) = planned(&house, &[]).await;
    assert_eq!(first.replace(".plan", "-2.plan"), second);
    // At once, neither sees the file of the other before it writes its own.
    let plan = ["plan", "email", "--output", "json"];
    let (one, other) = futures::join!(house.dlq(&plan), house.dlq(&plan));
    let [one, other] = [one, other].map(|made| made.expect(Exit::Done).json()["plan"].clone());
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_letter_goes_to_another_consumer_than_it_failed_at_only_when_somebody_says_so() {
    let house = House::with(3).await;
    let store = house.store();
    store.queue("sms").await.unwrap();
    store.shutdown().await;
    let (zero, one) = (event_id(0).to_string(), event_id(1).to_string());
    let aside =
        ["quarantine", "email", "--to", "sms-quarantine", "--because", "x", "--yes", "--id", &zero, "--id", &one];
    let theirs = house.dlq(&aside).await.expect(Exit::Refused);
    assert!(theirs.err.contains("`sms-quarantine` is for what failed at `sms`"), "{theirs:?}");
    house.dlq(&[&aside[..], &["--yes-other-consumer"]].concat()).await.expect(Exit::Done);
    let refused = house.dlq(&["plan", "sms-quarantine"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("queue:sms") && refused.err.contains("2 letters at `email` failed"), "{refused:?}");
    let one = house.dlq(&["plan", "sms-quarantine", "--id", &zero]).await.expect(Exit::Refused);
    assert!(one.err.contains("1 letter at `email` failed"), "{one:?}");
    house.dlq(&["plan", "sms-quarantine", "--yes-other-consumer"]).await.expect(Exit::Done);
    // Back to where they failed.
    let back = ["plan", "sms-quarantine", "--to", "queue:email", "--yes-other-consumer", "--output", "json"];
    assert_eq!(house.dlq(&back).await.expect(Exit::Done).json()["head"]["send"], 2);
    house.dlq(&["plan", "email"]).await.expect(Exit::Done);
}

#[tokio::test]
async fn what_is_done_may_be_included_where_it_is_forced_to_run_again() {
    let house = House::with(1).await;
    let include = ["plan", "email", "--include", "done"];
    house.dlq(&include).await.expect(Exit::Refused);
    house
        .dlq(&[&include[..], &["--force-rerun", "--because", "the mails were lost"]].concat())
        .await
        .expect(Exit::Done);
}
