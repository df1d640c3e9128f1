//! The encoder's bytes, and what it refuses to write.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sendoff_events::{AnyEnvelope, AppAssigned, Envelope, Event, MAX_BODY_BYTES, MAX_HOPS, Origin, SubmissionUpdated};
use serde::{Deserialize, Serialize};

use crate::given::{Constant, Stopped};

fn origin() -> Origin {
    Origin {
        source: "/sendoff/api".into(),
        tenant: "acme".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    }
}

fn assigned() -> AppAssigned {
    AppAssigned {
        app_id: "expenses".parse().unwrap(),
        user_id: "ada".parse().unwrap(),
        assigned_by: "grace".parse().unwrap(),
    }
}

fn envelope<E: Event>(data: E, origin: Origin, sequence: Option<u64>) -> Envelope<E> {
    // More precise than a millisecond, so that the cut shows.
    let clock = Stopped("2026-11-24T09:30:00.125987654Z".parse().unwrap());
    Envelope::new(data, origin, sequence, &clock, &Constant(0x0123_4567_89ab_cdef))
}

#[test]
fn a_bare_event_is_written_in_exactly_these_bytes() {
    let outgoing = envelope(assigned(), origin(), None).encode().unwrap();
    let expected = concat!(
        r#"{"specversion":"1.0","id":"01a20ce4-063d-7fcd-ab89-67452301efcd","source":"/sendoff/api","#,
        r#""type":"app.assigned.v1","subject":"apps/expenses/assignments/ada","time":"2026-11-24T09:30:00.125Z","#,
        r#""datacontenttype":"application/json","dataschema":"urn:sendoff:schema:app.assigned.v1","tenantid":"acme","#,
        r#""correlationid":"01a20ce4-063d-7fcd-ab89-67452301efcd","firstpublished":"2026-11-24T09:30:00.125Z","#,
        r#""data":{"app_id":"expenses","user_id":"ada","assigned_by":"grace"}}"#,
    );
    assert_eq!(str::from_utf8(outgoing.body()).unwrap(), expected);
}

#[test]
fn an_event_with_every_extension_is_written_in_exactly_these_bytes() {
    let origin = Origin {
        correlation: Some("request-7f3a \"é\"".into()),
        causation: Some("019ab4c2-5e10-7c02-8d11-6a5b4c3d2e1f".parse().unwrap()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap()),
        ..origin()
    };
    let origin = Origin { hops: 3, ..origin };
    let outgoing = envelope(assigned(), origin, Some(42)).encode().unwrap();
    let expected = concat!(
        r#"{"specversion":"1.0","id":"01a20ce4-063d-7fcd-ab89-67452301efcd","source":"/sendoff/api","#,
        r#""type":"app.assigned.v1","subject":"apps/expenses/assignments/ada","time":"2026-11-24T09:30:00.125Z","#,
        r#""datacontenttype":"application/json","dataschema":"urn:sendoff:schema:app.assigned.v1","tenantid":"acme","#,
        r#""correlationid":"request-7f3a \"é\"","causationid":"019ab4c2-5e10-7c02-8d11-6a5b4c3d2e1f","#,
        r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
        r#""firstpublished":"2026-11-24T09:30:00.125Z","sequence":"00000000000000000042","hops":3,"#,
        r#""data":{"app_id":"expenses","user_id":"ada","assigned_by":"grace"}}"#,
    );
    assert_eq!(str::from_utf8(outgoing.body()).unwrap(), expected);
}

#[test]
fn the_outgoing_event_tells_brokers_what_the_body_tells_readers() {
    let outgoing = envelope(assigned(), origin(), Some(1)).encode().unwrap();
    let header = AnyEnvelope::decode(outgoing.body()).unwrap().header;
    assert_eq!(
        (outgoing.id(), outgoing.event_type(), outgoing.tenant(), outgoing.subject()),
        (header.id, &header.event_type, &header.tenant, header.subject.as_str())
    );
}

