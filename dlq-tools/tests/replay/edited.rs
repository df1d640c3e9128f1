//! Two runs of the same letters, one of which has edited some: of an edited letter, never both are sent.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_consumers::NewMessage;
use sendoff_dlq_tools::{
    plan::{Draft, Forecast, Head, Plan},
    run::{
        Elsewhere, elsewhere,
        folder::RunFolder,
        journal::{FileJournal, Journal as _, Line, Step},
    },
};
use sendoff_events::Timestamp;
use sendoff_host::Exit;

use super::{
    House,
    consumer::Outside,
    drafts::{entry, head},
    envelope, event_id, planned,
};

/// A plan of all letters as they are, and one of the first three of which two are edited.
async fn two_plans(house: &House) -> [(String, String); 2] {
    let plain = planned(house, &["--rate", "2", "--canary", "0", "--watch", "0s"]).await;
    let ids: Vec<String> = (0..3).map(|n| event_id(n).to_string()).collect();
    let edit = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id", &ids[0], "--id", &ids[1]];
    house.dlq(&edit).await.expect(Exit::Done);
    let chosen = ["--id", &ids[0], "--id", &ids[1], "--id", &ids[2], "--out", "edited.plan"];
    let edited = planned(house, &[&["--rate", "2", "--canary", "0", "--watch", "0s"], &chosen[..]].concat()).await;
    [plain, edited]
}

/// Each letter was sent in one form or is still there. One that both runs have as it is may be sent by both, where the clock jumps beyond
/// the lease of the one that is just sending it: its consumer knows it by its id.
async fn judge(house: &House) {
    let store = house.store();
    let deliveries = house.receive(&store).await;
    store.shutdown().await;
    let sent: Vec<serde_json::Value> =
        deliveries.iter().map(|delivery| serde_json::from_slice(&delivery.body).unwrap()).collect();
    let forms = |n: usize| {
        let id = event_id(n).to_string();
        let of = sent.iter().filter(|event| event["id"] == *id || event["causationid"] == *id);
        of.map(|event| event["id"].to_string()).collect::<Vec<_>>()
    };
    for n in 0..6 {
        let forms = forms(n);
        assert!(forms.iter().all(|form| *form == forms[0]), "event {n} was sent as {forms:?}");
        assert!(n == 2 || forms.len() <= 1, "event {n} was sent {} times", forms.len());
    }
    let left = house.letters().await;
    assert_eq!((0..6).filter(|n| !forms(*n).is_empty()).count() + left, 6, "{sent:#?}");
}

#[tokio::test]
async fn a_letter_that_another_run_has_edited_is_left_to_that_run() {
    let house = Arc::new(House::with(6).await);
    let [(plain, plain_hash), (edited, edited_hash)] = two_plans(&house).await;
    // The run of the edited ones has begun, and waits.
    let (there, whole) = (edited_hash.clone(), plain_hash.clone());
    house.at(0, async move |house: &House| drop(house.dlq(&["pause", &there]).await));
    let there = edited_hash.clone();
    house.at(20, async move |house: &House| {
        let ran = house.dlq(&["run", &plain, "--apply", &whole, "--output", "json"]).await.expect(Exit::Partly).json();
        assert!(ran["moved"].as_u64().unwrap() >= 3, "{ran}");
        assert_eq!(["moved", "waiting", "gone"].iter().map(|count| ran[count].as_u64().unwrap()).sum::<u64>(), 6);
        let waits = ran["waits"].to_string();
        assert!(ran["waiting"] == 0 || waits.contains("edited in one of the two"), "{waits}");
        house.dlq(&["resume", &there]).await.expect(Exit::Done);
    });
    let ran = house.dlq(&["run", &edited, "--apply", &edited_hash, "--output", "json"]).await;
    assert!([Exit::Done, Exit::Partly].contains(&ran.exit), "{ran:?}");
    judge(&house).await;
    assert_eq!(house.letters().await, 0, "{ran:?}");
}

