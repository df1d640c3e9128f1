//! What is sent can be read by its schema, follows from the seed, and is mixed as the scenario says.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_events::{AnyEnvelope, catalogue};
use sendoff_load::{
    payload::{Made, Payloads, Sort},
    scenario::Kind,
    target::Parcel,
};
use sendoff_tests::simulation::World;

use crate::virtually::{run_id, scenario};

fn made(text: &str, count: u64) -> Vec<Made> {
    let world = World::new(1);
    let mut payloads = Payloads::new(&scenario(text), &run_id(), Arc::new(world.clock())).unwrap();
    (0..count).map(|number| payloads.make(number).unwrap()).collect()
}

fn body(made: &Made) -> Vec<u8> {
    match &made.parcel {
        Parcel::Event(event) | Parcel::Again(event) => event.body().to_vec(),
        Parcel::Poison { body, .. } => body.to_vec(),
        Parcel::Request(request) => serde_json::to_vec(&request.fields).unwrap(),
    }
}

fn all_kinds(more: &str) -> String {
    let events: String = Kind::words().iter().map(|word| format!("[[event]]\ntype = \"{word}\"\n{more}\n")).collect();
    format!("[rate]\nrate = \"5/s\"\n{events}")
}

#[test]
fn every_event_of_the_catalogue_is_made_and_read_by_its_schema() {
    for more in ["", "size = 900", "size = \"uniform:100..5000\"", "size = \"lognormal:800,1.0\""] {
        let mut seen = BTreeMap::new();
        for (number, made) in made(&all_kinds(more), 400).iter().enumerate() {
            let body = body(made);
            let envelope =
                AnyEnvelope::decode(&body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&body)));
            assert!(envelope.header.is_of_load_test());
            assert_eq!(run_id().number(&envelope.header.correlation), Some(number as u64));
            let entry = catalogue::all().into_iter().find(|entry| entry.event_type == envelope.header.event_type);
            let entry = entry.expect("it is in the catalogue");
            let subject = (entry.subject)(envelope.clone()).unwrap();
            assert_eq!(subject, envelope.header.subject);
            let data = (entry.normalise)(envelope).unwrap();
            // What the schema says must be there is there, and nothing is too small.
            let schema = serde_json::to_value((entry.schema)()).unwrap();
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(data.get(required.as_str().unwrap()).is_some(), "{required} is missing");
            }
            *seen.entry(made.kind).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), catalogue::all().len(), "{seen:?}");
    }
}

#[test]
fn bodies_are_as_large_as_they_should_be() {
    for size in [600_usize, 4096, 1_048_576] {
        for made in made(&all_kinds(&format!("size = {size}")), 30) {
            assert_eq!(body(&made).len(), size, "{:?}", made.kind);
        }
    }
    let oversize = "[rate]\nrate = \"5/s\"\n[[event]]\ntype = \"app.assigned\"\n[shares]\noversize = 1\n";
    assert_eq!(body(&made(oversize, 1)[0]).len(), 300 << 10);
}

#[test]
fn the_same_seed_makes_the_same_bodies_but_for_ids_and_times() {
    let text =
        format!("seed = 9\n{}[keys]\ntenants = 2\nusers = 20\nzipf = 1.1\n", all_kinds("size = \"uniform:600..900\""));
    let bare = |made: &Made| {
        let mut json: serde_json::Value = serde_json::from_slice(&body(made)).unwrap();
        let members = json.as_object_mut().unwrap();
        assert!(members.remove("id").is_some() && members.remove("time").is_some());
        assert!(members.remove("firstpublished").is_some());
        json.to_string()
    };
    let (one, other): (Vec<_>, Vec<_>) =
        (made(&text, 200).iter().map(bare).collect(), made(&text, 200).iter().map(bare).collect());
    assert_eq!(one, other);
    let differently: Vec<_> = made(&text.replace("seed = 9", "seed = 10"), 200).iter().map(bare).collect();
    assert_ne!(one, differently);
}

#[test]
fn shares_weights_and_hot_keys_are_as_the_scenario_says() {
    let text = "via = \"queue\"\n[rate]\nrate = \"5/s\"\n[[event]]\ntype = \"app.assigned\"\nweight = 3\n[[event]]\n\
                type = \"submission.updated\"\n[shares]\nduplicate = 0.1\npoison = 0.05\n[keys]\nusers = 50\nzipf = 1.0\n";
    let all = made(text, 20_000);
    let share = |is: &dyn Fn(&Made) -> bool| all.iter().filter(|made| is(made)).count() as f64 / all.len() as f64;
    assert!((share(&|made| matches!(made.sort, Sort::Again(_))) - 0.1).abs() < 0.01);
    assert!((share(&|made| made.sort == Sort::Poison) - 0.05).abs() < 0.01);
    assert!((share(&|made| made.kind == Kind::AppAssigned) - 0.75).abs() < 0.02);
    // The hottest of 50 users gets 1 / (1 + 1/2 + … + 1/50) = 22 %.
    let hottest = share(&|made| made.subject == Some(0))
        / share(&|made| made.kind == Kind::AppAssigned && made.sort == Sort::Event);
    assert!((hottest - 0.222).abs() < 0.02, "{hottest}");
}

#[test]
fn what_is_sent_again_is_the_same_and_was_sent_before() {
    let text = "[rate]\nrate = \"5/s\"\n[[event]]\ntype = \"app.assigned\"\n[shares]\nduplicate = 0.2\n";
    let all = made(text, 2000);
    let mut count = 0;
    for (number, again) in all.iter().enumerate() {
        if let Sort::Again(original) = again.sort {
            assert!((original as usize) < number);
            assert_eq!(body(again), body(&all[original as usize]));
            assert!(matches!(again.parcel, Parcel::Again(_)));
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn no_consumer_can_read_poison_and_it_says_what_run_it_is_of() {
    let text = "via = \"queue\"\n[rate]\nrate = \"5/s\"\n[[event]]\ntype = \"app.assigned\"\n[shares]\npoison = 1\n";
    for made in made(text, 10) {
        let Parcel::Poison { body, attributes, .. } = &made.parcel else { panic!("{made:?}") };
        assert!(AnyEnvelope::decode(body).is_err());
        assert!(run_id().owns(&attributes["tenant"]));
        assert_eq!(attributes["type"], "app.assigned.v1");
    }
}
