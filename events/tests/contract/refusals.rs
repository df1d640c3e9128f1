//! What isn't an event is refused with a stable reason and a message that names what is wrong. No input panics.

use sendoff_events::{AnyEnvelope, AppAssigned, DecodeError, MAX_BODY_BYTES};
use serde_json::{Value, json};

use crate::given::good;

/// The refusal of `body`, read as far as an [`AppAssigned`].
pub(crate) fn refusal(body: impl AsRef<[u8]>) -> DecodeError {
    let read = AnyEnvelope::decode(body.as_ref()).and_then(AnyEnvelope::into_event::<AppAssigned>);
    read.expect_err("it should be refused")
}

/// The good body with one attribute set to something else.
pub(crate) fn with(attribute: &str, value: impl Into<Value>) -> String {
    let mut body = good();
    body[attribute] = value.into();
    body.to_string()
}

#[track_caller]
pub(crate) fn refused(body: impl AsRef<[u8]>, reason: &str, words: &str) {
    let refusal = refusal(body);
    assert_eq!(refusal.reason(), reason, "{refusal}");
    assert!(refusal.to_string().contains(words), "`{refusal}` should contain `{words}`");
    assert!(refusal.to_string().len() < 1000, "a message stays short");
}

#[test]
fn the_good_body_is_read() {
    let body = good().to_string();
    assert!(AnyEnvelope::decode(body.as_bytes()).unwrap().into_event::<AppAssigned>().is_ok());
}

#[test]
fn what_is_not_json_is_refused() {
    for body in ["", " ", "Hello!", "<xml/>", "{", r#"{"id":"#, "nul", "\u{feff}{}", "{'id': 1}"] {
        refused(body, "not-json", "not JSON");
    }
    let whole = good().to_string();
    refused(&whole[..whole.len() / 2], "not-json", "EOF");
    refused(whole + " and more", "not-json", "trailing characters");
}

#[test]
fn json_that_is_not_an_object_is_refused() {
    for body in ["null", "1", "\"text\"", "[]", "[1, 2]"] {
        refused(body, "not-an-envelope", "not a JSON object");
    }
}

#[test]
fn an_array_of_the_attributes_in_order_is_not_taken_for_an_envelope() {
    let body = good();
    let names =
        ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "tenantid", "correlationid"];
    let values: Vec<&Value> = names.iter().map(|name| &body[name]).collect();
    refused(json!(values).to_string(), "not-an-envelope", "not a JSON object");
}

#[test]
fn a_missing_attribute_is_named() {
    for attribute in [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "tenantid",
        "correlationid",
        "firstpublished",
        "data",
    ] {
        let mut body = good();
        body.as_object_mut().unwrap().remove(attribute);
        refused(body.to_string(), "not-an-envelope", &format!("missing field `{attribute}`"));
    }
}

#[test]
fn a_null_is_the_same_as_a_missing_attribute() {
    refused(with("data", Value::Null), "not-an-envelope", "missing field `data`");
    refused(with("id", Value::Null), "not-an-envelope", "null");
    let mut body = good();
    for optional in ["causationid", "traceparent", "sequence", "hops", "datacontenttype", "dataschema"] {
        body[optional] = Value::Null;
    }
    let body = body.to_string();
    assert_eq!(AnyEnvelope::decode(body.as_bytes()).unwrap().header.sequence, None);
}

#[test]
fn a_wrong_attribute_is_refused() {
    for (attribute, value, words) in [
        ("specversion", json!("0.3"), "specversion is `0.3`"),
        ("specversion", json!(1.0), "expected a string"),
        ("id", json!("42"), "id: event id `42` is not valid: use a UUID"),
        ("source", json!(""), "source is empty"),
        ("subject", json!(""), "subject is empty"),
        ("correlationid", json!(""), "correlationid is empty"),
        ("type", json!("AppAssigned"), "type: event type `AppAssigned` is not valid: it reads like `app.assigned.v1`"),
        ("time", json!("yesterday"), "time: failed to parse"),
        ("firstpublished", json!("2026-11-24T09:30:00"), "firstpublished: failed to find offset"),
        ("tenantid", json!("a/b"), "tenant id `a/b` is not valid"),
        ("datacontenttype", json!("text/plain"), "datacontenttype is `text/plain`"),
        ("causationid", json!("x"), "causationid: event id `x` is not valid"),
        ("sequence", json!("first"), "sequence is not a decimal number"),
        ("sequence", json!("+5"), "sequence is not a decimal number"),
        ("sequence", json!(""), "sequence is not a decimal number"),
        ("sequence", json!("99999999999999999999"), "sequence is not a decimal number"),
        ("sequence", json!(5), "expected a string"),
        ("hops", json!(-1), "hops is not a whole number from 0 to 2147483647"),
        ("hops", json!(1.5), "hops is not a whole number"),
        ("hops", json!(2_147_483_648_u64), "hops is not a whole number"),
        ("hops", json!("+1"), "hops is not a whole number"),
        ("hops", json!(""), "hops is not a whole number"),
        ("hops", json!([1]), "hops is not a whole number"),
    ] {
        refused(with(attribute, value), "not-an-envelope", words);
    }
}

#[test]
fn a_malformed_traceparent_is_ignored_and_costs_no_event() {
    let body = with("traceparent", "00-x");
    assert_eq!(AnyEnvelope::decode(body.as_bytes()).unwrap().header.traceparent, None);
}

#[test]
fn data_base64_is_refused_by_name() {
    refused(with("data_base64", "e30="), "not-an-envelope", "data_base64 is not supported");
    let mut instead = good();
    instead.as_object_mut().unwrap().remove("data");
    instead["data_base64"] = "e30=".into();
    refused(instead.to_string(), "not-an-envelope", "data_base64 is not supported");
}

#[test]
fn another_type_is_unknown() {
    refused(with("type", "app.archived.v1"), "unknown-type", "event type `app.archived.v1` is not known here");
    refused(with("type", "app.assigned.v2"), "unknown-version", "version 2 of `app.assigned` is newer than version 1");
}

#[test]
fn data_that_does_not_fit_is_refused() {
    refused(with("data", json!({})), "bad-data", "missing field `app_id`");
    refused(with("data", json!(["a", "u", "g"])), "bad-data", "not a JSON object");
    let wrong = json!({ "app_id": "a b", "user_id": "u", "assigned_by": "g" });
    refused(with("data", wrong), "bad-data", "app id `a b` is not valid");
}

#[test]
fn unknown_attributes_and_fields_are_ignored() {
    let mut body = good();
    body["extension"] = json!({ "any": [1, 2, 3] });
    body["data"]["colour"] = json!("red");
    let body = body.to_string();
    assert!(AnyEnvelope::decode(body.as_bytes()).unwrap().into_event::<AppAssigned>().is_ok());
}

#[test]
fn every_reason_is_explained_in_the_reference() {
    let reference = sendoff_events::reference();
    for body in [
        "Hello!".to_owned(),
        "[]".into(),
        "x".repeat(MAX_BODY_BYTES + 1),
        with("type", "app.archived.v1"),
        with("type", "app.assigned.v2"),
        with("data", json!({})),
    ] {
        let reason = refusal(body).reason();
        assert!(reference.contains(&format!("| `{reason}` |")), "{reason}");
    }
    assert!(reference.contains(&format!("| `{}` |", refusal(b"\xff").reason())));
}
