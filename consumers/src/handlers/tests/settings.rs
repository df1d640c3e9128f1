//! What a deployment's own rules change.

use serde_json::json;

use super::{Play, Stage, assigned, done, put_off};
use crate::{StepState, routing::Routing, templates::Templates};

fn playing(grace: &str, urgent: bool) -> Stage {
    let text = json!({ "grace": grace, "events": { "app.assigned": [{
        "to": "assignee", "template": "app-assigned", "channels": [["sms", "email"]], "urgent": urgent,
    }] } });
    let routing = Routing::parse(&text.to_string(), &Templates::standard().unwrap()).unwrap();
    let stage = Stage::playing(Play { routing, ..Play::default() });
    stage.user(
        "ada",
        json!({
            "name": "Ada", "email": "ada@example.org", "phone": "+4930123456",
            "time_zone": "UTC", "quiet_hours": { "from": "11:00", "to": "14:00" },
        }),
    );
    stage
}

#[test]
fn what_is_urgent_does_not_wait_for_the_end_of_quiet_hours() {
    let stage = playing("60s", true);
    assert_eq!(stage.deliver("sms", assigned("ada")).0, done());
    assert_eq!(stage.texts.recipients(), ["+4930123456"]);
    let stage = playing("60s", false);
    assert_eq!(put_off(&stage.deliver("sms", assigned("ada")).0), 7200);
    assert_eq!(stage.texts.recipients(), [""; 0]);
}

#[test]
fn without_a_grace_a_later_channel_is_left_out_as_soon_as_the_earlier_one_has_sent() {
    for (grace, waits) in [("0s", None), ("5m", Some(300))] {
        let stage = playing(grace, true);
        let (verdict, delivery, id) = stage.deliver("sms", assigned("ada"));
        assert_eq!(verdict, done());
        let verdict = stage.process("email", &delivery);
        match waits {
            Some(seconds) => assert_eq!(put_off(&verdict), seconds),
            None => {
                assert_eq!(verdict, done());
                assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some("told by sms".into())));
            }
        }
    }
}
