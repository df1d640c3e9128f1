use std::sync::Mutex;

use futures::{FutureExt as _, executor::block_on};

use super::*;
use crate::{
    MemoryRates, RatesError,
    channels::scripted::{Scripted, permanent, sent, throttled, transient, unavailable, unknown},
    handlers::doubles::{Counting, SetClock},
};

const SECOND: Duration = Duration::from_secs(1);

struct World {
    clock: Arc<SetClock>,
    provider: Arc<Scripted>,
    guarded: Guarded<u32>,
}

fn world(with: impl FnOnce(Guarded<u32>) -> Guarded<u32>) -> World {
    let (clock, provider) = (SetClock::new(), Scripted::new("twilio"));
    let guarded = Guarded::new(provider.clone(), clock.clone(), Arc::<Counting>::default());
    World { clock, provider, guarded: with(guarded) }
}

impl World {
    fn send(&self, message: u32) -> SendOutcome {
        block_on(self.guarded.send(&message, None))
    }

    /// What is left of the pause while the provider isn't used.
    fn pause(&self) -> Duration {
        let before = self.provider.count();
        let outcome = self.send(0);
        assert_eq!(self.provider.count(), before, "the provider must not be asked");
        let SendOutcome::NotSent(NotSent::Unavailable { after: Some(after), reason }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.starts_with("twilio is not used for a while: "), "{reason}");
        after
    }

    fn wait(&self, message: u32) -> Duration {
        let outcome = self.send(message);
        let SendOutcome::NotSent(NotSent::NotYet { after, .. }) = outcome else { panic!("{outcome:?}") };
        after
    }
}

#[test]
fn what_says_nothing_about_the_provider_passes_through_and_is_signed() {
    let world = world(|guarded| guarded);
    for (outcome, seen) in [
        (sent(None), sent(Some("twilio"))),
        (permanent(), permanent()),
        (transient(), transient()),
        (throttled(None), throttled(None)),
        (unknown(), SendOutcome::Unknown { provider: Some("twilio".into()), reason: "no answer".into() }),
    ] {
        world.provider.answer(outcome);
        assert_eq!(world.send(1), seen);
        assert_eq!(world.guarded.state(), CircuitState::Closed);
    }
}

#[test]
fn another_name_stands_in_outcomes_and_in_the_reason_of_a_pause() {
    let world = world(|guarded| guarded.named("smtp-fallback"));
    assert_eq!(world.guarded.name(), "smtp-fallback");
    world.provider.answer(sent(Some("twilio")));
    assert_eq!(world.send(1), sent(Some("smtp-fallback")));
}

#[test]
fn a_provider_that_cannot_be_used_is_left_alone_and_then_asked_by_one_message() {
    let world = world(|guarded| guarded);
    world.provider.answer(unavailable(None));
    let SendOutcome::NotSent(NotSent::Unavailable { after: Some(first), .. }) = world.send(1) else { panic!() };
    assert!((SECOND / 2..=SECOND).contains(&first), "{first:?}");
    assert_eq!(world.pause(), first);
    world.clock.forward(first);
    assert_eq!(world.guarded.state(), CircuitState::HalfOpen);

    // One message tries, and nobody else while it does.
    world.provider.hang();
    let mut probe = world.guarded.send(&2, None);
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(world.pause(), SECOND);
    // It is given up: that is an unknown outcome, so the pause is twice as long.
    drop(probe);
    let second = world.pause();
    assert!((SECOND..=2 * SECOND).contains(&second), "{second:?}");

    // A definite answer, whatever it is, puts the provider back to use.
    world.clock.forward(second);
    world.provider.answer(permanent());
    assert_eq!(world.send(3), permanent());
    assert_eq!(world.guarded.state(), CircuitState::Closed);
    assert_eq!(world.send(4), sent(Some("twilio")));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_a_provider_for_as_long_as_it_was_ahead() {
    const AHEAD: Duration = Duration::from_secs(7200);
    let world = world(|guarded| guarded);
    world.provider.answer(unavailable(None));
    world.send(1);
    world.pause();
    *world.clock.0.lock().unwrap() -= AHEAD;
    assert_eq!(world.send(2), sent(Some("twilio")), "it is asked");

    world.clock.forward(AHEAD);
    world.provider.answer(throttled(Some(1)));
    world.send(3);
    assert!(world.wait(4) <= 2 * SECOND);
    *world.clock.0.lock().unwrap() -= AHEAD;
    assert_eq!(world.send(5), sent(Some("twilio")));
}

#[test]
fn pauses_double_up_to_five_minutes_and_begin_anew_after_an_answer() {
    let world = world(|guarded| guarded);
    for ceiling in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        world.provider.answer(unavailable(None));
        world.send(1);
        let pause = world.pause();
        let ceiling = Duration::from_secs(ceiling);
        assert!((ceiling / 2..=ceiling).contains(&pause), "{pause:?} of {ceiling:?}");
        world.clock.forward(pause);
    }
    assert_eq!(world.send(1), sent(Some("twilio")));
    world.provider.answer(unavailable(None));
    world.send(1);
    assert!(world.pause() <= SECOND);
}

