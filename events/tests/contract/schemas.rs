//! Schemas never change without a new version, and they tell the truth about what is read and written.

use std::collections::BTreeSet;

use sendoff_events::{AnyEnvelope, catalogue};

use crate::{
    given::{committed_schema, every_sample, files_in, json},
    schema_check::violation,
};

#[test]
fn a_schema_does_not_change_without_a_new_version() {
    for entry in catalogue::all() {
        let event_type = &entry.event_type;
        let Some(committed) = committed_schema(&event_type.to_string()) else {
            panic!("events/schemas/{event_type}.json is missing: run `cargo run -p sendoff-tests --bin generate`");
        };
        let generated = (entry.schema)();
        assert!(
            committed == *generated.as_value(),
            "the schema of `{event_type}` has changed, and messages of version {} are in queues and archives. Raise the \
             event's VERSION, teach `upcast` the step from the version before, add a golden sample and the version in \
             events/src/catalogue.rs, and run `cargo run -p sendoff-tests --bin generate`. (Where only words of a \
             description changed, change them in events/schemas/{event_type}.json by hand.)\n\ncommitted: \
             {committed:#}\n\nnow: {:#}",
            event_type.version(),
            generated.as_value(),
        );
    }
}

#[test]
fn every_version_has_its_schema_and_no_schema_is_orphaned() {
    let expected: BTreeSet<String> = catalogue::all()
        .iter()
        .flat_map(|entry| entry.versions.iter().map(|v| format!("{}.v{}.json", entry.event_type.name(), v.number)))
        .collect();
    assert_eq!(files_in("schemas"), expected);
}

#[test]
fn a_schema_is_addressed_as_dataschema_says() {
    for (event_type, sample) in every_sample() {
        assert_eq!(committed_schema(&event_type).unwrap()["$id"], json(sample)["dataschema"], "{event_type}");
    }
}

#[test]
fn the_data_of_every_sample_keeps_its_schema_and_so_does_what_it_is_upcast_to() {
    for entry in catalogue::all() {
        let present = (entry.schema)();
        for sample in entry.samples() {
            let sample_json = json(sample);
            let schema = committed_schema(sample_json["type"].as_str().unwrap()).unwrap();
            assert_eq!(violation(&sample_json["data"], &schema, &schema), None);

            let upcast = (entry.normalise)(AnyEnvelope::decode(sample.as_bytes()).unwrap()).unwrap();
            assert_eq!(violation(&upcast, present.as_value(), present.as_value()), None);
        }
    }
}

#[test]
fn exactly_the_fields_that_a_schema_requires_are_required_by_the_reader() {
    for entry in catalogue::all() {
        for sample in entry.samples() {
            let sample = json(sample);
            let schema = committed_schema(sample["type"].as_str().unwrap()).unwrap();
            for field in schema["properties"].as_object().unwrap().keys() {
                let mut without = sample.clone();
                without["data"].as_object_mut().unwrap().remove(field);
                let body = without.to_string();
                let refused = (entry.normalise)(AnyEnvelope::decode(body.as_bytes()).unwrap()).is_err();
                let required = schema["required"].as_array().unwrap().contains(&field.as_str().into());
                assert_eq!(refused, required, "{}: {field}", sample["type"]);
            }
        }
    }
}

#[test]
fn the_writer_writes_no_field_that_the_schema_does_not_know() {
    for entry in catalogue::all() {
        let schema = (entry.schema)();
        for sample in entry.samples() {
            let written = (entry.normalise)(AnyEnvelope::decode(sample.as_bytes()).unwrap()).unwrap();
            for field in written.as_object().unwrap().keys() {
                assert!(schema.pointer(&format!("/properties/{field}")).is_some(), "{}: {field}", entry.event_type);
            }
        }
    }
}
