use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use proptest::prelude::*;
use sendoff_consumers::Status;
use sendoff_dlq_tools::{
    letter::Letter,
    snapshot::{self, Snapshot},
};
use sendoff_events::{BlobKey, Clock as _, EXTENDED_SIZE_ATTRIBUTE, Pointer};
use sendoff_host::Exit;
use serde_json::{Value, json};

use super::{House, event_id};

fn snapshot(house: &House) -> Snapshot {
    let folder = snapshot::folder(&house.path("dlq"));
    let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let file = files.iter().find(|file| file.extension().is_some_and(|end| end == "db")).unwrap();
    Snapshot::open(file).unwrap()
}

fn letters(house: &House) -> Vec<Letter> {
    snapshot(house).page("", 1000).unwrap()
}

fn edit_of(letter: &Letter) -> Value {
    serde_json::from_str(&letter.edit.as_ref().unwrap().body).unwrap()
}

#[tokio::test]
async fn an_edit_is_only_shown_until_it_is_told_to_be_kept() {
    let house = House::with(3).await;
    let shown = house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi"]).await.expect(Exit::Done);
    assert_eq!(shown.out.matches("-    \"assigned_by\": \"grace\"").count(), 3, "{shown:?}");
    assert_eq!(shown.out.matches("+    \"assigned_by\": \"heidi\"").count(), 3);
    assert!(shown.err.contains("add --yes"));
    assert!(letters(&house).iter().all(|letter| letter.edit.is_none()));
    assert_eq!(house.audit().await, [""; 0]);

    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes"]).await.expect(Exit::Done);
    for letter in letters(&house) {
        let edit = letter.edit.as_ref().unwrap();
        let (old, new) = (letter.facts.event.as_ref().unwrap(), edit_of(&letter));
        assert_eq!(new["data"]["assigned_by"], "heidi");
        assert_ne!(edit.event, old.id, "it is a new event");
        assert_eq!(new["id"], edit.event.to_string());
        assert_eq!(new["causationid"], old.id.to_string());
        assert_eq!(new["correlationid"], old.correlation);
        assert_eq!(new["sequence"], "00000000000000000001");
        assert_ne!(new["firstpublished"], old.first_published.to_string());
        assert_eq!((&*edit.by, &*edit.how), ("grace", &["--set data.assigned_by=heidi".to_owned()][..]));
    }
    assert_eq!(house.audit().await, ["edit", "edit-done"]);
}

#[tokio::test]
async fn what_is_told_to_be_kept_is_kept_also_when_nobody_reads_on() {
    let house = House::with(3).await;
    let edit = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes"];
    house.dlq_until(&edit, Some(10)).await.expect(Exit::Done);
    assert!(letters(&house).iter().all(|letter| letter.edit.is_some()));
    assert_eq!(forecast(&house, &[]).await, (0, 3));
}

