//! What a consumer does with a body before any handler sees it.

use std::sync::Arc;

use futures::executor::block_on;
use sendoff_events::{AnyEnvelope, AppAssigned, DecodeError};

use crate::{
    Class, Consumer, Limits, Policy, Verdict,
    handler::{AnyHandler, Job},
    handlers::doubles::World,
};

/// Its event type's own code, an upcaster say, panics.
struct BadUpcaster;

impl AnyHandler for BadUpcaster {
    fn event_name(&self) -> &'static str {
        "app.assigned"
    }

    fn policy(&self) -> Policy {
        Policy::DEFAULT
    }

    fn prepare(&self, _: AnyEnvelope<'_>) -> Result<Job<'_>, DecodeError> {
        panic!("index out of bounds")
    }
}

#[test]
fn a_body_whose_decoding_panics_is_dead_lettered_and_the_worker_goes_on() {
    let world = World::new();
    let mut consumer = Consumer::new("careless", world.ports());
    assert!(consumer.add(Arc::new(BadUpcaster)));
    let id = |text: &str| text.parse().unwrap();
    let event = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("ada"), assigned_by: id("root") };
    let (delivery, _) = world.delivery(event);
    let Verdict::DeadLetter(failure) = block_on(consumer.process(&delivery, &Limits::none())) else {
        panic!("it can't be handled")
    };
    assert_eq!((failure.reason.as_str(), failure.class), ("bad-data", Class::Undecodable));
    assert_eq!(failure.error, "decoding it panicked: index out of bounds");
}
