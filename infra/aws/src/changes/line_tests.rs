use serde_json::{Value, json};

use super::{
    line::{Line, Place, Progress},
    record::StreamRecord,
    shards::{Listed, Page},
};
use sendoff_events::Timestamp;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn stream_record(pk: &str, id: &str, version: u64, sequence: &str) -> StreamRecord {
    let image = |version: u64| {
        json!({
            "pk": { "S": pk }, "sk": { "S": format!("/{id}") }, "version": { "N": version.to_string() },
            "data": { "S": version.to_string() }, "actor": { "S": "ada" }, "at": { "N": "0" },
        })
    };
    let old = if version > 1 { image(version - 1) } else { Value::Null };
    serde_json::from_value(json!({
        "eventName": "MODIFY",
        "dynamodb": { "SequenceNumber": sequence, "OldImage": old, "NewImage": image(version) },
    }))
    .unwrap()
}

fn record(id: &str, version: u64, sequence: &str) -> StreamRecord {
    stream_record("r#acme#things", id, version, sequence)
}

/// What isn't a record of ours.
fn other(sequence: &str) -> StreamRecord {
    stream_record("q#acme#x", "request", 1, sequence)
}

fn page(records: Vec<StreamRecord>) -> Page {
    Page::Records { records: records.into_iter().map(Into::into).collect(), next: Some("iterator".into()) }
}

fn end(records: Vec<StreamRecord>) -> Page {
    Page::Records { records: records.into_iter().map(Into::into).collect(), next: None }
}

fn listed(shards: &[(&str, Option<&str>)]) -> Vec<Listed> {
    shards.iter().map(|(id, parent)| Listed { id: (*id).into(), parent: parent.map(Into::into) }).collect()
}

fn line(shards: &[(&str, Option<&str>)]) -> Line {
    let mut line = Line::default();
    line.list(listed(shards), NOW, "timeline");
    line
}

fn readable(line: &Line) -> Vec<(String, Option<String>)> {
    line.readable().into_iter().map(|cursor| (cursor.shard, cursor.after)).collect()
}

fn at(sequence: &str) -> Progress {
    Progress::At(sequence.into())
}

fn standing(line: &Line) -> Vec<(String, Progress)> {
    line.standing().shards.into_iter().collect()
}

#[test]
fn positions_sort_by_epoch_and_number_and_come_back() {
    let places = [(1, 1), (1, 9), (1, 10), (2, 3), (10, 1)].map(|(epoch, number)| Place { epoch, number });
    let positions = places.map(Place::position);
    assert!(positions.is_sorted());
    assert_eq!(positions.each_ref().map(Place::parse), places.map(Some));
    for wrong in ["", "1", "a.b", "1.2.3", "-1.2"] {
        assert_eq!(Place::parse(&sendoff_consumers::Position(wrong.into())), None, "{wrong}");
    }
}

#[test]
fn changes_wait_in_line_until_they_are_dealt_with_and_the_shards_follow() {
    let mut line = line(&[("a", None), ("b", None)]);
    line.push("a", page(vec![record("x", 1, "10"), other("11"), record("x", 2, "12")]), "timeline");
    line.push("b", page(vec![other("20"), record("y", 1, "21"), other("22")]), "timeline");
    let first = line.first(10, 7);
    let told: Vec<_> = first.iter().map(|c| (c.key.id.as_str(), c.version, Place::parse(&c.position))).collect();
    let place = |number| Some(Place { epoch: 7, number });
    assert_eq!(told, [("x", 1, place(1)), ("x", 2, place(2)), ("y", 1, place(3))]);
    assert_eq!(line.first(2, 7), first[..2]);
    // Of `b`, what stood before its first change.
    assert_eq!(standing(&line), [("b".into(), at("20"))]);
    assert!(line.finish(1));
    assert_eq!(standing(&line), [("a".into(), at("10")), ("b".into(), at("20"))]);
    assert!(line.finish(3));
    assert_eq!(standing(&line), [("a".into(), at("12")), ("b".into(), at("22"))]);
    assert_eq!((line.done(), line.len()), (3, 0));
    assert!(!line.finish(4), "there is no fourth");
}

#[test]
fn records_of_other_things_alone_move_the_checkpoint_on() {
    let mut line = line(&[("a", None)]);
    line.push("a", page(vec![other("10"), other("11")]), "timeline");
    assert_eq!((standing(&line), line.len()), (vec![("a".into(), at("11"))], 0));
}