#[tokio::test]
async fn of_a_letter_that_is_edited_in_one_of_two_runs_at_once_never_both_are_sent() {
    for _ in 0..4 {
        let house = House::with(6).await;
        let [(plain, plain_hash), (edited, edited_hash)] = two_plans(&house).await;
        let (one, other) = (["run", &plain, "--apply", &plain_hash], ["run", &edited, "--apply", &edited_hash]);
        let (one, other) = futures::join!(house.dlq(&one), house.dlq(&other));
        for ran in [one, other] {
            assert!([Exit::Done, Exit::Partly].contains(&ran.exit), "{ran:?}");
        }
        judge(&house).await;
    }
}

#[tokio::test]
async fn a_run_that_had_finished_counts_again_from_when_a_process_has_it() {
    let work = tempfile::tempdir().unwrap();
    let plan = |name: &str, by: &str, edits: bool| -> Plan {
        let forecasts = BTreeMap::from([(Forecast::Edited, 1), (Forecast::Run, 2)]);
        let head = Head { by: by.into(), forecasts, ..head() };
        let mut draft = Draft::begin(&work.path().join(name), &head).unwrap();
        (0..3).for_each(|n| draft.add(&entry(n, edits)).unwrap());
        draft.finish().unwrap()
    };
    let (ours, theirs) = (plan("ours.plan", "grace", true), plan("theirs.plan", "ada", false));
    let own = RunFolder::of(work.path(), &ours).unwrap();
    let other = RunFolder::of(work.path(), &theirs).unwrap();
    let in_doubt = |named: usize| assert_eq!(elsewhere(work.path(), &own, &ours, |_| ()).unwrap().len(), named);
    in_doubt(1);
    let journal = FileJournal::open(&other.journal(), 0).unwrap();
    journal.write(Line { at: Timestamp::UNIX_EPOCH, step: Step::Finished {} }).await.unwrap();
    drop(journal);
    in_doubt(0);
    let lock = other.lock().unwrap().unwrap();
    in_doubt(1);
    drop(lock);
    in_doubt(0);
}

#[tokio::test]
async fn another_letter_of_an_edited_event_is_known_in_all_runs_of_the_deployment() {
    let work = tempfile::tempdir().unwrap();
    let plan = |name: &str, letter: sendoff_dlq_tools::plan::Entry| -> Plan {
        let forecasts = BTreeMap::from([(letter.forecast, 1)]);
        let mut draft = Draft::begin(&work.path().join(name), &Head { forecasts, ..head() }).unwrap();
        draft.add(&letter).unwrap();
        draft.finish().unwrap()
    };
    let twin = sendoff_dlq_tools::plan::Entry { id: "its twin".into(), ..entry(0, false) };
    let (edited, plain) = (plan("edited.plan", entry(0, true)), plan("plain.plan", twin));
    let own = RunFolder::of(work.path(), &edited).unwrap();
    let other = RunFolder::of(work.path(), &plain).unwrap();
    let says = || elsewhere(work.path(), &own, &edited, |_| ()).unwrap().remove(&0);
    let run = other.name();
    assert_eq!(says(), Some(Elsewhere::Open(run.clone())));
    let write = async |step| {
        let journal = FileJournal::open(&other.journal(), other.read().unwrap().stands.whole).unwrap();
        journal.write(Line { at: Timestamp::UNIX_EPOCH, step }).await.unwrap();
    };
    write(Step::Intent { n: vec![0] }).await;
    write(Step::Sent { n: vec![0], ids: vec!["copy".into()] }).await;
    write(Step::Deleted { n: vec![0] }).await;
    assert_eq!(says(), Some(Elsewhere::SentAs { replay: 1, run: run.clone() }));
    write(Step::Returned { n: vec![0] }).await;
    assert_eq!(says(), None, "it is dead again: now it may be edited");
    // The other way round, the edit stands for good.
    let journal = FileJournal::open(&own.journal(), 0).unwrap();
    let sent = Step::Sent { n: vec![0], ids: vec!["copy".into()] };
    journal.write(Line { at: Timestamp::UNIX_EPOCH, step: sent }).await.unwrap();
    drop(journal);
    let there = elsewhere(work.path(), &other, &plain, |_| ()).unwrap();
    assert_eq!(there[&0], Elsewhere::Replaced(own.name()));
}

