//! What is refused, and told.

use std::time::Duration;

use sendoff_consumers::{Context, Handler, HandlerError, Router, RouterError, RouterPorts, Stop};
use sendoff_events::{AppAssigned, Envelope};

use super::rig::{LEASE, Rig, sent};

#[test]
fn the_same_id_with_another_body_is_refused() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let other = String::from_utf8(body.to_vec()).unwrap().replace("\"crm\"", "\"erp\"");
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    rig.push(other.into(), None);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["idempotency-mismatch"]);
    assert_eq!(rig.sends().len(), 2);
}

#[test]
fn a_message_older_than_the_inbox_remembers_is_parked_and_not_run() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(RouterPorts::KEEP);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["too-old"]);
    assert!(rig.sends().is_empty());
}

#[test]
fn two_handlers_for_one_event_under_one_name_are_refused_at_start() {
    let rig = Rig::new(|_, _| sent());
    let router = Router::new(rig.ports()).with(rig.handler()).unwrap();
    let error = router.with(rig.handler()).err();
    assert_eq!(error, Some(RouterError::Duplicate { consumer: "scripted", event: "app.assigned" }));
}

#[test]
fn a_handler_cannot_take_the_name_of_a_dead_letter_queue() {
    struct Thief;

    impl Handler for Thief {
        type Event = AppAssigned;
        const NAME: &'static str = "email-dlq";

        async fn handle(&self, _: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
            Ok(())
        }
    }

    let rig = Rig::new(|_, _| sent());
    assert_eq!(Router::new(rig.ports()).with(Thief).err(), Some(RouterError::BadName("email-dlq")));
}
