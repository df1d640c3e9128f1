//! What a channel does for a user: a table, and what holds for any user.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sendoff_events::Timestamp;
use sendoff_producers::model::{
    Channel::{self, Email, Push, Sms, Whatsapp},
    SuppressionReason, User,
};
use serde_json::{Value, json};

use super::{Case, Contact, Decision, Earlier, contact, decide};

const CHAIN: [Channel; 3] = [Whatsapp, Sms, Email];
const NIGHT: &str = "2026-11-24T23:00:00Z";
const DAY: &str = "2026-11-24T12:00:00Z";
const MORNING: &str = "2026-11-25T07:00:00Z";

fn ada(change: Value) -> User {
    let mut ada = json!({
        "name": "Ada", "email": "ada@example.org", "phone": "+4930123456", "push_tokens": ["token-1"],
        "quiet_hours": { "from": "22:00", "to": "07:00" },
    });
    for (name, value) in change.as_object().unwrap() {
        ada[name] = value.clone();
    }
    serde_json::from_value(ada).unwrap()
}

struct Scene {
    user: User,
    on: BTreeSet<Channel>,
    suppressed: BTreeMap<Channel, SuppressionReason>,
    urgent: bool,
}

impl Scene {
    fn of(change: Value) -> Self {
        let on = BTreeSet::from(Channel::ALL);
        Self { user: ada(change), on, suppressed: BTreeMap::new(), urgent: false }
    }

    fn decide(&self, channel: Channel, chain: &[Channel], now: &str) -> Decision {
        let Self { user, on, suppressed, urgent } = self;
        let now = now.parse().unwrap();
        decide(&Case { channel, chain, urgent: *urgent, event: "app.assigned", on, user, suppressed, now }).unwrap()
    }
}

fn skip(why: &'static str) -> Decision {
    Decision::Skip(why.into())
}

fn after(able: &[Channel], held_until: Option<&str>) -> Decision {
    before(able, &[], held_until)
}

/// After these of the chain, of which some are hindered.
fn before(all: &[Channel], hindered: &[Channel], held_until: Option<&str>) -> Decision {
    let earlier = all.iter().map(|channel| Earlier { channel: *channel, hindered: hindered.contains(channel) });
    Decision::After { earlier: earlier.collect(), held_until: held_until.map(|moment| moment.parse().unwrap()) }
}

fn later(moment: &str) -> Decision {
    Decision::Later(moment.parse().unwrap())
}

#[test]
fn the_first_of_a_chain_sends_and_the_others_come_after_those_that_can_reach_the_user() {
    let scene = Scene::of(json!({}));
    assert_eq!(scene.decide(Whatsapp, &CHAIN, DAY), Decision::Send);
    assert_eq!(scene.decide(Sms, &CHAIN, DAY), after(&[Whatsapp], None));
    assert_eq!(scene.decide(Email, &CHAIN, DAY), after(&[Whatsapp, Sms], None));
    assert_eq!(scene.decide(Push, &[Push], DAY), Decision::Send);
    // Whoever can't be reached by an earlier channel isn't waited for there; but it may have told them while they could.
    for (change, hindered) in [
        (json!({ "channels": { "whatsapp": false } }), &[Whatsapp][..]),
        (json!({ "events": { "app.assigned": { "sms": false } } }), &[Sms]),
        (json!({ "phone": "0301234" }), &[Whatsapp, Sms]),
        (json!({ "phone": null }), &[Whatsapp, Sms]),
    ] {
        let expected = before(&[Whatsapp, Sms], hindered, None);
        assert_eq!(Scene::of(change.clone()).decide(Email, &CHAIN, DAY), expected, "{change}");
    }
    let mut scene = Scene::of(json!({}));
    scene.on.remove(&Whatsapp);
    scene.suppressed.insert(Sms, SuppressionReason::Stopped);
    assert_eq!(scene.decide(Email, &CHAIN, DAY), before(&[Whatsapp, Sms], &[Whatsapp, Sms], None));
}

#[test]
fn whoever_can_not_be_reached_has_the_reason() {
    for (channel, change, why) in [
        (Email, json!({ "channels": { "email": false } }), "the user has turned email off"),
        (Sms, json!({ "events": { "app.assigned": { "sms": false } } }), "the user has turned sms off"),
        (Email, json!({ "email": null }), "the user has no email address"),
        (Email, json!({ "email": "ada@example.org\r\nBcc: eve@example.org" }), "the user's email address is not valid"),
        (Sms, json!({ "phone": null }), "the user has no phone number"),
        (Whatsapp, json!({ "phone": "030 1234" }), "the user's phone number is not valid"),
        (Push, json!({ "push_tokens": [] }), "the user has no device for push messages"),
        (Push, json!({ "push_tokens": ["a b", ""] }), "the registration of the user's device is not valid"),
    ] {
        assert_eq!(Scene::of(change.clone()).decide(channel, &[channel], DAY), skip(why), "{channel:?} {change}");
    }
    let mut scene = Scene::of(json!({}));
    for (reason, why) in [
        (SuppressionReason::Stopped, "the address is suppressed: stopped"),
        (SuppressionReason::Bounced, "the address is suppressed: bounced"),
        (SuppressionReason::Complained, "the address is suppressed: complained"),
    ] {
        scene.suppressed.insert(Sms, reason);
        assert_eq!(scene.decide(Sms, &CHAIN, DAY), skip(why));
    }
    scene.on.remove(&Sms);
    assert_eq!(scene.decide(Sms, &CHAIN, DAY), skip("the channel is off here"));
}

