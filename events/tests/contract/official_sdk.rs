//! The official CloudEvents SDK reads what we write, and we read what it writes.

use cloudevents::{
    AttributesReader, Data, Event, EventBuilder, EventBuilderV10,
    event::{ExtensionValue, SpecVersion},
};
use sendoff_events::{AnyEnvelope, AppAssigned};
use serde_json::{Value, json};

use crate::given::{every_sample, json};

const EXTENSIONS: [&str; 7] =
    ["tenantid", "correlationid", "causationid", "traceparent", "firstpublished", "sequence", "hops"];

fn text<'a>(sample: &'a Value, name: &str) -> Option<&'a str> {
    sample.get(name).map(|value| value.as_str().unwrap())
}

#[test]
fn the_sdk_reads_our_envelopes_with_every_attribute() {
    for (event_type, sample) in every_sample() {
        let theirs: Event = serde_json::from_str(sample).unwrap();
        let ours = json(sample);
        assert_eq!(theirs.specversion(), SpecVersion::V10);
        assert_eq!(theirs.ty(), event_type);
        assert_eq!(Some(theirs.id()), text(&ours, "id"));
        assert_eq!(Some(theirs.source().as_str()), text(&ours, "source"));
        assert_eq!(theirs.subject(), text(&ours, "subject"));
        assert_eq!(theirs.datacontenttype(), text(&ours, "datacontenttype"));
        assert_eq!(theirs.dataschema().map(|url| url.as_str()), text(&ours, "dataschema"));
        let header = AnyEnvelope::decode(sample.as_bytes()).unwrap().header;
        assert_eq!(theirs.time().unwrap().timestamp_millis(), header.time.as_millisecond());
        assert!(matches!(theirs.data(), Some(Data::Json(data)) if *data == ours["data"]));
    }
}

#[test]
fn the_sdk_reads_our_extensions_and_no_others() {
    for (event_type, sample) in every_sample() {
        let theirs: Event = serde_json::from_str(sample).unwrap();
        let ours = json(sample);
        for name in EXTENSIONS {
            let value = theirs.extension(name).map(|value| match value {
                ExtensionValue::Integer(number) => json!(number),
                other => json!(other.to_string()),
            });
            assert_eq!(value.as_ref(), ours.get(name), "{event_type}: {name}");
        }
        for (name, _) in theirs.iter_extensions() {
            assert!(EXTENSIONS.contains(&name), "{event_type}: {name}");
        }
    }
}

#[test]
fn we_read_the_sdks_form_of_our_envelopes_as_the_same_event() {
    for (event_type, sample) in every_sample() {
        let theirs: Event = serde_json::from_str(sample).unwrap();
        let written = serde_json::to_vec(&theirs).unwrap();
        let (ours, again) = (AnyEnvelope::decode(sample.as_bytes()).unwrap(), AnyEnvelope::decode(&written).unwrap());
        assert_eq!(again.header, ours.header, "{event_type}");
        assert_eq!(json(again.data.get()), json(ours.data.get()), "{event_type}");
    }
}

#[test]
fn we_read_an_event_that_the_sdk_built() {
    let built = EventBuilderV10::new()
        .id("019ab4c2-5f7d-7a31-9c04-3f6b1d2e8a50")
        .ty("app.assigned.v1")
        .source("/elsewhere")
        .subject("apps/a/assignments/u")
        .time("2026-11-24T10:30:00+01:00")
        .extension("tenantid", "acme")
        .extension("correlationid", "request-1")
        .extension("firstpublished", "2026-11-24T09:30:00Z")
        .extension("sequence", ExtensionValue::String("7".into()))
        .extension("theirown", 5)
        .data("application/json", json!({ "app_id": "a", "user_id": "u", "assigned_by": "g" }))
        .build()
        .unwrap();
    let body = serde_json::to_vec(&built).unwrap();
    let event = AnyEnvelope::decode(&body).unwrap().into_event::<AppAssigned>().unwrap();
    assert_eq!(event.header.time, event.header.first_published);
    assert_eq!(event.header.sequence, Some(7));
    assert_eq!(event.data.user_id.as_str(), "u");
}
