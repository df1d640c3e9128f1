//! Old versions are brought to the present one, and what can't be is refused with the reason.

use sendoff_events::{
    AnyEnvelope, AppAssigned, DecodeError, Envelope, Event, SubmissionCreated, UpcastError, catalogue,
};
use serde_json::{Value, json};

fn created(version: &str, data: &Value) -> Result<Envelope<SubmissionCreated>, DecodeError> {
    let mut body = crate::given::good();
    body["type"] = format!("submission.created.{version}").into();
    body["data"] = data.clone();
    AnyEnvelope::decode(body.to_string().as_bytes())?.into_event()
}

#[test]
fn version_1_of_submission_created_is_read_as_version_2() {
    let entry = catalogue::all().into_iter().find(|e| e.event_type.name() == SubmissionCreated::TYPE).unwrap();
    let old = AnyEnvelope::decode(entry.versions[0].samples[0].as_bytes()).unwrap();
    let event = old.into_event::<SubmissionCreated>().unwrap();

    let expected = SubmissionCreated {
        app_id: "expenses".parse().unwrap(),
        submission_id: "travel-0042".parse().unwrap(),
        author_id: "ada".parse().unwrap(),
        revision: 1,
    };
    assert_eq!(event.data, expected);
    assert_eq!(event.header.event_type.to_string(), "submission.created.v1", "the header still tells what was sent");
}

#[test]
fn version_1_with_unknown_fields_is_read_too() {
    let data = json!({ "app_id": "a", "submission_id": "s", "submitted_by": "u", "colour": "red" });
    assert_eq!(created("v1", &data).unwrap().data.author_id.as_str(), "u");
}

#[test]
fn version_1_without_its_author_is_refused_by_the_old_fields_name() {
    let refusal = created("v1", &json!({ "app_id": "a", "submission_id": "s", "author_id": "u" })).unwrap_err();
    assert_eq!(refusal.reason(), "bad-data");
    assert_eq!(
        refusal.to_string(),
        "the data of `submission.created.v1` doesn't fit: data of version 1 can't be upcast: missing field `submitted_by`"
    );
}

#[test]
fn version_1_with_a_wrong_author_is_refused() {
    for author in [json!(7), json!(null), json!("a/b")] {
        let data = json!({ "app_id": "a", "submission_id": "s", "submitted_by": author });
        assert_eq!(created("v1", &data).unwrap_err().reason(), "bad-data", "{author}");
    }
}

#[test]
fn data_that_is_not_an_object_is_refused_in_every_version() {
    for data in [json!([]), json!(["a", "s", "u", 1]), json!("text"), json!(1)] {
        for version in ["v1", "v2"] {
            let refusal = created(version, &data).unwrap_err();
            assert_eq!(refusal.reason(), "bad-data", "{version} {data}");
            assert!(refusal.to_string().contains("not a JSON object"), "{refusal}");
        }
    }
}

#[test]
fn a_newer_version_is_refused_with_what_to_do() {
    let refusal = created("v3", &json!({})).unwrap_err();
    assert!(
        matches!(&refusal, DecodeError::UnknownVersion { found, newest: 2 } if found.version() == 3),
        "{refusal:?}"
    );
    assert_eq!(refusal.reason(), "unknown-version");
    assert_eq!(
        refusal.to_string(),
        "version 3 of `submission.created` is newer than version 2, the newest known here: deploy the newer consumer first"
    );
}

#[test]
fn there_is_no_version_0() {
    for version in ["v0", "v00", "v01", "v-1", "v+1", "v", "v4294967296"] {
        assert_eq!(created(version, &json!({})).unwrap_err().reason(), "not-an-envelope", "{version}");
    }
}

#[test]
fn an_upcaster_knows_only_versions_that_existed() {
    let no_such = |from| Err(UpcastError { from, why: "there was no such version".into() });
    assert_eq!(SubmissionCreated::upcast(2, json!({})), no_such(2));
    assert_eq!(SubmissionCreated::upcast(0, json!({})), no_such(0));
    assert_eq!(AppAssigned::upcast(1, json!({})), no_such(1));
    assert_eq!(
        SubmissionCreated::upcast(1, json!([])),
        Err(UpcastError { from: 1, why: "it is not an object".into() })
    );
}
