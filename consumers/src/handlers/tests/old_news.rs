//! News of an earlier attempt at a message that was sent once more.

use sendoff_producers::model::Channel;

use super::{Stage, assigned, chain, done, put_off};
use crate::{DeliveryStatus, NotSent, SendOutcome, StepState};

#[test]
fn bad_news_of_an_earlier_attempt_say_nothing_of_the_message_that_was_replayed() {
    for (seconds_since, counts) in [(30, true), (3600, false)] {
        let stage = Stage::playing(chain(r#"["sms", "email"]"#));
        stage.reachable("ada");
        let (delivery, id) = stage.world.delivery(assigned("ada"));
        let gone = SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() });
        stage.texts.answer("+4930123456", gone);
        let _ = stage.process("sms", &delivery);
        stage.tell(Channel::Sms.name(), id, "ada", DeliveryStatus::Undelivered);
        stage.forward(seconds_since);
        assert_eq!(stage.process("sms", &delivery), done());
        assert_eq!(stage.step("sms", id, "ada").0, StepState::Done);
        if counts {
            // Clocks differ, and news may be faster than the answer that they are about.
            assert_eq!(stage.process("email", &delivery), done());
            assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
        } else {
            assert_eq!(put_off(&stage.process("email", &delivery)), 60, "there may be news of this attempt");
            stage.forward(60);
            assert_eq!(stage.process("email", &delivery), done());
            assert_eq!(stage.step("email", id, "ada").1.as_deref(), Some("told by sms"));
        }
    }
}
