//! What is known from memory doesn't outvote what its user has said since.

use sendoff_events::Timestamp;
use sendoff_producers::model::{Channel, Suppression, SuppressionReason, suppression_key};
use serde_json::{json, to_value};

use super::{Stage, assigned, done};
use crate::{StepState, cache::CacheSettings, handlers::tests::chain};

const PHONE: &str = "+4930123456";
const ALL: &[&str] = &["users", "apps", "suppressions"];

/// A stage whose handlers remember suppressions as well, and that they have looked Ada up a moment ago.
fn stage(channel: &str) -> Stage {
    let settings = CacheSettings { collections: ALL, ..CacheSettings::default() };
    let stage = Stage::remembering_as(chain(&format!(r#"["{channel}"]"#)), settings);
    stage.reachable("ada");
    let (verdict, _, _) = stage.deliver(channel, assigned("ada"));
    assert_eq!(verdict, done());
    stage
}

fn sent(stage: &Stage) -> usize {
    stage.texts.recipients().len()
        + stage.whatsapps.recipients().len()
        + stage.mails.recipients().len()
        + stage.pushes.recipients().len()
}

#[test]
fn a_stop_counts_at_once() {
    for (channel, address) in [(Channel::Sms, PHONE), (Channel::Whatsapp, PHONE), (Channel::Email, "ada@example.org")] {
        let stage = stage(channel.name());
        let stopped = Suppression::new(SuppressionReason::Stopped, Timestamp::UNIX_EPOCH, "fake");
        stage.world.records.put(suppression_key(channel, address), to_value(stopped).unwrap());
        let (verdict, _, id) = stage.deliver(channel.name(), assigned("ada"));
        assert_eq!(verdict, done(), "{channel:?}");
        let why = "the address is suppressed: stopped".to_owned();
        assert_eq!(stage.step(channel.name(), id, "ada"), (StepState::Skipped, Some(why)));
        assert_eq!(sent(&stage), 1, "{channel:?}");
    }
}

#[test]
fn an_opt_out_and_a_new_number_count_at_once() {
    for channel in Channel::ALL {
        let stage = stage(channel.name());
        let off = json!({ channel.name(): false });
        stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "phone": PHONE, "channels": off }));
        let (verdict, _, id) = stage.deliver(channel.name(), assigned("ada"));
        assert_eq!(verdict, done(), "{channel:?}");
        let why = format!("the user has turned {} off", channel.name());
        assert_eq!(stage.step(channel.name(), id, "ada"), (StepState::Skipped, Some(why)));
        assert_eq!(sent(&stage), 1, "{channel:?}");
    }
    let stage = stage("sms");
    stage.user("ada", json!({ "name": "Ada", "phone": "+4930999999" }));
    assert_eq!(stage.deliver("sms", assigned("ada")).0, done());
    assert_eq!(stage.texts.recipients(), [PHONE, "+4930999999"]);
}