#[test]
fn a_provider_says_itself_how_long_it_wants_to_be_left_alone_but_not_for_ever() {
    for (said, pause) in [(60, 60), (24 * 3600, 900)] {
        let world = world(|guarded| guarded);
        world.provider.answer(unavailable(Some(said)));
        assert_eq!(world.send(1), unavailable(Some(pause)));
        assert_eq!(world.pause(), Duration::from_secs(pause));
    }
}

#[test]
fn five_unknown_outcomes_in_a_row_stop_the_making_of_doubts() {
    let world = world(|guarded| guarded);
    for _ in 0..2 {
        for _ in 0..4 {
            world.provider.answer(unknown());
            world.send(1);
        }
        assert_eq!(world.send(1), sent(Some("twilio")), "an answer in between begins the count anew");
    }
    for _ in 0..5 {
        world.provider.answer(unknown());
        assert!(matches!(world.send(1), SendOutcome::Unknown { .. }));
    }
    world.pause();
}

#[test]
fn deadlines_that_pass_while_the_provider_is_asked_count_as_unknown_outcomes() {
    let world = world(|guarded| guarded);
    for _ in 0..5 {
        world.provider.hang();
        assert!(world.guarded.send(&1, None).now_or_never().is_none());
    }
    world.pause();
}

#[test]
fn what_becomes_of_messages_that_were_under_way_when_it_opened_changes_nothing() {
    let world = world(|guarded| guarded);
    world.provider.hang();
    world.provider.answer(unavailable(Some(60)));
    let mut late = world.guarded.send(&1, None);
    assert!(late.as_mut().now_or_never().is_none());
    world.send(2);
    drop(late);
    assert_eq!(world.pause(), 60 * SECOND);
}

#[test]
fn the_reason_of_a_pause_holds_no_personal_data() {
    let world = world(|guarded| guarded);
    world.provider.answer(unavailable(Some(60)));
    world.send(1);
    let SendOutcome::NotSent(NotSent::Unavailable { reason, .. }) = world.send(2) else { panic!() };
    assert_eq!(reason, "twilio is not used for a while: 401 for <phone>");
}

#[test]
fn a_doubt_is_not_looked_into_while_the_provider_is_not_used() {
    let world = world(|guarded| guarded);
    world.provider.finds(Found::Sent { provider: None, provider_id: None });
    let doubt = crate::channels::scripted::doubt(None);
    let found = || block_on(world.guarded.find(&1, &doubt));
    assert_eq!(found(), Found::Sent { provider: Some("twilio".into()), provider_id: None });
    world.provider.answer(unavailable(Some(60)));
    world.send(1);
    assert_eq!(found(), Found::CannotTell);
}

fn limited(burst: u32) -> World {
    let rate = Rate { interval: SECOND, burst };
    world(|guarded| guarded.limited(Arc::new(MemoryRates::new()), rate))
}

