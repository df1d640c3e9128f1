//! Bodies made to break a reader: too large, too deep, not text, ambiguous. Each is refused, shortly and without a panic.

use sendoff_events::{AnyEnvelope, MAX_BODY_BYTES, SubmissionCreated, catalogue};
use serde_json::json;

use crate::{
    given::good,
    refusals::{refused, with},
};

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    refused(b"{\"id\": \"\xff\"}", "not-utf8", "byte 8");
    refused(b"\xc0\x80", "not-utf8", "byte 0");
    let mut cut = good().to_string().into_bytes();
    cut.truncate(20);
    cut.extend("é".as_bytes().first());
    refused(cut, "not-utf8", "byte 20");
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    refused(vec![b'x'; 10 * 1024 * 1024], "body-too-large", "10485760 bytes, more than the limit of 1048576");
    refused(vec![b' '; MAX_BODY_BYTES + 1], "body-too-large", "1048577 bytes");
    let mut full = good().to_string().into_bytes();
    full.resize(MAX_BODY_BYTES, b' ');
    assert!(AnyEnvelope::decode(&full).is_ok(), "the limit itself is allowed");
}

#[test]
fn deep_nesting_overflows_no_stack() {
    let depth = 400_000;
    refused("[".repeat(depth), "not-json", "EOF");
    refused(r#"{"a":"#.repeat(150_000), "not-json", "EOF");
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    refused(&deep, "not-an-envelope", "not a JSON object");
    let of_data = with("data", "DEEP").replace("\"DEEP\"", &deep);
    refused(&of_data, "bad-data", "not a JSON object");
    let of_old_data = with("data", json!({ "unknown": "DEEP" }))
        .replace("\"DEEP\"", &deep)
        .replace("app.assigned", "submission.created");
    let old = AnyEnvelope::decode(of_old_data.as_bytes()).unwrap().into_event::<SubmissionCreated>();
    assert_eq!(old.unwrap_err().reason(), "bad-data");
    let of_unknown = with("unknown", "DEEP").replace("\"DEEP\"", &deep);
    assert!(AnyEnvelope::decode(of_unknown.as_bytes()).is_ok(), "what nobody reads may be as deep as it likes");
}

#[test]
fn lone_surrogates_are_refused() {
    for escape in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\ud800"] {
        let body = with("source", "HERE").replace("HERE", escape);
        refused(&body, "not-json", "not JSON");
        let data =
            with("data", json!({ "app_id": "HERE", "user_id": "u", "assigned_by": "g" })).replace("HERE", escape);
        refused(&data, "bad-data", "doesn't fit");
    }
    let pair = with("source", "HERE").replace("HERE", r"/\ud83d\ude80");
    assert_eq!(AnyEnvelope::decode(pair.as_bytes()).unwrap().header.source, "/🚀");
}

#[test]
fn control_characters_are_refused() {
    refused("\0", "not-json", "not JSON");
    refused(with("source", "HERE").replace("HERE", "\0"), "not-json", "control character");
    for character in ["\0", "\n", "\u{7f}", "\u{85}"] {
        refused(with("source", character), "not-an-envelope", "source has a control character");
        refused(with("subject", character), "not-an-envelope", "subject has a control character");
        refused(with("correlationid", character), "not-an-envelope", "correlationid has a control character");
        refused(with("tenantid", character), "not-an-envelope", "tenant id");
    }
}

#[test]
fn a_known_name_that_stands_twice_is_refused() {
    let twice = |name: &str| {
        with("HERE", 1).replace("\"HERE\":1", &format!("\"{name}\":\"00000000-0000-7000-8000-000000000000\""))
    };
    refused(twice("id"), "not-an-envelope", "duplicate field `id`");
    refused(twice("causationid"), "not-an-envelope", "duplicate field `causationid`");
    let data =
        with("data", "HERE").replace("\"HERE\"", r#"{"app_id":"a","app_id":"b","user_id":"u","assigned_by":"g"}"#);
    refused(data, "bad-data", "duplicate field `app_id`");
}

#[test]
fn an_unknown_name_may_stand_twice_since_nobody_reads_it() {
    let body = with("HERE", 1).replace("\"HERE\":1", r#""other":1,"other":2"#);
    assert!(AnyEnvelope::decode(body.as_bytes()).is_ok());
}

#[test]
fn a_message_about_a_huge_value_stays_short() {
    let huge = "é".repeat(300_000);
    refused(with("id", huge.clone()), "not-an-envelope", "");
    refused(with("time", huge.clone()), "not-an-envelope", "");
    refused(with("specversion", huge.clone()), "not-an-envelope", "specversion is `éé");
    refused(with("type", huge.clone()), "not-an-envelope", "event type `éé");
    refused(with("data", json!({ "app_id": huge, "user_id": "u", "assigned_by": "g" })), "bad-data", "app id `éé");
    refused(with("data", json!({ "app_id": { "deep": huge }, "user_id": "u", "assigned_by": "g" })), "bad-data", "map");

    // A number is what serde quotes the wrong value for, in full.
    for event_type in ["submission.created.v2", "submission.updated.v1"] {
        let mut body = good();
        body["type"] = event_type.into();
        body["data"] = json!({ "revision": huge });
        let body = body.to_string();
        let normalise =
            catalogue::all().into_iter().find(|e| e.event_type.to_string() == event_type).unwrap().normalise;
        let refusal = AnyEnvelope::decode(body.as_bytes()).and_then(normalise).unwrap_err();
        assert!(refusal.to_string().ends_with("é… (cut)"), "{}", refusal.to_string().len());
        assert!(refusal.to_string().len() < 1000);
    }
}