#[tokio::test]
async fn the_three_ways_to_edit_come_to_the_same() {
    let mut bodies = BTreeSet::new();
    for way in [
        &["--set", "data.assigned_by=heidi"][..],
        &["--patch", r#"[{"op":"replace","path":"/data/assigned_by","value":"heidi"}]"#],
        &["--script", r#".data.assigned_by = "heidi""#],
    ] {
        let house = House::with(1).await;
        let arguments = [&["edit", "email", "--yes"], way].concat();
        house.dlq(&arguments).await.expect(Exit::Done);
        bodies.insert(letters(&house)[0].edit.clone().unwrap().body);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn no_character_of_an_edit_steers_the_terminal_as_json() {
    let house = House::with(1).await;
    let edit = ["edit", "email", "--set", "data.note=h\u{9b}x\u{7f}", "--output"];
    for output in ["json", "ndjson"] {
        let shown = house.dlq(&[&edit[..], &[output]].concat()).await.expect(Exit::Done);
        assert!(shown.out.contains(r"h\u009bx\u007f"), "{shown:?}");
        assert!(!shown.out.chars().any(|c| ('\u{7f}'..='\u{9f}').contains(&c)), "{shown:?}");
    }
}

#[tokio::test]
async fn a_second_edit_goes_on_from_the_first_and_stays_the_same_new_event() {
    let house = House::with(1).await;
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes"]).await.expect(Exit::Done);
    let first = letters(&house)[0].edit.clone().unwrap();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=ivan", "--yes"]).await.expect(Exit::Done);
    let second = letters(&house)[0].edit.clone().unwrap();
    assert_eq!(first.event, second.event);
    assert_eq!(second.how, ["--set data.assigned_by=heidi", "--set data.assigned_by=ivan"]);
    assert_eq!(edit_of(&letters(&house)[0])["causationid"], event_id(0).to_string());
}

#[tokio::test]
async fn what_no_consumer_could_read_is_refused_and_nothing_is_kept() {
    let house = House::with(2).await;
    for (set, why) in [
        ("data.user_id:=7", "`data.user_id`: expected string, got a number"),
        ("data.user_id=a b", "user id"),
        ("data.app_id=other", "publish a new event"),
        ("id=01938d1e-7b2c-7000-8000-000000000000", "gets an id of its own"),
        ("specversion=2.0", "`specversion` can't be edited"),
        ("data.none.x=1", "`data.none` isn't there"),
    ] {
        let refused = house.dlq(&["edit", "email", "--set", set, "--yes"]).await.expect(Exit::Refused);
        assert!(refused.err.contains(why), "{set}: {refused:?}");
    }
    let same =
        house.dlq(&["edit", "email", "--set", "data.assigned_by=grace", "--yes"]).await.expect(Exit::NothingMatched);
    assert!(same.err.contains("leaves all of these letters as they are"), "{same:?}");
    for usage in [
        &["--set", "data..x=1"][..],
        &["--set", "data.x"],
        &["--patch", "[{}]"],
        &["--patch", "no-such-file"],
        &["--script", ".data |"],
        &["--set", "a=b", "--undo"],
        &[],
    ] {
        house.dlq(&[&["edit", "email"], usage].concat()).await.expect(Exit::Usage);
    }
    assert!(letters(&house).iter().all(|letter| letter.edit.is_none()));
    let told = house.dlq(&["edit", "email", "--set", "data.asigned_by=x"]).await.expect(Exit::Done);
    assert!(told.out.contains("`data.asigned_by` is no field of `app.assigned.v1`"), "{told:?}");
}

#[tokio::test]
async fn letters_that_are_in_doubt_or_done_are_not_edited() {
    let house = House::with(3).await;
    house.record(0, Status::InDoubt).await;
    house.record(1, Status::Done).await;
    let edit = |of: usize| {
        let id = event_id(of).to_string();
        ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id"].map(str::to_owned).into_iter().chain([id])
    };
    let call = async |of: usize, more: &[&str]| {
        let arguments: Vec<String> = edit(of).chain(more.iter().map(|word| (*word).to_owned())).collect();
        house.dlq(&arguments.iter().map(|word| &**word).collect::<Vec<_>>()).await
    };
    let refused = call(0, &["--also-partly-done", "--because", "x"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("sendoff doubt"), "{refused:?}");
    let refused = call(1, &["--also-partly-done", "--because", "x"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("--force-rerun"), "{refused:?}");
    call(2, &[]).await.expect(Exit::Done);
    // All or none: the one in doubt holds the others back.
    let all = house.dlq(&["edit", "email", "--set", "data.assigned_by=ivan", "--yes"]).await.expect(Exit::Refused);
    assert!(all.err.contains("2 of 3 letters"), "{all:?}");
    assert_eq!(edit_of(&letters(&house)[2])["data"]["assigned_by"], "heidi");
}

#[tokio::test]
async fn what_became_in_doubt_after_the_snapshot_is_seen() {
    let house = House::with(1).await;
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi"]).await.expect(Exit::Done);
    house.record(0, Status::InDoubt).await;
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes"]).await.expect(Exit::Refused);
}

#[tokio::test]
async fn a_letter_without_an_event_is_not_edited() {
    let house = House::with(0).await;
    house.fail("email", vec!["no json".into()]).await;
    let refused = house.dlq(&["edit", "email", "--set", "data.x=1"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("no event that can be edited"), "{refused:?}");
}

#[tokio::test]
async fn on_a_terminal_an_edit_does_not_show_what_the_letters_hold() {
    let mut house = House::with(0).await;
    let mut envelope: Value = serde_json::from_str(&super::envelope(0)).unwrap();
    envelope["data"]["note"] = json!("peter");
    house.fail("email", vec![envelope.to_string()]).await;
    house.terminal = true;
    let edit = ["edit", "email", "--set", "data.note=heidi"];
    let hidden = house.dlq(&edit).await.expect(Exit::Done);
    assert!(!hidden.out.contains("heidi") && !hidden.out.contains("peter"), "{hidden:?}");
    assert!(hidden.out.contains("hidden: data.note: a text of 5 characters -> a text of 5 characters"), "{hidden:?}");
    let shown = house.dlq(&[&edit[..], &["--show-personal"]].concat()).await.expect(Exit::Done);
    assert!(shown.out.contains("heidi"));
    let json = house.dlq(&[&edit[..], &["--output", "json"]].concat()).await.expect(Exit::Done).json();
    assert_eq!(json["letters"][0]["changes"][0]["after"], "<hidden: 5 characters>");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Exactly the chosen letters are edited, each to exactly what was shown of it, and taking that back leaves all as they were.
    #[test]
    fn what_is_shown_is_what_is_kept_and_can_be_taken_back(chosen in proptest::collection::btree_set(0_usize..6, 1..6), by in "[a-z]{1,8}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::with(6).await;
            let by = format!("x-{by}");
            let set = format!("data.assigned_by={by}");
            let ids: Vec<String> = chosen.iter().map(|n| event_id(*n).to_string()).collect();
            let mut arguments = vec!["edit", "email", "--output", "json"];
            ids.iter().for_each(|id| arguments.extend(["--id", id]));
            let edit = [&arguments[..], &["--set", &set]].concat();

            let shown = house.dlq(&edit).await.expect(Exit::Done).json();
            let before = letters(&house);
            let kept = house.dlq(&[&edit[..], &["--yes"]].concat()).await.expect(Exit::Done).json();
            prop_assert_eq!(&shown["letters"], &kept["letters"]);
            for (n, letter) in letters(&house).into_iter().enumerate() {
                let id = &letter.message.message_id;
                let told = kept["letters"].as_array().unwrap().iter().find(|told| told["message_id"] == **id);
                prop_assert_eq!(told.is_some(), chosen.contains(&n));
                prop_assert_eq!(letter.edit.is_some(), chosen.contains(&n));
                if let Some(told) = told {
                    let wanted = json!([{ "path": "data.assigned_by", "before": "grace", "after": by }]);
                    prop_assert_eq!(&told["changes"], &wanted);
                    let mut data: Value = serde_json::from_slice(letter.content()).unwrap();
                    data["data"]["assigned_by"] = json!(by);
                    prop_assert_eq!(&edit_of(&letter)["data"], &data["data"]);
                }
            }
            house.dlq(&[&arguments[..], &["--undo", "--yes"]].concat()).await.expect(Exit::Done);
            prop_assert_eq!(letters(&house), before);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn of_an_edited_letter_only_the_new_event_is_sent() {
    let house = House::with(2).await;
    let id = event_id(1).to_string();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--id", &id, "--yes"]).await.expect(Exit::Done);
    let edit = letters(&house)[1].edit.clone().unwrap();
    house.dlq(&["plan", "email", "--out", "it.plan", "--canary", "0"]).await.expect(Exit::Done);
    let plan = std::fs::read_to_string(house.path("it.plan")).unwrap();
    let head: Value = serde_json::from_str(plan.lines().next().unwrap()).unwrap();
    let hash = head["hash"].as_str().unwrap();
    let ran = house.dlq(&["run", "it.plan", "--apply", hash]).await;
    assert!(matches!(ran.exit, Exit::Done | Exit::Partly), "{ran:?}");
    assert_eq!(house.letters("email-dlq").await, []);

    let store = house.store();
    let queue = store.queue("email").await.unwrap();
    let sent = queue.receive(10, std::time::Duration::ZERO, std::time::Duration::from_secs(60)).await.unwrap();
    let mut bodies: Vec<String> = sent.iter().map(|sent| String::from_utf8(sent.body.to_vec()).unwrap()).collect();
    bodies.sort();
    let mut wanted = vec![super::envelope(0), edit.body];
    wanted.sort();
    assert_eq!(bodies, wanted);
}

/// How many letters a plan of all would send as they were, and how many as they were edited.
async fn forecast(house: &House, more: &[&str]) -> (u64, u64) {
    let out = format!("{}.plan", house.clock.now().as_millisecond());
    let plan = [&["plan", "email", "--output", "json", "--out", &out], more].concat();
    let plan = house.dlq(&plan).await.expect(Exit::Done).json();
    house.clock.sleep(Duration::from_secs(1)).await;
    let count = |name: &str| plan["head"]["forecasts"][name].as_u64().unwrap_or_default();
    (count("run"), count("edited"))
}

#[tokio::test]
async fn edits_are_carried_over_into_a_new_snapshot() {
    let house = House::with(3).await;
    let (one, two) = (event_id(1).to_string(), event_id(2).to_string());
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--id", &one, "--yes"]).await.expect(Exit::Done);
    house.dlq(&["edit", "email", "--set", "data.assigned_by=ivan", "--id", &two, "--yes"]).await.expect(Exit::Done);
    house.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(forecast(&house, &["--fresh"]).await, (1, 2));
    // What only a part of the queue was copied into knows of no other letter, and what is taken back stays so.
    house.clock.sleep(Duration::from_secs(1)).await;
    let part = house.dlq(&["snap", "email", "--max", "1"]).await.expect(Exit::Done);
    assert!(!part.err.contains("edit"), "{part:?}");
    house.clock.sleep(Duration::from_secs(1)).await;
    let all = house.dlq(&["snap", "email"]).await.expect(Exit::Done);
    assert!(all.err.contains("2 edits of earlier snapshots were taken over"), "{all:?}");
    assert_eq!(forecast(&house, &[]).await, (1, 2));
    house.dlq(&["edit", "email", "--undo", "--id", &one, "--yes"]).await.expect(Exit::Done);
    house.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(forecast(&house, &["--fresh"]).await, (2, 1));
}

#[tokio::test]
async fn a_snapshot_that_was_taken_while_the_clock_was_ahead_is_not_the_newest_for_long() {
    let house = House::with(1).await;
    let groups = ["groups", "email"];
    house.dlq(&groups).await.expect(Exit::Done);
    house.clock.set_back(3600);
    house.fail("email", vec![super::envelope(7)]).await;
    let told = house.dlq(&groups).await.expect(Exit::Done);
    assert!(told.err.contains("the clock was ahead") && told.err.contains("2 letters of"), "{told:?}");
    let again = house.dlq(&groups).await.expect(Exit::Done);
    assert!(!again.err.contains("ahead") && again.err.contains("2 letters of `email-dlq` as of 0s ago"), "{again:?}");
}

#[tokio::test]
async fn letters_that_were_edited_in_another_snapshot_since_are_not_sent_as_they_were() {
    let house = House::with(3).await;
    let taken = async |house: &House| {
        house.clock.sleep(Duration::from_secs(1)).await;
        house.dlq(&["snap", "email", "--output", "json"]).await.expect(Exit::Done).json()["path"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = taken(&house).await;
    taken(&house).await;
    house.clock.sleep(Duration::from_secs(1)).await;
    let one = event_id(1).to_string();
    let edit = ["edit", "email", "--set", "data.assigned_by=heidi", "--id", &one, "--yes"];
    let told = house.dlq(&[&edit[..], &["--snapshot", &first]].concat()).await.expect(Exit::Done);
    assert!(told.err.contains(&format!("`dlq plan email-dlq --snapshot {first}`")), "{told:?}");

    let refused = house.dlq(&["plan", "email"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("1 letter was edited in") && refused.err.contains(&first), "{refused:?}");
    assert_eq!(forecast(&house, &["--snapshot", &first]).await, (2, 1));
    let others = ["--id", &event_id(0).to_string(), "--id", &event_id(2).to_string()];
    assert_eq!(forecast(&house, &others).await, (2, 0), "these weren't edited");
    // The second snapshot knows nothing of it, so it doesn't say that it was taken back.
    assert_eq!(forecast(&house, &["--fresh"]).await, (2, 1));
    house.dlq(&["edit", "email", "--undo", "--id", &one, "--yes"]).await.expect(Exit::Done);
    assert_eq!(forecast(&house, &["--fresh"]).await, (3, 0));
}

#[tokio::test]
async fn an_edited_claim_check_travels_as_what_it_is_now() {
    let house = House::with(0).await;
    let body = super::envelope(0);
    let store = house.store();
    let blobs = store.blobs();
    let key: BlobKey = "2026/11/26/body".parse().unwrap();
    blobs.put(&key, body.clone().into()).await.unwrap();
    let pointer = Pointer { bucket: blobs.bucket().to_owned(), key }.to_body();
    store.shutdown().await;
    house.fail_with("email", vec![pointer], &[(EXTENDED_SIZE_ATTRIBUTE, &body.len().to_string())]).await;

    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes"]).await.expect(Exit::Done);
    house.dlq(&["plan", "email", "--out", "it.plan", "--canary", "0", "--watch", "1s"]).await.expect(Exit::Done);
    let plan = std::fs::read_to_string(house.path("it.plan")).unwrap();
    let head: Value = serde_json::from_str(plan.lines().next().unwrap()).unwrap();
    // It is watched, and nobody serves its consumer.
    house.dlq(&["run", "it.plan", "--apply", head["hash"].as_str().unwrap()]).await.expect(Exit::Partly);
    let store = house.store();
    let queue = store.queue("email").await.unwrap();
    let sent = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap().remove(0);
    assert!(String::from_utf8(sent.body.to_vec()).unwrap().contains("heidi"));
    assert!(!sent.attributes.contains_key(EXTENDED_SIZE_ATTRIBUTE), "{:?}", sent.attributes);
}