#[test]
fn messages_beyond_the_rate_wait_and_each_is_given_a_turn_of_its_own() {
    let world = limited(2);
    world.send(1);
    world.send(2);
    let waits: Vec<Duration> = (3..8).map(|message| world.wait(message)).collect();
    assert_eq!(world.provider.count(), 2);
    for (i, wait) in (1..).zip(&waits) {
        assert!((i * SECOND..=(i + 1) * SECOND).contains(wait), "{waits:?}");
    }
}

#[test]
fn all_who_come_back_in_their_turn_get_through() {
    let world = limited(1);
    let start = world.clock.now();
    let mut waiting: Vec<(Timestamp, u32)> = (0..50).map(|message| (start, message)).collect();
    let mut sends = 0;
    while let Some(next) = waiting.iter().min().copied() {
        waiting.retain(|waits| *waits != next);
        *world.clock.0.lock().unwrap() = next.0;
        sends += 1;
        if let SendOutcome::NotSent(NotSent::NotYet { after, .. }) = world.send(next.1) {
            waiting.push((crate::moments::later(next.0, after), next.1));
        }
    }
    assert_eq!(world.provider.count(), 50);
    let took = crate::moments::since(start, world.clock.now());
    assert!((49 * SECOND..80 * SECOND).contains(&took), "{took:?}");
    assert!(sends < 50 * 4, "{sends} attempts for 50 messages");
}

#[test]
fn each_sender_has_a_limit_of_its_own_where_that_is_so() {
    let rate = Rate { interval: SECOND, burst: 1 };
    let by_sender = |message: &u32| (message % 2).to_string();
    let world = world(|guarded| guarded.limited(Arc::new(MemoryRates::new()), rate).by_sender(by_sender));
    assert_eq!((world.send(1), world.send(2)), (sent(Some("twilio")), sent(Some("twilio"))));
    world.wait(3);
    world.wait(4);
}

#[test]
fn a_message_that_has_to_wait_leaves_the_probe_to_another_one() {
    let world = limited(1);
    world.provider.answer(unavailable(None));
    world.send(1);
    let pause = world.pause();
    world.clock.forward(pause.min(SECOND - Duration::from_millis(1)));
    world.wait(2);
    assert_eq!(world.guarded.state(), CircuitState::HalfOpen);
    world.clock.forward(SECOND);
    assert_eq!(world.send(3), sent(Some("twilio")));
}

#[test]
fn a_provider_that_is_too_fast_for_itself_is_left_alone_for_a_short_while() {
    let world = world(|guarded| guarded.by_sender(|message| (message % 2).to_string()));
    world.provider.answer(throttled(Some(3)));
    assert_eq!(world.send(1), throttled(Some(3)));
    assert!((3 * SECOND..4 * SECOND).contains(&world.wait(3)));
    assert_eq!(world.send(2), sent(Some("twilio")), "another sender isn't held up");
    world.clock.forward(3 * SECOND);
    assert_eq!(world.send(3), sent(Some("twilio")));
    // Its word isn't taken for long: it may have meant one recipient.
    world.provider.answer(throttled(Some(3600)));
    world.send(1);
    world.clock.forward(10 * SECOND);
    assert_eq!(world.send(3), sent(Some("twilio")));
}

/// Limits that can't be reached while it says so.
struct Broken(Mutex<bool>);

impl Rates for Broken {
    fn take<'a>(&'a self, _: &'a str, _: Rate, _: Timestamp) -> BoxFuture<'a, Result<Option<Duration>, RatesError>> {
        let broken = *self.0.lock().unwrap();
        Box::pin(async move { if broken { Err(RatesError("no table".into())) } else { Ok(Some(SECOND)) } })
    }
}

#[test]
fn limits_that_cannot_be_reached_hold_no_message_up() {
    let rates = Arc::new(Broken(Mutex::new(true)));
    let world = world(|guarded| guarded.limited(rates.clone(), Rate::per_second(1)));
    assert_eq!((world.send(1), world.send(2)), (sent(Some("twilio")), sent(Some("twilio"))));
    *rates.0.lock().unwrap() = false;
    world.wait(3);
}