#[tokio::test]
async fn a_damaged_run_stops_only_those_that_it_may_have_to_do_with() {
    let work = tempfile::tempdir().unwrap();
    let plan = |name: &str, edits: bool| -> Plan {
        let letter = entry(0, edits);
        let forecasts = BTreeMap::from([(letter.forecast, 1)]);
        let mut draft = Draft::begin(&work.path().join(name), &Head { forecasts, ..head() }).unwrap();
        draft.add(&letter).unwrap();
        draft.finish().unwrap()
    };
    let (plain, edited) = (plan("plain.plan", false), plan("edited.plan", true));
    let own = RunFolder::of(work.path(), &plain).unwrap();
    let damaged = work.path().join("runs/0123456789abcdef");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("plan"), "no plan").unwrap();
    std::fs::write(damaged.join("journal.ndjson"), "no journal\n").unwrap();
    let mut told = Vec::new();
    assert!(elsewhere(work.path(), &own, &plain, |line| told.push(line.to_owned())).unwrap().is_empty());
    assert!(told.len() == 1 && told[0].contains("0123456789abcdef"), "{told:?}");
    let own = RunFolder::of(work.path(), &edited).unwrap();
    let refused = elsewhere(work.path(), &own, &edited, |_| ()).unwrap_err();
    assert_eq!(refused.exit, Exit::Refused);
    assert!(refused.message.unwrap().contains("move its folder"));
    // Of one whose plan is gone nobody knows whether it had edits.
    std::fs::remove_dir_all(own.path()).unwrap();
    std::fs::remove_file(damaged.join("plan")).unwrap();
    let own = RunFolder::of(work.path(), &plain).unwrap();
    let refused = elsewhere(work.path(), &own, &plain, |_| ()).unwrap_err();
    assert_eq!(refused.exit, Exit::Refused);
    assert!(refused.message.unwrap().contains("move its folder"));
    std::fs::write(damaged.join("journal.ndjson"), "").unwrap();
    assert!(elsewhere(work.path(), &own, &plain, |_| ()).unwrap().is_empty(), "it has sent nothing");
}

#[test]
fn the_journal_of_a_run_is_only_read_where_its_plan_says_that_it_may_matter() {
    let work = tempfile::tempdir().unwrap();
    let plan = |name: &str, by: &str, edits: bool| -> Plan {
        let letter = entry(0, edits);
        let forecasts = BTreeMap::from([(letter.forecast, 1)]);
        let mut draft = Draft::begin(&work.path().join(name), &Head { by: by.into(), forecasts, ..head() }).unwrap();
        draft.add(&letter).unwrap();
        draft.finish().unwrap()
    };
    let (plain, edited) = (plan("plain.plan", "grace", false), plan("edited.plan", "grace", true));
    let other = RunFolder::of(work.path(), &plan("other.plan", "ada", false)).unwrap();
    std::fs::write(other.journal(), "no journal\n{}\n").unwrap();
    let own = RunFolder::of(work.path(), &plain).unwrap();
    let mut told = Vec::new();
    assert!(elsewhere(work.path(), &own, &plain, |line| told.push(line.to_owned())).unwrap().is_empty());
    assert!(told.is_empty(), "{told:?}");
    // Or it would be another open run.
    std::fs::remove_dir_all(own.plan().parent().unwrap()).unwrap();
    let own = RunFolder::of(work.path(), &edited).unwrap();
    let there = elsewhere(work.path(), &own, &edited, |line| told.push(line.to_owned())).unwrap();
    assert_eq!(there[&0], Elsewhere::Damaged(other.name()));
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn an_edit_of_what_was_done_since_is_left() {
    let house = House::with(2).await;
    let id = event_id(0).to_string();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--id", &id]).await.expect(Exit::Done);
    let (plan, hash) = planned(&house, &["--canary", "0", "--watch", "0s"]).await;
    // Somebody sends another copy of the old event, and its consumer does it.
    let (store, outside) = (house.store(), Outside::default());
    let copy = NewMessage { body: envelope(0).into(), ..NewMessage::default() };
    assert!(store.queue("email").await.unwrap().send(&[copy]).await[0].is_ok());
    house.consume(&store, "email", &outside).await;
    store.shutdown().await;
    assert_eq!(outside.effects("email", event_id(0)), 1);
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&ran["moved"], &ran["skipped"]), (&1.into(), &1.into()));
    assert!(ran["skips"].to_string().contains("done since"), "{ran}");
    assert_eq!(house.letters().await, 1);
}
