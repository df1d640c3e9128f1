//! Doubts that somebody can settle: a provider that is asked, a callback, a person.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Context, Doubt, Effect, Found, Handler, HandlerError, IdempotencyKey, InboxRecord, NotSent, OnDoubt, Policy,
    Resolution, ResolveError, Resolved, SendOutcome, Status, StepState, Verdict, resolve,
};
use sendoff_events::{AppAssigned, Clock as _, Envelope, EventId};
use sendoff_tests::memory::lock;

use super::rig::Rig;

const WINDOW: Duration = Duration::from_secs(600);

/// Sends to `ada` and answers questions about it as it is told, and notes what it was asked.
#[derive(Clone, Default)]
struct Told {
    sends: Arc<Mutex<Vec<SendOutcome>>>,
    finds: Arc<Mutex<Vec<Found>>>,
    sent: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<Doubt>>>,
    /// Where it goes.
    place: Arc<Mutex<String>>,
}

struct Telling<const HOLD: bool>(Told);

impl<const HOLD: bool> Handler for Telling<HOLD> {
    type Event = AppAssigned;
    const NAME: &'static str = "telling";
    const POLICY: Policy = Policy {
        max_attempts: 3,
        effect: Effect::Once,
        on_doubt: if HOLD { OnDoubt::Hold { window: WINDOW } } else { OnDoubt::Resend },
        ..Policy::DEFAULT
    };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let Told { sends, finds, sent, asked, place } = &self.0;
        let send = |_| async {
            *lock(sent) += 1;
            lock(sends).remove(0)
        };
        let find = |doubt| async {
            lock(asked).push(doubt);
            lock(finds).pop().unwrap_or(Found::CannotTell)
        };
        let place = lock(place).clone();
        cx.once_to("ada", &place, send, find).await.map(drop)
    }
}

fn unknown() -> SendOutcome {
    SendOutcome::Unknown { provider: Some("twilio".into()), reason: "timeout".into() }
}

fn sent() -> SendOutcome {
    SendOutcome::Sent { provider: Some("twilio".into()), provider_id: Some("SM2".into()) }
}

/// A world in which the first send has left a doubt.
struct InDoubt {
    rig: Rig,
    told: Told,
    event: EventId,
    body: bytes::Bytes,
}

impl InDoubt {
    fn new(then: Vec<SendOutcome>, finds: Vec<Found>) -> Self {
        let rig = Rig::new(|_, _| unreachable!("the rig's own handler isn't used"));
        let told = Told::default();
        lock(&told.sends).push(unknown());
        lock(&told.sends).extend(then);
        *lock(&told.finds) = finds;
        let (event, body) = rig.envelope(Duration::ZERO);
        Self { rig, told, event, body }
    }

    fn deliver<const HOLD: bool>(&self) -> Verdict {
        self.rig.judge(self.rig.ports(), Telling::<HOLD>(self.told.clone()), self.body.clone())
    }

    fn record(&self) -> InboxRecord {
        lock(&self.rig.records)[&self.key()].clone()
    }

    fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new("telling", self.event)
    }

    fn sends(&self) -> u32 {
        *lock(&self.told.sent)
    }

    fn resolve(&self, resolution: &Resolution) -> Result<Resolved, ResolveError> {
        let ports = self.rig.ports();
        let (key, now) = (self.key(), self.rig.world.clock().now());
        futures::executor::block_on(resolve(
            &*ports.inbox,
            &key,
            "ada",
            resolution,
            "grace asked them",
            now,
            &*ports.rng,
        ))
    }
}

#[test]
fn a_send_that_is_found_out_to_have_happened_is_done_and_not_repeated() {
    let found = Found::Sent { provider: Some("twilio".into()), provider_id: Some("SM1".into()) };
    let mut world = InDoubt::new(vec![], vec![found]);
    let before = world.rig.world.clock().now();
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(world.record().status, Status::InDoubt);
    world.rig.run_for(Duration::from_secs(60));
    assert_eq!(world.deliver::<true>(), Verdict::Ack { duplicate: false });
    let record = world.record();
    let step = &record.steps["ada"];
    assert_eq!((record.status, step.state, step.provider_id.as_deref()), (Status::Done, StepState::Done, Some("SM1")));
    assert_eq!(world.sends(), 1);
    let asked = lock(&world.told.asked).clone();
    assert_eq!((asked.len(), asked[0].since), (1, before));
    assert_eq!(asked[0].provider.as_deref(), Some("twilio"));
    assert_eq!(asked[0].idempotency_key, format!("telling/{}/ada", world.event));
}