#[test]
fn what_was_not_dealt_with_is_read_again_after_a_restart() {
    let mut before = line(&[("a", None)]);
    before.push("a", end(vec![record("x", 1, "10"), record("x", 2, "11")]), "timeline");
    assert!(before.finish(1));
    let mut after = Line::resume(before.standing());
    after.list(listed(&[("a", None), ("child", Some("a"))]), NOW, "timeline");
    assert_eq!(readable(&after), [("a".into(), Some("10".into()))], "its child has to wait");
    after.push("a", end(vec![record("x", 2, "11")]), "timeline");
    assert_eq!(readable(&after), [("child".into(), None)]);
    let place = Place::parse(&after.first(1, 1)[0].position).unwrap();
    assert_eq!(place.number, 2, "numbers go on");
}

#[test]
fn a_parent_is_read_to_its_end_before_its_children() {
    let mut line =
        line(&[("child", Some("parent")), ("grandchild", Some("child")), ("orphan", Some("gone")), ("parent", None)]);
    assert_eq!(readable(&line), [("orphan".into(), None), ("parent".into(), None)]);
    line.push("parent", end(vec![record("x", 1, "10")]), "timeline");
    assert!(line.is_list_due(NOW), "its children may be new");
    line.push("child", page(vec![record("x", 2, "20")]), "timeline");
    let versions: Vec<_> = line.first(10, 1).into_iter().map(|change| change.version).collect();
    assert_eq!(versions, [1, 2]);
    assert_eq!(readable(&line), [("child".into(), Some("20".into())), ("orphan".into(), None)]);
    assert!(line.finish(2));
    assert_eq!(standing(&line), [("child".into(), at("20")), ("parent".into(), Progress::Finished)]);
}

#[test]
fn a_finished_shard_is_not_read_again_and_forgotten_when_it_is_gone() {
    let mut line = line(&[("a", None)]);
    line.push("a", end(vec![]), "timeline");
    let mut line = Line::resume(line.standing());
    line.list(listed(&[("a", None), ("b", Some("a"))]), NOW, "timeline");
    assert_eq!(readable(&line), [("b".into(), None)]);
    line.list(listed(&[("b", Some("a"))]), NOW, "timeline");
    line.push("b", page(vec![other("20")]), "timeline");
    assert_eq!(standing(&line), [("b".into(), at("20"))]);
}

#[test]
fn a_place_that_is_trimmed_begins_anew_and_keeps_what_waits() {
    let mut line = line(&[("a", None)]);
    line.push("a", page(vec![record("x", 1, "10")]), "timeline");
    line.push("a", Page::Trimmed, "timeline");
    assert_eq!(line.readable()[0].iterator, None);
    assert_eq!(readable(&line), [("a".into(), None)]);
    assert_eq!(line.len(), 1);
    line.push("a", page(vec![record("x", 5, "50")]), "timeline");
    assert!(line.finish(2));
    assert_eq!(standing(&line), [("a".into(), at("50"))]);
}

#[test]
fn an_expired_iterator_is_renewed_where_reading_stopped() {
    let mut line = line(&[("a", None)]);
    line.push("a", page(vec![record("x", 1, "10")]), "timeline");
    line.push("a", Page::Expired, "timeline");
    let cursor = &line.readable()[0];
    assert_eq!((cursor.after.as_deref(), cursor.iterator.as_deref()), (Some("10"), None));
}

#[test]
fn a_shard_that_vanished_before_its_end_no_longer_holds_up_its_children() {
    let mut line = line(&[("a", None), ("b", Some("a"))]);
    line.push("a", page(vec![record("x", 1, "10")]), "timeline");
    line.list(listed(&[("b", Some("a"))]), NOW, "timeline");
    assert_eq!(readable(&line), [("b".into(), None)]);
    assert_eq!(line.len(), 1, "what was read of it waits on");
}

#[test]
fn a_change_that_cannot_be_read_holds_up_nothing() {
    let mut line = line(&[("a", None)]);
    let damaged = stream_record("r#no tenant#things", "x", 1, "10");
    line.push("a", page(vec![damaged, record("x", 1, "11")]), "timeline");
    assert_eq!(line.first(10, 1).len(), 1);
}
