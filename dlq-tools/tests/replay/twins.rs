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
}
