//! Golden samples: what is in queues and archives today is read as long as the event exists.

use std::collections::BTreeSet;

use sendoff_events::{
    AnyEnvelope, AppAssigned, AppUnassigned, ApprovalDecided, Envelope, Event, EventType, SubmissionCreated,
    SubmissionUpdated, WorkflowPublished, WorkflowRequested, WorkflowStep, catalogue,
};
use serde_json::Value;

use crate::given::{every_sample, files_in, json, path};

#[test]
fn every_version_has_samples_of_its_own_type_that_still_decode() {
    for entry in catalogue::all() {
        let numbers: Vec<u32> = entry.versions.iter().map(|v| v.number).collect();
        let expected: Vec<u32> = (1..=entry.event_type.version()).collect();
        assert_eq!(numbers, expected, "{} lists every version, oldest first", entry.event_type.name());
        for version in entry.versions {
            assert!(!version.samples.is_empty(), "version {} of {}", version.number, entry.event_type.name());
            for sample in version.samples {
                let envelope = AnyEnvelope::decode(sample.as_bytes()).unwrap();
                let expected: EventType = format!("{}.v{}", entry.event_type.name(), version.number).parse().unwrap();
                assert_eq!(envelope.header.event_type, expected);
                let decoded = (entry.normalise)(envelope);
                assert!(decoded.is_ok(), "{expected}: {decoded:?}");
            }
        }
    }
}

#[test]
fn no_sample_file_is_left_out_of_the_catalogue() {
    let listed: BTreeSet<&str> = every_sample().map(|(_, sample)| sample).collect();
    for file in files_in("samples") {
        let text = std::fs::read_to_string(path("samples").join(&file)).unwrap();
        assert!(listed.contains(&*text), "events/samples/{file} is not in events/src/catalogue.rs");
    }
    assert_eq!(listed.len(), files_in("samples").len());
}

#[test]
fn encoding_a_sample_of_the_present_version_again_gives_the_same_json() {
    let mut seen = 0;
    for (event_type, sample) in every_sample() {
        if let Some(again) = encode_again(sample) {
            assert_eq!(again, json(sample), "{event_type}");
            seen += 1;
        }
    }
    assert!(seen >= catalogue::all().len(), "each event has a sample of its present version");
}

/// The sample decoded and encoded, if it is of the present version of an event.
fn encode_again(sample: &str) -> Option<Value> {
    let event_type = AnyEnvelope::decode(sample.as_bytes()).unwrap().header.event_type;
    Some(match event_type {
        t if t == EventType::of::<AppAssigned>() => encoded(&read::<AppAssigned>(sample)),
        t if t == EventType::of::<AppUnassigned>() => encoded(&read::<AppUnassigned>(sample)),
        t if t == EventType::of::<ApprovalDecided>() => encoded(&read::<ApprovalDecided>(sample)),
        t if t == EventType::of::<WorkflowPublished>() => encoded(&read::<WorkflowPublished>(sample)),
        t if t == EventType::of::<WorkflowRequested>() => encoded(&read::<WorkflowRequested>(sample)),
        t if t == EventType::of::<WorkflowStep>() => encoded(&read::<WorkflowStep>(sample)),
        t if t == EventType::of::<SubmissionCreated>() => encoded(&read::<SubmissionCreated>(sample)),
        t if t == EventType::of::<SubmissionUpdated>() => encoded(&read::<SubmissionUpdated>(sample)),
        _ => return None,
    })
}

fn read<E: Event>(sample: &str) -> Envelope<E> {
    AnyEnvelope::decode(sample.as_bytes()).unwrap().into_event().unwrap()
}

fn encoded<E: Event>(envelope: &Envelope<E>) -> Value {
    serde_json::from_slice(envelope.encode().unwrap().body()).unwrap()
}

#[test]
fn the_samples_show_each_optional_attribute_present_and_absent() {
    let samples: Vec<Value> = every_sample().map(|(_, sample)| json(sample)).collect();
    for attribute in ["causationid", "traceparent", "sequence", "hops"] {
        assert!(samples.iter().any(|s| s.get(attribute).is_some()), "{attribute} present");
        assert!(samples.iter().any(|s| s.get(attribute).is_none()), "{attribute} absent");
    }
}

#[test]
fn the_subject_of_a_sample_is_what_the_event_says_of_itself() {
    for entry in catalogue::all() {
        for sample in entry.samples() {
            let envelope = AnyEnvelope::decode(sample.as_bytes()).unwrap();
            let subject = envelope.header.subject.clone();
            assert_eq!((entry.subject)(envelope).unwrap(), subject, "{}", entry.event_type);
        }
    }
}

#[test]
fn the_id_of_a_sample_carries_its_time() {
    for (event_type, sample) in every_sample() {
        let header = AnyEnvelope::decode(sample.as_bytes()).unwrap().header;
        let millis = header.id.as_bytes()[..6].iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        assert_eq!(millis, header.time.as_millisecond(), "{event_type}");
    }
}
