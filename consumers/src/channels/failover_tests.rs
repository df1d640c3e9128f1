use futures::executor::block_on;

use super::*;
use crate::channels::scripted::{Scripted, doubt, gone, permanent, sent, throttled, transient, unavailable, unknown};

struct World {
    first: Arc<Scripted>,
    second: Arc<Scripted>,
    both: Failover<u32>,
}

fn world() -> World {
    let (first, second) = (Scripted::new("twilio"), Scripted::new("meta"));
    let both = Failover::new(vec![first.clone() as Arc<dyn Provider<u32>>, second.clone()]).unwrap();
    World { first, second, both }
}

impl World {
    fn send(&self, doubt: Option<&Doubt>) -> SendOutcome {
        block_on(self.both.send(&7, doubt))
    }

    fn asked(&self) -> (usize, usize) {
        (self.first.count(), self.second.count())
    }
}

#[test]
fn a_provider_that_definitely_did_not_send_is_followed_by_the_next_one() {
    for outcome in [throttled(None), unavailable(Some(9)), transient()] {
        let world = world();
        world.first.answer(outcome);
        assert_eq!(world.send(None), sent(Some("meta")));
        assert_eq!(world.asked(), (1, 1));
    }
}

#[test]
fn nobody_else_is_asked_once_a_provider_may_have_sent_or_has_refused_for_good() {
    let said = |outcome| match outcome {
        SendOutcome::Unknown { reason, .. } => SendOutcome::Unknown { provider: Some("twilio".into()), reason },
        SendOutcome::Sent { .. } => sent(Some("twilio")),
        other => other,
    };
    let skipped = SendOutcome::Skipped { reason: "nothing to say".into() };
    for outcome in [unknown(), permanent(), gone(), sent(None), skipped] {
        let world = world();
        world.first.answer(outcome.clone());
        assert_eq!(world.send(None), said(outcome));
        assert_eq!(world.asked(), (1, 0));
    }
}

#[test]
fn a_doubt_keeps_the_message_with_the_provider_that_it_is_against() {
    for outcome in [sent(None), throttled(None), unavailable(None), transient(), unknown()] {
        let world = world();
        world.second.answer(outcome);
        world.send(Some(&doubt(Some("meta"))));
        assert_eq!(world.asked(), (0, 1));
    }
}

#[test]
fn a_doubt_against_somebody_unknown_leaves_the_first_provider_alone_with_the_message() {
    for against in [None, Some("sold")] {
        let world = world();
        world.first.answer(unavailable(None));
        assert_eq!(world.send(Some(&doubt(against))), unavailable(None));
        assert_eq!(world.asked(), (1, 0));
    }
}

#[test]
fn when_none_has_sent_the_answer_is_the_one_that_costs_least() {
    for (first, second, answer) in [
        (throttled(Some(9)), throttled(Some(3)), throttled(Some(3))),
        (throttled(None), throttled(Some(3)), throttled(Some(3))),
        (throttled(Some(9)), unavailable(Some(1)), throttled(Some(9))),
        (throttled(None), transient(), throttled(None)),
        (unavailable(Some(1)), transient(), transient()),
        (unavailable(Some(9)), unavailable(Some(3)), unavailable(Some(3))),
        (unavailable(None), unavailable(Some(3)), unavailable(Some(3))),
        (transient(), permanent(), permanent()),
    ] {
        for (a, b) in [(first.clone(), second.clone()), (second, first)] {
            // A refusal for good ends it where it comes.
            if a == permanent() {
                continue;
            }
            let world = world();
            world.first.answer(a);
            world.second.answer(b);
            assert_eq!(world.send(None), answer);
        }
    }
}

#[test]
fn a_doubt_is_settled_by_the_provider_that_it_is_against() {
    let not_sent = || Found::NotSent { reason: "not in the list".into() };
    let world = world();
    world.first.finds(not_sent());
    world.second.finds(Found::Sent { provider: None, provider_id: Some("wamid".into()) });
    let found = |against| block_on(world.both.find(&7, &doubt(against)));
    assert_eq!(found(Some("twilio")), Found::NotSent { reason: "twilio: not in the list".into() });
    let by_meta = Found::Sent { provider: Some("meta".into()), provider_id: Some("wamid".into()) };
    assert_eq!(found(Some("meta")), by_meta);
    assert_eq!(found(None), by_meta, "nobody knows against whom it is, so all are asked");
    assert_eq!(found(Some("sold")), Found::CannotTell);
}

#[test]
fn a_doubt_against_somebody_unknown_is_settled_only_when_all_are_sure() {
    let not_sent = || Found::NotSent { reason: "no".into() };
    let failed = || Found::Failed { reason: "undelivered".into() };
    let neither = Found::NotSent { reason: "twilio: no; meta: no".into() };
    for (first, second, together) in [
        (not_sent(), Found::CannotTell, Found::CannotTell),
        (Found::CannotTell, not_sent(), Found::CannotTell),
        (failed(), Found::CannotTell, Found::CannotTell),
        (not_sent(), failed(), failed()),
        (not_sent(), not_sent(), neither),
    ] {
        let world = world();
        world.first.finds(first);
        world.second.finds(second);
        assert_eq!(block_on(world.both.find(&7, &doubt(None))), together);
    }
}

#[test]
fn providers_that_cannot_stand_in_for_each_other_are_refused() {
    assert_eq!(Failover::<u32>::new(Vec::new()).unwrap_err(), FailoverError::Empty);
    let twice: Vec<Arc<dyn Provider<u32>>> = vec![Scripted::new("smtp"), Scripted::new("smtp")];
    assert_eq!(Failover::new(twice).unwrap_err(), FailoverError::SameName("smtp"));
}
