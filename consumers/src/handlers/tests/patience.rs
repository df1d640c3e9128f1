//! How long a channel waits for one before it.

use sendoff_events::EventId;

use super::{Stage, assigned, chain, done, put_off, reason};
use crate::{Delivery, DeliveryStatus, NotSent, REPLAY_ATTRIBUTE, SendOutcome, StepState, Verdict};

const HOUR: u64 = 3600;

fn stage() -> (Stage, Delivery, EventId) {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    (stage, delivery, id)
}

#[test]
fn after_an_outage_of_two_days_nobody_gives_up_and_one_message_goes_out() {
    let (stage, delivery, id) = stage();
    stage.forward(48 * HOUR);
    assert_eq!(put_off(&stage.process("email", &delivery)), 2, "sms may be just about to begin");
    assert_eq!(stage.process("sms", &delivery), done());
    stage.tell("sms", id, "ada", DeliveryStatus::Delivered);
    stage.forward(2);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some("told by sms".into())));
    assert_eq!((stage.texts.recipients().len(), stage.mails.recipients()), (1, vec![]));
}

#[test]
fn a_channel_that_is_still_being_worked_on_is_waited_for_and_one_that_is_left_is_not() {
    let (stage, delivery, _) = stage();
    for _ in 0..3 {
        let down = SendOutcome::NotSent(NotSent::Unavailable { after: None, reason: "down".into() });
        stage.texts.answer("+4930123456", down);
        assert!(matches!(stage.process("sms", &delivery), Verdict::Snooze { pause: true, .. }));
        assert!(matches!(stage.process("email", &delivery), Verdict::Snooze { .. }));
        stage.forward(23 * HOUR);
    }
    assert_eq!(put_off(&stage.process("email", &delivery)), 900);
    stage.forward(HOUR);
    assert_eq!(reason(stage.process("email", &delivery)), "no-news-of-earlier-channel");
}

#[test]
fn a_replay_has_as_much_patience_as_the_first_delivery() {
    let (stage, mut delivery, id) = stage();
    assert_eq!(put_off(&stage.process("email", &delivery)), 2);
    stage.forward(24 * HOUR);
    assert_eq!(reason(stage.process("email", &delivery)), "no-news-of-earlier-channel");
    for replay in ["1", "2"] {
        stage.forward(72 * HOUR);
        delivery.attributes.insert(REPLAY_ATTRIBUTE.into(), replay.into());
        assert_eq!(put_off(&stage.process("email", &delivery)), 2, "replay {replay}");
        stage.forward(23 * HOUR);
        assert_eq!(put_off(&stage.process("email", &delivery)), 900, "replay {replay}");
        stage.forward(HOUR);
        assert_eq!(reason(stage.process("email", &delivery)), "no-news-of-earlier-channel", "replay {replay}");
    }
    delivery.attributes.insert(REPLAY_ATTRIBUTE.into(), "3".into());
    assert_eq!(stage.process("sms", &delivery), done());
    stage.tell("sms", id, "ada", DeliveryStatus::Delivered);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!((stage.texts.recipients().len(), stage.mails.recipients()), (1, vec![]));
}
