//! The generated documents are fresh, complete and well-formed.

use sendoff_events::{AnyEnvelope, asyncapi, catalogue, reference};
use serde_json::Value;

use crate::{
    given::{every_sample, json, path},
    schema_check::violation,
};

fn committed(document: &str) -> String {
    std::fs::read_to_string(path("../docs").join(document)).unwrap()
}

#[test]
fn the_committed_documents_are_what_the_generator_makes() {
    let stale = "is stale: run `cargo run -p sendoff-tests --bin generate`";
    assert!(committed("EVENTS.md") == reference(), "docs/EVENTS.md {stale}");
    assert!(json(&committed("asyncapi.json")) == asyncapi(), "docs/asyncapi.json {stale}");
}

#[test]
fn the_reference_tells_every_field_and_version_of_every_event() {
    let page = reference();
    for entry in catalogue::all() {
        let heading = format!("\n## {}\n", entry.event_type);
        let section = page.split_once(&heading).unwrap().1.split("\n## ").next().unwrap();
        for field in (entry.schema)().get("properties").unwrap().as_object().unwrap().keys() {
            assert!(section.contains(&format!("| `{field}` |")), "{heading}{field}");
        }
        for version in entry.versions {
            let row = format!("| {} | {} | {} |", version.number, version.release, version.change);
            assert!(section.contains(&row), "{heading}{row}");
        }
        assert!(section.contains("```json\n{\n"), "{heading}has a sample");
    }
}

#[test]
fn the_reference_tells_every_attribute_that_is_written() {
    let page = reference();
    for (_, sample) in every_sample() {
        for attribute in json(sample).as_object().unwrap().keys() {
            assert!(page.contains(&format!("| `{attribute}` |")), "{attribute}");
        }
    }
}

#[test]
fn the_asyncapi_document_has_what_version_3_requires() {
    let document = asyncapi();
    assert_eq!(document["asyncapi"], "3.0.0");
    for required in ["/info/title", "/info/version", "/channels/events/address"] {
        assert!(document.pointer(required).is_some_and(Value::is_string), "{required}");
    }
    for operation in document["operations"].as_object().unwrap().values() {
        assert!(["send", "receive"].contains(&operation["action"].as_str().unwrap()));
        assert_eq!(operation["channel"]["$ref"], "#/channels/events");
    }
    let names =
        |pointer: &str| document.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let events: Vec<String> = catalogue::all().iter().map(|entry| entry.event_type.to_string()).collect();
    assert_eq!(names("/channels/events/messages"), events);
    assert_eq!(names("/components/messages"), events);
}

#[test]
fn every_reference_in_the_asyncapi_document_resolves_and_stands_alone() {
    let document = asyncapi();
    let mut found = 0;
    walk(&document, &mut |value| {
        if let Some(target) = value.get("$ref") {
            let target = target.as_str().unwrap();
            assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
            // In draft 7 whatever stands beside a reference is ignored.
            assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
            found += 1;
        }
    });
    assert!(found > 20, "{found} references");
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

#[test]
fn every_sample_of_a_present_version_keeps_its_messages_payload_and_headers() {
    let document = asyncapi();
    for message in document["components"]["messages"].as_object().unwrap().values() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{}", message["name"]);
        for example in examples {
            assert_eq!(violation(&example["payload"], &message["payload"], &document), None);
            assert_eq!(violation(&example["headers"], &message["headers"], &document), None);
        }
    }
}

#[test]
fn exactly_the_attributes_that_the_envelopes_schema_requires_are_required_by_the_reader() {
    let document = asyncapi();
    let schema = &document["components"]["schemas"]["Envelope"];
    for (_, sample) in every_sample() {
        for attribute in schema["properties"].as_object().unwrap().keys() {
            let mut without = json(sample);
            without.as_object_mut().unwrap().remove(attribute);
            let refused = AnyEnvelope::decode(without.to_string().as_bytes()).is_err();
            let required = schema["required"].as_array().unwrap().contains(&attribute.as_str().into());
            assert_eq!(refused, required, "{attribute}");
        }
    }
}
