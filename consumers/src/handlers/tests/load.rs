//! What belongs to a load test goes nowhere, by whatever channel.

use std::collections::BTreeSet;

use sendoff_events::{Event, EventId};
use sendoff_producers::model::{Channel, webhook_key};
use serde_json::json;

use super::{Stage, assigned, chain, done, submitted};
use crate::{LOAD_SINK, NotSent, SendOutcome, StepState, handlers::doubles::tenant};

const OF_LOAD: Option<&str> = Some("load/night/7");

/// Ada can be reached everywhere, the app has a webhook, and every channel is told first.
fn stage(channel: &str) -> Stage {
    let stage = if Channel::ALL.iter().any(|known| known.name() == channel) {
        Stage::playing(chain(&format!("[\"{channel}\"]")))
    } else {
        Stage::new()
    };
    stage.reachable("ada");
    stage.app(json!({ "name": "Expenses", "owners": ["ada"], "webhooks": ["a"] }));
    let endpoint = json!({ "url": "https://a.example/hook", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="] });
    stage.world.records.put(webhook_key(&tenant(), &"expenses".parse().unwrap(), "a"), endpoint);
    stage
}

fn deliver<E: Event>(stage: &Stage, consumer: &str, event: E, correlation: Option<&str>) -> EventId {
    let (delivery, id) = stage.world.delivery_of(event, correlation);
    assert_eq!(stage.process(consumer, &delivery), done(), "{consumer}");
    id
}

fn sent(stage: &Stage) -> usize {
    let phones = stage.texts.recipients().len() + stage.whatsapps.recipients().len();
    stage.mails.recipients().len() + phones + stage.pushes.recipients().len() + stage.calls.recipients().len()
}

/// The providers that the ledger names.
fn providers(stage: &Stage, consumer: &str, id: EventId) -> BTreeSet<Option<String>> {
    stage.ledger(consumer, id).steps.into_values().map(|step| step.provider).collect()
}

/// The consumers that have a provider: those of the router but for the workflows.
fn consumers(stage: &Stage) -> Vec<&'static str> {
    let all = stage.router.as_ref().unwrap().consumers().map(|consumer| consumer.name());
    all.filter(|name| !name.starts_with("workflow")).collect()
}

#[test]
fn no_channel_sends_anything_of_a_load_test_and_the_ledger_names_the_sink() {
    let channels = consumers(&Stage::new());
    assert!(channels.len() >= 5, "{channels:?}");
    for channel in channels {
        let stage = stage(channel);
        let real = deliver(&stage, channel, assigned("ada"), Some("somebody/else"));
        assert_eq!(sent(&stage), 1, "{channel} sends what is no load test");
        let id = deliver(&stage, channel, assigned("ada"), OF_LOAD);
        assert_eq!(sent(&stage), 1, "{channel} sends what is a load test");
        assert_eq!(providers(&stage, channel, id), BTreeSet::from([Some(LOAD_SINK.to_owned())]), "{channel}");
        assert!(!providers(&stage, channel, real).contains(&Some(LOAD_SINK.to_owned())), "{channel}");
        let taken = stage.world.sunk.keys();
        let key = format!("{channel}/{id}/");
        assert!(
            matches!(&taken[..], [(consumer, taken)] if consumer == channel && taken.starts_with(&key)),
            "{taken:?}"
        );
    }
}

#[test]
fn a_provider_that_is_down_does_not_hinder_a_load_test() {
    let stage = stage("email");
    stage.mails.answer("ada@example.org", SendOutcome::NotSent(NotSent::Permanent { reason: "no".into() }));
    let id = deliver(&stage, "email", assigned("ada"), OF_LOAD);
    assert_eq!(stage.step("email", id, "ada"), (StepState::Done, None));
}

#[test]
fn the_second_channel_of_a_chain_does_not_wait_for_news_of_the_sink() {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery_of(assigned("ada"), OF_LOAD);
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some("told by sms".into())));
    assert_eq!(sent(&stage), 0);
}

#[test]
fn the_run_that_a_load_test_starts_says_so_by_its_name() {
    let stage = Stage::new();
    let plain = started(&stage, None);
    let of_load = started(&stage, OF_LOAD);
    assert!(!plain.starts_with("load_") && of_load.starts_with("load_"), "{plain} {of_load}");
    assert_eq!(crate::run_correlation(&of_load), format!("load/{of_load}"));
    assert_eq!(crate::run_correlation(&plain), plain);
}

fn started(stage: &Stage, correlation: Option<&str>) -> String {
    super::workflow::publish(stage, 3, &json!([{ "submission": "created" }]), &["created"]);
    let id = deliver(stage, crate::WORKFLOW_KICKOFF, submitted(), correlation);
    let steps = stage.ledger(crate::WORKFLOW_KICKOFF, id).steps;
    steps.into_values().find_map(|step| step.provider_id).unwrap()
}
