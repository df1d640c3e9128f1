//! Samples are what handlers really make.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use futures::executor::block_on;
use sendoff_events::{AnyEnvelope, AppAssigned, Event, SubmissionCreated, TenantId};
use sendoff_producers::model::{app_key, submission_key, user_key};
use serde_json::{Map, Value, json};

use super::standard;
use crate::{
    handlers::{
        Desk, Notice, Story,
        doubles::{MemoryDeliveries, World},
    },
    routing::Routing,
    templates::{Sample, samples},
};

/// A desk whose records are those that the sample's data tells of.
fn desk(sample: &Sample, tenant: &TenantId, author: &str) -> Desk {
    let world = World::new();
    let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
    for role in ["user", "assigned_by", "author"] {
        if let Some(person) = sample.data.get(role) {
            world.records.put(user_key(tenant, &id(person).parse().unwrap()), json!({ "name": person["name"] }));
        }
    }
    let app = id(&sample.data["app"]).parse().unwrap();
    world.records.put(app_key(tenant, &app), json!({ "name": sample.data["app"]["name"] }));
    if let Some(submission) = sample.data.get("submission") {
        let record = json!({
            "app_id": app, "submission_id": submission["id"], "author_id": author,
            "revision": submission["revision"], "fields": submission["fields"],
        });
        world.records.put(submission_key(tenant, &app, &id(submission).parse().unwrap()), record);
    }
    Desk {
        records: world.records.clone(),
        authoritative: world.records.clone(),
        inbox: world.inbox.clone(),
        deliveries: Arc::<MemoryDeliveries>::default(),
        routing: Arc::new(Routing::standard(&standard()).unwrap()),
        templates: Arc::new(standard()),
        links: None,
        channels: BTreeSet::new(),
    }
}

/// What the handler of `E` makes of the golden sample.
fn made<E: Event + Notice>(sample: &Sample) -> Map<String, Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/samples/{}.json", sample.name));
    let json = fs::read(file).unwrap();
    let event = AnyEnvelope::decode(&json).unwrap().into_event::<E>().unwrap();
    let tenant = &event.header.tenant;
    let author = sample.data["author"]["id"].as_str().unwrap_or_default();
    match block_on(event.data.story(&desk(sample, tenant, author), tenant)).unwrap() {
        Story::Told { data, .. } => data,
        Story::Gone(why) => panic!("{}: {why}", sample.name),
    }
}

#[test]
fn a_samples_data_is_what_the_handler_makes_of_its_event() {
    // An approval's is no event's: the tests of the action hold what it is asked with.
    for sample in samples().unwrap().into_iter().filter(|sample| sample.event != "approval") {
        let told = match sample.event {
            AppAssigned::TYPE => made::<AppAssigned>(&sample),
            SubmissionCreated::TYPE => made::<SubmissionCreated>(&sample),
            other => panic!("no handler tells of {other}"),
        };
        let mut data = sample.data.as_object().unwrap().clone();
        // Who is told, and their link, come in beside it for each.
        assert!(data.remove("user").is_some(), "{}", sample.name);
        data.remove("unsubscribe_url");
        assert_eq!(Value::Object(told), Value::Object(data), "{}", sample.name);
    }
}