#[test]
fn a_send_that_is_found_out_not_to_have_happened_is_made_once_more() {
    let world = InDoubt::new(vec![sent()], vec![Found::NotSent { reason: "twilio lists no such message".into() }]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(world.deliver::<true>(), Verdict::Ack { duplicate: false });
    let record = world.record();
    assert_eq!((world.sends(), record.status), (2, Status::Done));
    assert!(!record.steps["ada"].doubted);
}

#[test]
fn a_send_that_was_given_up_by_its_provider_is_a_definite_failure() {
    let world = InDoubt::new(vec![], vec![Found::Failed { reason: "30003 unreachable".into() }]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    let Verdict::DeadLetter(failure) = world.deliver::<true>() else { panic!("it goes on") };
    assert_eq!((failure.reason.as_str(), world.sends()), ("refused-by-provider", 1));
    assert_eq!((world.record().status, world.record().steps["ada"].state), (Status::Failed, StepState::Failed));
}

#[test]
fn a_doubt_that_nobody_can_settle_is_asked_about_until_the_window_ends_and_then_left_to_a_person() {
    let mut world = InDoubt::new(vec![], vec![]);
    let mut deliveries = 0;
    let failure = loop {
        deliveries += 1;
        match world.deliver::<true>() {
            Verdict::Snooze { after, pause: false } => world.rig.run_for(after),
            Verdict::DeadLetter(failure) => break failure,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failure.reason, "outcome-unknown");
    assert!(deliveries > 3, "it came back {deliveries} times only");
    assert_eq!((world.sends(), lock(&world.told.asked).len()), (1, deliveries - 1));
    let record = world.record();
    assert_eq!((record.status, record.expires_at), (Status::InDoubt, None));
    assert_eq!(record.history.len(), 1, "asking in vain is no new failure: {:?}", record.history);
}

#[test]
fn who_sends_again_when_in_doubt_asks_before() {
    let found = Found::Sent { provider: None, provider_id: None };
    let world = InDoubt::new(vec![], vec![found]);
    assert!(matches!(world.deliver::<false>(), Verdict::Retry { .. }));
    assert_eq!(world.deliver::<false>(), Verdict::Ack { duplicate: false });
    assert_eq!(world.sends(), 1);
    let world = InDoubt::new(vec![sent()], vec![]);
    assert!(matches!(world.deliver::<false>(), Verdict::Retry { .. }));
    assert_eq!(world.deliver::<false>(), Verdict::Ack { duplicate: false });
    assert_eq!((world.sends(), lock(&world.told.asked).len()), (2, 1));
}

#[test]
fn a_definite_failure_of_a_repetition_leaves_the_doubt_of_the_first_attempt() {
    let refused = SendOutcome::NotSent(NotSent::Permanent { reason: "550".into() });
    let world = InDoubt::new(vec![refused], vec![]);
    assert!(matches!(world.deliver::<false>(), Verdict::Retry { .. }));
    assert!(matches!(world.deliver::<false>(), Verdict::Retry { .. }));
    let step = world.record().steps["ada"].clone();
    assert_eq!((step.state, step.doubted, step.provider.as_deref()), (StepState::InDoubt, true, Some("twilio")));
}

#[test]
fn what_is_looked_for_may_have_been_sent_as_long_ago_as_the_first_doubt() {
    let mut world = InDoubt::new(vec![unknown(), sent()], vec![]);
    let first = world.rig.world.clock().now();
    for _ in 0..2 {
        assert!(matches!(world.deliver::<false>(), Verdict::Retry { .. }));
        world.rig.run_for(Duration::from_secs(60));
    }
    assert_eq!(world.deliver::<false>(), Verdict::Ack { duplicate: false });
    let asked = lock(&world.told.asked).clone();
    assert_eq!(asked.iter().map(|doubt| doubt.since).collect::<Vec<_>>(), [first, first]);
}

#[test]
fn what_a_vanished_process_was_sending_is_looked_for_since_it_began() {
    let mut world = InDoubt::new(vec![], vec![]);
    let began = world.rig.world.clock().now();
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    // As the process would have left it: sending, and its lease running.
    if let Some(record) = lock(&world.rig.records).get_mut(&world.key()) {
        record.status = Status::Claimed;
        record.lease_until = began + Duration::from_secs(70);
        let step = record.steps.get_mut("ada").unwrap();
        (step.state, step.doubted) = (StepState::Sending, false);
    }
    world.rig.run_for(Duration::from_secs(120));
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(lock(&world.told.asked)[0].since, began);
}

#[test]
fn a_message_that_is_found_not_sent_and_doubted_again_and_again_uses_its_attempts_up() {
    let not_sent = || Found::NotSent { reason: "the list has no such message".into() };
    let mut world = InDoubt::new((0..9).map(|_| unknown()).collect(), (0..9).map(|_| not_sent()).collect());
    let mut deliveries = 0;
    let failure = loop {
        deliveries += 1;
        assert!(deliveries < 50, "it never ends");
        match world.deliver::<true>() {
            Verdict::Snooze { after, .. } | Verdict::Retry { after } => world.rig.run_for(after),
            Verdict::DeadLetter(failure) => break failure,
            other => panic!("{other:?}"),
        }
    };
    // Three attempts, each found out not to have happened: nothing is left in doubt.
    assert_eq!((world.sends(), failure.reason.as_str()), (3, "attempts-exhausted"));
    assert_eq!((world.record().status, world.record().attempts), (Status::Failed, 3));
    let doubts = world.record().history.iter().filter(|a| a.reason == "outcome-unknown").count();
    assert_eq!(doubts, 3, "{:?}", world.record().history);
}

#[test]
fn who_sent_a_message_that_was_found_not_sent_is_forgotten() {
    let reset = SendOutcome::Unknown { provider: Some("meta".into()), reason: "reset".into() };
    let world = InDoubt::new(vec![reset], vec![Found::CannotTell, Found::NotSent { reason: "none".into() }]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!((world.sends(), world.record().steps["ada"].provider.as_deref()), (2, Some("meta")));
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    let providers: Vec<_> = lock(&world.told.asked).iter().map(|doubt| doubt.provider.clone().unwrap()).collect();
    assert_eq!(providers, ["twilio", "meta"]);
    // While it is sent again nobody knows yet through whom.
    let world = InDoubt::new(vec![], vec![]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(world.resolve(&Resolution::SendAgain), Ok(Resolved::Now));
    assert_eq!(world.record().steps["ada"].provider, None);
}

#[test]
fn a_doubt_tells_when_the_message_would_go_elsewhere_now() {
    let world = InDoubt::new(vec![], vec![]);
    *lock(&world.told.place) = "+447700900101".into();
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    *lock(&world.told.place) = "+447700900102".into();
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(lock(&world.told.asked).iter().map(|doubt| doubt.moved).collect::<Vec<_>>(), [false, true]);
    let mark = world.record().steps["ada"].mark.clone().unwrap();
    assert_eq!(mark.len(), 4, "two bytes find no number out");
}

#[test]
fn a_process_that_vanishes_again_and_again_while_it_looks_into_a_doubt_comes_to_an_end() {
    let mut world = InDoubt::new(vec![], vec![]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    for round in 1.. {
        assert!(round < 20, "it never ends");
        // As a process leaves it that vanishes while it asks.
        if let Some(record) = lock(&world.rig.records).get_mut(&world.key()) {
            record.lease_until = record.updated_at + Duration::from_secs(40);
        }
        world.rig.run_for(Duration::from_secs(60));
        if let Verdict::DeadLetter(failure) = world.deliver::<true>() {
            assert_eq!(failure.reason, "outcome-unknown");
            break;
        }
    }
    assert_eq!((world.sends(), world.record().status), (1, Status::InDoubt));
}

#[test]
fn a_provider_that_cannot_be_used_pauses_its_consumer_and_uses_up_no_attempt() {
    let world = InDoubt::new(vec![], vec![]);
    let after = Some(Duration::from_secs(40));
    *lock(&world.told.sends) =
        vec![SendOutcome::NotSent(NotSent::Unavailable { after, reason: "401 bad credentials".into() })];
    assert_eq!(world.deliver::<true>(), Verdict::Snooze { after: Duration::from_secs(40), pause: true });
    assert_eq!((world.record().attempts, world.record().status), (0, Status::Claimed));
}

#[test]
fn a_doubt_that_was_settled_as_sent_lets_the_job_go_on_without_sending_again() {
    let world = InDoubt::new(vec![], vec![]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(world.resolve(&Resolution::Sent { provider_id: Some("SM7".into()) }), Ok(Resolved::Now));
    assert_eq!(world.resolve(&Resolution::SendAgain), Ok(Resolved::NotInDoubt), "the first word counts");
    assert_eq!(world.deliver::<true>(), Verdict::Ack { duplicate: false });
    let record = world.record();
    assert_eq!((world.sends(), record.status), (1, Status::Done));
    assert_eq!(record.steps["ada"].provider_id.as_deref(), Some("SM7"));
    assert!(record.history.iter().any(|a| a.reason == "resolved" && a.error == "grace asked them"), "{record:?}");
}

#[test]
fn a_doubt_that_was_settled_as_not_sent_is_sent_again_with_all_its_attempts() {
    let world = InDoubt::new(vec![sent()], vec![]);
    assert!(matches!(world.deliver::<true>(), Verdict::Snooze { .. }));
    assert_eq!(world.resolve(&Resolution::SendAgain), Ok(Resolved::Now));
    assert_eq!(world.deliver::<true>(), Verdict::Ack { duplicate: false });
    assert_eq!((world.sends(), world.record().attempts), (2, 1));
}

#[test]
fn what_is_not_in_doubt_cannot_be_settled() {
    let world = InDoubt::new(vec![], vec![]);
    assert!(matches!(world.resolve(&Resolution::SendAgain), Err(ResolveError::Unknown(_))));
    *lock(&world.told.sends) = vec![sent()];
    assert_eq!(world.deliver::<true>(), Verdict::Ack { duplicate: false });
    let before = world.record();
    assert_eq!(world.resolve(&Resolution::SendAgain), Ok(Resolved::NotInDoubt));
    assert_eq!(world.record(), before);
}