#[test]
fn sequences_sort_as_text() {
    let body = |n| envelope(assigned(), origin(), Some(n)).encode().unwrap().into_body();
    let text = |n| serde_json::from_slice::<serde_json::Value>(&body(n)).unwrap()["sequence"].to_string();
    let sorted = [1, 9, 10, 99, 100, u64::MAX].map(text);
    assert!(sorted.is_sorted(), "{sorted:?}");
}

#[test]
fn what_no_reader_would_accept_is_not_written() {
    let error = |origin| envelope(assigned(), origin, None).encode().unwrap_err().to_string();
    assert_eq!(
        error(Origin { source: String::new(), ..origin() }),
        "event `app.assigned.v1` can't be written: source is empty"
    );
    assert_eq!(
        error(Origin { correlation: Some("a\r\nb".into()), ..origin() }),
        "event `app.assigned.v1` can't be written: correlationid has a control character"
    );
    assert_eq!(
        error(Origin { hops: MAX_HOPS + 1, ..origin() }),
        "event `app.assigned.v1` can't be written: hops is 2147483648, more than the limit of 2147483647"
    );
}

/// Data of every kind that JSON has but objects.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Bare {
    Nothing,
    Yes(bool),
    Number(i32),
    Text(String),
    Each(Vec<BTreeMap<String, i32>>),
    Object(BTreeMap<String, i32>),
}

impl Event for Bare {
    const TYPE: &'static str = "bare.said";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        "bare".into()
    }
}

#[test]
fn data_that_is_no_object_is_not_written() {
    let object = BTreeMap::from([("a".to_owned(), 1)]);
    for bare in
        [Bare::Nothing, Bare::Yes(true), Bare::Number(1), Bare::Text("}".into()), Bare::Each(vec![object.clone()])]
    {
        let error = envelope(bare, origin(), None).encode().unwrap_err().to_string();
        let told = "its data is no JSON object: it needs a struct with named fields";
        assert_eq!(error, format!("event `bare.said.v1` can't be written: {told}"));
    }
    for object in [object, BTreeMap::new()] {
        let written = envelope(Bare::Object(object), origin(), None).encode().unwrap();
        written.check().unwrap();
    }
}

#[test]
fn an_event_over_the_limit_is_not_written() {
    let changed = |bytes: usize| SubmissionUpdated {
        app_id: "a".parse().unwrap(),
        submission_id: "s".parse().unwrap(),
        editor_id: "e".parse().unwrap(),
        revision: 2,
        changed_fields: vec!["x".repeat(bytes)],
    };
    let around = envelope(changed(0), origin(), None).encode().unwrap().body().len();
    let fits = envelope(changed(MAX_BODY_BYTES - around), origin(), None).encode().unwrap();
    assert!(AnyEnvelope::decode(fits.body()).is_ok());
    let error = envelope(changed(MAX_BODY_BYTES - around + 1), origin(), None).encode().unwrap_err();
    assert!(error.to_string().contains("1048577 bytes, more than the limit of 1048576"), "{error}");
}

#[test]
fn characters_that_brokers_refuse_are_escaped_and_read_back() {
    let data = SubmissionUpdated {
        app_id: "crm".parse().unwrap(),
        submission_id: "s1".parse().unwrap(),
        editor_id: "ada".parse().unwrap(),
        revision: 2,
        changed_fields: vec!["a\u{fffe}b\u{ffff}\u{ffff}".into(), "\u{fffd}\u{1fffe}".into()],
    };
    let body = envelope(data.clone(), origin(), None).encode().unwrap().into_body();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(
        !text.contains(['\u{fffe}', '\u{ffff}']) && text.contains("\\ufffe") && text.contains('\u{1fffe}'),
        "{text}"
    );
    let read = AnyEnvelope::decode(&body).unwrap().into_event::<SubmissionUpdated>().unwrap();
    assert_eq!(read.data.changed_fields, data.changed_fields);
}
