//! Data to try templates with: what the handlers would make of the events' golden samples, and what approvals are asked with.

use sendoff_events::{AnyEnvelope, AppAssigned, DecodeError, Event, SubmissionCreated};
use serde_json::{Value, json};

/// What a template sees of one event, or of an approval.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sample {
    /// The sample's name: `app.assigned.v1.minimal`.
    pub name: &'static str,
    /// The event's name: `app.assigned`. An approval's is `approval`, which is no event.
    pub event: &'static str,
    /// The data.
    pub data: Value,
}

impl Sample {
    /// Whether a template's name says that it is about this sample's event: `app-assigned` is about `app.assigned`.
    #[must_use]
    pub fn is_of(&self, template: &str) -> bool {
        self.event.replace('.', "-") == template
    }
}

macro_rules! golden {
    ($name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../events/samples/", $name, ".json")))
    };
}

/// The golden samples of the events that people are told of.
const ASSIGNED: [(&str, &str); 2] = [golden!("app.assigned.v1"), golden!("app.assigned.v1.minimal")];
const CREATED: [(&str, &str); 3] =
    [golden!("submission.created.v1"), golden!("submission.created.v2"), golden!("submission.created.v2.minimal")];

/// What approvals are asked with: the name that its template goes by.
const APPROVAL: &str = "approval";

/// The data for each golden sample of an event that people are told of, and for an approval: names for the ids that the event holds, and for a
/// submission some fields. Minimal samples have what may be missing left out: fields, and the link that unsubscribes.
///
/// # Errors
///
/// [`DecodeError`] when a sample is none; a test holds that all are.
pub fn samples() -> Result<Vec<Sample>, DecodeError> {
    let mut samples = Vec::new();
    for (name, json) in ASSIGNED {
        let AppAssigned { app_id, user_id, assigned_by } = decode(json)?;
        let data = json!({
            "user": person(user_id.as_str()),
            "app": app(app_id.as_str()),
            "assigned_by": person(assigned_by.as_str()),
        });
        samples.push(sample::<AppAssigned>(name, data));
    }
    for (name, json) in CREATED {
        let SubmissionCreated { app_id, submission_id, author_id, revision, .. } = decode(json)?;
        let fields = match minimal(name) {
            true => json!({}),
            false => json!({ "Amount": 412.5, "Approved": false, "Receipt": null, "Tags": ["travel", "Berlin"] }),
        };
        let data = json!({
            "user": person("grace"),
            "app": app(app_id.as_str()),
            "author": person(author_id.as_str()),
            "submission": { "id": submission_id, "revision": revision, "fields": fields },
        });
        samples.push(sample::<SubmissionCreated>(name, data));
    }
    for (name, text) in [(APPROVAL, "A train to Berlin.\nThe receipt is there."), ("approval.minimal", "")] {
        let data = json!({
            "user": person("grace"),
            "approval": {
                "title": "Travel expenses of 412.50",
                "text": text,
                "url": "https://notify.example.org/approvals/example",
                "deadline": "2026-11-27 11:20 UTC",
            },
        });
        samples.push(with_link(name, APPROVAL, data));
    }
    Ok(samples)
}

fn sample<E: Event>(name: &'static str, data: Value) -> Sample {
    with_link(name, E::TYPE, data)
}

fn with_link(name: &'static str, event: &'static str, mut data: Value) -> Sample {
    if !minimal(name) {
        data["unsubscribe_url"] = "https://notify.example.org/unsubscribe/example".into();
    }
    Sample { name, event, data }
}

fn minimal(name: &str) -> bool {
    name.ends_with(".minimal")
}

fn decode<E: Event>(json: &str) -> Result<E, DecodeError> {
    Ok(AnyEnvelope::decode(json.as_bytes())?.into_event::<E>()?.data)
}

fn person(id: &str) -> Value {
    let name = match id {
        "ada" => "Ada Lovelace",
        "grace" => "Grace Hopper",
        "linus" => "Linus",
        other => other,
    };
    json!({ "id": id, "name": name })
}

fn app(id: &str) -> Value {
    json!({ "id": id, "name": if id == "expenses" { "Expenses" } else { id } })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_golden_sample_of_an_event_that_people_are_told_of_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/samples");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let told = ["app.assigned.", "submission.created."];
        let there: BTreeSet<_> = files.filter(|file| told.iter().any(|event| file.starts_with(event))).collect();
        let samples = samples().unwrap();
        let of_events = samples.iter().filter(|sample| sample.event != APPROVAL);
        let known = of_events.map(|sample| format!("{}.json", sample.name)).collect::<BTreeSet<_>>();
        assert_eq!(known, there);
    }

    #[test]
    fn a_sample_speaks_of_what_its_event_speaks_of() {
        let samples = samples().unwrap();
        let minimal = samples.iter().find(|sample| sample.name == "app.assigned.v1.minimal").unwrap();
        assert_eq!(
            minimal.data,
            json!({
                "user": { "id": "linus", "name": "Linus" },
                "app": { "id": "expenses", "name": "Expenses" },
                "assigned_by": { "id": "grace", "name": "Grace Hopper" },
            })
        );
        assert!(minimal.is_of("app-assigned") && !minimal.is_of("submission-created"));
        let old = samples.iter().find(|sample| sample.name == "submission.created.v1").unwrap();
        assert_eq!(old.data["author"]["name"], "Ada Lovelace");
    }
}
