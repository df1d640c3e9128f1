use sendoff_consumers::Position;
use sendoff_producers::RecordKey;
use serde_json::{Value, json};

use super::record::StreamRecord;

fn image(version: u64, data: Option<&str>) -> Value {
    let mut image = json!({
        "pk": { "S": "r#acme#apps" }, "sk": { "S": "/crm" }, "version": { "N": version.to_string() },
        "actor": { "S": "ada" }, "at": { "N": "1790000000123" },
    });
    match data {
        Some(data) => image["data"] = json!({ "S": data }),
        None => image["deleted"] = json!({ "BOOL": true }),
    }
    image
}

/// As Lambda sends it.
fn sent(name: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let mut data = json!({
        "ApproximateCreationDateTime": 1_790_000_001.5,
        "Keys": { "pk": { "S": "r#acme#apps" }, "sk": { "S": "/crm" } },
        "SequenceNumber": "4421584500000000017450439091",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    for (name, image) in [("OldImage", old), ("NewImage", new)] {
        if let Some(image) = image {
            data[name] = image;
        }
    }
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": name, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1", "dynamodb": data,
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/2026-11-25T00:00:00.000",
    })
}

fn record(name: &str, old: Option<Value>, new: Option<Value>) -> StreamRecord {
    serde_json::from_value(sent(name, old, new)).unwrap()
}

/// Version, what it held, and what it holds.
fn told(record: &StreamRecord) -> Option<(u64, Option<Value>, Option<Value>)> {
    record.change().unwrap().map(|change| (change.version, change.old, change.new))
}

#[test]
fn each_write_is_a_change_with_both_images() {
    assert_eq!(told(&record("INSERT", None, Some(image(1, Some("1"))))), Some((1, None, Some(json!(1)))));
    let change = record("MODIFY", Some(image(1, Some("1"))), Some(image(2, Some("null"))));
    assert_eq!(told(&change), Some((2, Some(json!(1)), Some(Value::Null))));
    // Deleted, and created anew.
    assert_eq!(
        told(&record("MODIFY", Some(image(2, Some("2"))), Some(image(3, None)))),
        Some((3, Some(json!(2)), None))
    );
    assert_eq!(
        told(&record("MODIFY", Some(image(3, None)), Some(image(4, Some("4"))))),
        Some((4, None, Some(json!(4))))
    );
}

#[test]
fn a_change_says_who_wrote_which_record_when_and_where_it_stands_in_its_shard() {
    let change = record("INSERT", None, Some(image(1, Some("1")))).change().unwrap().unwrap();
    assert_eq!(change.key, RecordKey::new(&"acme".parse().unwrap(), "apps", "crm"));
    assert_eq!((change.actor.as_str(), change.at.as_millisecond()), ("ada", 1_790_000_000_123));
    assert_eq!(change.position, Position("0000000000004421584500000000017450439091".into()));
}

#[test]
fn what_is_about_other_things_is_no_change() {
    for pk in ["e#0197", "q#acme#x", "", "x"] {
        let mut other = image(1, Some("1"));
        other["pk"]["S"] = pk.into();
        assert_eq!(told(&record("INSERT", None, Some(other.clone()))), None, "{pk}");
        assert_eq!(told(&record("REMOVE", Some(other), None)), None, "{pk}");
    }
    // An attribute of somebody else was added.
    let mut marked = image(1, Some("1"));
    marked["backfilled"] = json!({ "BOOL": true });
    assert_eq!(told(&record("MODIFY", Some(image(1, Some("1"))), Some(marked))), None);
}

#[test]
fn what_ttl_deletes_is_no_change() {
    let mut deleted = sent("REMOVE", Some(image(1, Some("1"))), None);
    deleted["userIdentity"] = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
    assert_eq!(told(&serde_json::from_value(deleted).unwrap()), None);
}

#[test]
fn an_item_that_somebody_deletes_by_hand_is_a_deletion() {
    let change = record("REMOVE", Some(image(4, Some("1"))), None).change().unwrap().unwrap();
    assert_eq!((change.version, change.new, change.at.as_millisecond()), (5, None, 1_790_000_001_500));
    assert_eq!(told(&record("REMOVE", Some(image(4, None)), None)), None, "it was deleted before");
}

#[test]
fn a_damaged_record_is_told() {
    let mut damaged = image(1, Some("1"));
    damaged["version"] = json!({ "S": "one" });
    let error = record("INSERT", None, Some(damaged)).change().unwrap_err();
    assert!(error.to_string().contains("version"), "{error}");
}

#[test]
fn a_record_can_be_written_as_a_function_gets_it() {
    for (name, old, new) in [
        ("INSERT", None, Some(image(1, Some("1")))),
        ("MODIFY", Some(image(1, Some("1"))), Some(image(2, None))),
        ("REMOVE", Some(image(2, None)), None),
    ] {
        let record = record(name, old, new);
        let written = record.to_json();
        assert_eq!((&written["eventName"], &written["dynamodb"]["Keys"]["sk"]["S"]), (&json!(name), &json!("/crm")));
        let again: StreamRecord = serde_json::from_value(written).unwrap();
        assert_eq!(again.change(), record.change());
    }
}

#[test]
fn an_event_is_given_to_the_relay_when_it_is_committed_and_not_when_it_is_marked() {
    let mut event = json!({
        "pk": { "S": "e#01979f8a-0000-7000-8000-000000000001" }, "sk": { "S": "event" },
        "type": { "S": "app.assigned.v1" }, "tenant": { "S": "acme" }, "subject": { "S": "apps/crm" },
        "body": { "S": "{}" }, "pending": { "S": "1" }, "committed_at": { "N": "1790000000123" },
    });
    let stored = record("INSERT", None, Some(event.clone())).outbox_event().unwrap().unwrap();
    assert_eq!(stored.id().to_string(), "01979f8a-0000-7000-8000-000000000001");
    assert_eq!(record("MODIFY", Some(event.clone()), Some(event.clone())).outbox_event(), Ok(None));
    assert_eq!(record("INSERT", None, Some(image(1, Some("1")))).outbox_event(), Ok(None));
    event.as_object_mut().unwrap().remove("pending");
    assert_eq!(record("INSERT", None, Some(event)).outbox_event(), Ok(None));
}

#[test]
fn an_event_of_lambda_is_read_whatever_else_stands_in_it() {
    let mut first = sent("INSERT", None, Some(image(1, Some("1"))));
    first["surprise"] = json!({ "a": [1] });
    first["dynamodb"]["NewImage"]["list"] = json!({ "L": [{ "NULL": true }] });
    let records = json!([first, sent("REMOVE", None, None)]);
    let records: Vec<StreamRecord> = serde_json::from_value(records).unwrap();
    assert_eq!(records[0].sequence, "4421584500000000017450439091");
    assert_eq!((told(&records[0]).unwrap().0, told(&records[1])), (1, None));
}