#[test]
fn a_wish_for_one_kind_of_event_goes_before_the_one_for_the_channel() {
    let wants = json!({ "channels": { "sms": false }, "events": { "app.assigned": { "sms": true } } });
    assert_eq!(Scene::of(wants).decide(Sms, &[Sms], DAY), Decision::Send);
    let other = json!({ "channels": { "sms": false }, "events": { "submission.created": { "sms": true } } });
    assert_eq!(Scene::of(other).decide(Sms, &[Sms], DAY), skip("the user has turned sms off"));
}

#[test]
fn quiet_hours_hold_what_makes_a_noise_unless_it_is_urgent() {
    let mut scene = Scene::of(json!({}));
    for channel in [Sms, Whatsapp, Push] {
        assert_eq!(scene.decide(channel, &[channel], NIGHT), later(MORNING), "{channel:?}");
    }
    assert_eq!(scene.decide(Email, &[Email], NIGHT), Decision::Send);
    assert_eq!(scene.decide(Sms, &CHAIN, NIGHT), later(MORNING));
    assert_eq!(scene.decide(Email, &CHAIN, NIGHT), after(&[Whatsapp, Sms], Some(MORNING)));
    scene.urgent = true;
    assert_eq!(scene.decide(Sms, &[Sms], NIGHT), Decision::Send);
    assert_eq!(scene.decide(Email, &CHAIN, NIGHT), after(&[Whatsapp, Sms], None));
}

#[test]
fn damaged_quiet_hours_matter_only_to_what_they_hold() {
    let scene = Scene::of(json!({ "quiet_hours": { "from": "late", "to": "early" } }));
    let Scene { user, on, suppressed, .. } = &scene;
    let case = |channel, urgent| {
        let now = DAY.parse().unwrap();
        decide(&Case { channel, chain: &[channel], urgent, event: "app.assigned", on, user, suppressed, now })
    };
    assert!(case(Sms, false).is_err());
    assert_eq!(case(Sms, true), Ok(Decision::Send));
    assert_eq!(case(Email, false), Ok(Decision::Send));
}

#[test]
fn devices_with_a_good_registration_are_reached_and_contacts_are_not_printed() {
    let user = ada(json!({ "push_tokens": ["bad token", "token-2"] }));
    let Ok(Contact::Devices(devices)) = contact(&user, Push) else { panic!("not reached") };
    assert_eq!(devices.iter().map(|token| token.expose().as_str()).collect::<Vec<_>>(), ["token-2"]);
    for channel in Channel::ALL {
        let shown = format!("{:?}", contact(&user, channel).unwrap());
        assert!(!shown.contains("example") && !shown.contains("493") && !shown.contains("token"), "{shown}");
    }
}

fn channels() -> impl Strategy<Value = BTreeSet<Channel>> {
    prop::collection::btree_set(prop::sample::select(&Channel::ALL[..]), 0..=4)
}

proptest! {
    /// Whatever rules, wishes, contacts and suppressions there are: of each chain exactly one channel begins, the first that can
    /// reach the user; all that come after it know of it, and of those that can't; the rest says why not.
    #[test]
    fn exactly_one_channel_of_a_chain_begins_if_any_can_reach_the_user(
        chain in Just(Channel::ALL.to_vec()).prop_shuffle(),
        length in 1..=4_usize,
        on in channels(),
        off in channels(),
        suppressed in channels(),
        (email, phone, device) in any::<(bool, bool, bool)>(),
        second in 0..100_000_i64,
    ) {
        let chain = &chain[..length];
        let off: serde_json::Map<String, Value> = off.iter().map(|c| (c.name().to_owned(), json!(false))).collect();
        let mut change = json!({ "channels": off, "quiet_hours": null });
        if !email { change["email"] = Value::Null; }
        if !phone { change["phone"] = Value::Null; }
        if !device { change["push_tokens"] = json!([]); }
        let suppressed = suppressed.into_iter().map(|channel| (channel, SuppressionReason::Stopped)).collect();
        let (user, now) = (ada(change), Timestamp::from_second(second).unwrap());
        let decided: Vec<_> = chain
            .iter()
            .map(|channel| {
                let (channel, on, user, suppressed) = (*channel, &on, &user, &suppressed);
                let case = Case { channel, chain, urgent: false, event: "app.assigned", on, user, suppressed, now };
                (channel, decide(&case).unwrap())
            })
            .collect();
        let mut able = Vec::new();
        for (channel, decision) in decided {
            match decision {
                Decision::Skip(why) => prop_assert!(!why.is_empty()),
                Decision::Send => {
                    prop_assert_eq!(channel, chain[0]);
                    able.push(channel);
                }
                Decision::After { earlier, held_until } => {
                    let before: Vec<_> = earlier.iter().filter(|e| !e.hindered).map(|e| e.channel).collect();
                    prop_assert_eq!(&before, &able);
                    let all: Vec<_> = earlier.iter().map(|e| e.channel).collect();
                    prop_assert_eq!(&all, &chain[..earlier.len()]);
                    prop_assert_eq!(chain[earlier.len()], channel);
                    prop_assert_eq!(held_until, None);
                    able.push(channel);
                }
                Decision::Later(_) => prop_assert!(false, "nobody has quiet hours"),
            }
        }
        let can = |channel: &Channel| {
            let has = match channel { Email => email, Sms | Whatsapp => phone, Push => device };
            has && on.contains(channel) && user.wants(*channel, "app.assigned") && !suppressed.contains_key(channel)
        };
        prop_assert_eq!(able, chain.iter().copied().filter(can).collect::<Vec<_>>());
    }
}
