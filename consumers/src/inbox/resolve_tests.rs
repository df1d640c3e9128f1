//! Doubts settled from outside, with the messages that they hold up.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{AppAssigned, BoxFuture, Envelope};

use super::{
    Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, Resolution, ResolveError, Resolved, Status,
    StepState, resolve,
};
use crate::{
    Class, Context, Delivery, Effect, Handler, HandlerError, Limits, NotSent, OnDoubt, Policy, REPLAY_ATTRIBUTE,
    Router, SendOutcome, Verdict, handlers::doubles::World, join_outcomes,
};

const WINDOW: Duration = Duration::from_secs(1800);

/// What sends to Ada and Bob, answering as it is told; "sent" when it is told nothing more.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<&'static str, VecDeque<SendOutcome>>>,
    sends: Mutex<Vec<&'static str>>,
}

impl Script {
    async fn both(&self, cx: &Context) -> Result<(), HandlerError> {
        let mut outcomes = Vec::new();
        for step in ["ada", "bob"] {
            let effect = |_| async move {
                self.sends.lock().unwrap().push(step);
                let told = self.answers.lock().unwrap().get_mut(step).and_then(VecDeque::pop_front);
                told.unwrap_or(SendOutcome::Sent { provider: None, provider_id: None })
            };
            outcomes.push(cx.once(step, effect).await);
        }
        join_outcomes(outcomes)
    }
}

struct Holding(Arc<Script>);

impl Handler for Holding {
    type Event = AppAssigned;
    const NAME: &'static str = "holding";
    const POLICY: Policy =
        Policy { effect: Effect::Once, on_doubt: OnDoubt::Hold { window: WINDOW }, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        self.0.both(cx).await
    }
}

struct Resending(Arc<Script>);

impl Handler for Resending {
    type Event = AppAssigned;
    const NAME: &'static str = "resending";
    const POLICY: Policy =
        Policy { max_attempts: 1, effect: Effect::Once, on_doubt: OnDoubt::Resend, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        self.0.both(cx).await
    }
}

/// A message of a consumer, and what its sends answer.
struct Stage {
    world: World,
    script: Arc<Script>,
    router: Router,
    delivery: Delivery,
    key: IdempotencyKey,
}

impl Stage {
    fn new(consumer: &str, answers: &[(&'static str, SendOutcome)]) -> Self {
        let (world, script) = (World::new(), Arc::new(Script::default()));
        for (step, answer) in answers {
            script.answers.lock().unwrap().entry(step).or_default().push_back(answer.clone());
        }
        let router = Router::new(world.ports())
            .with(Holding(script.clone()))
            .and_then(|router| router.with(Resending(script.clone())))
            .unwrap();
        let id = |text: &str| text.parse().unwrap();
        let event = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("ada"), assigned_by: id("root") };
        let (delivery, event) = world.delivery(event);
        Self { key: IdempotencyKey::new(consumer, event), world, script, router, delivery }
    }

    fn deliver(&self) -> Verdict {
        let consumer = self.router.consumer(self.key.consumer()).unwrap();
        block_on(consumer.process(&self.delivery, &Limits::none()))
    }

    /// Delivers it, whatever comes of it.
    fn attempt(&self) {
        drop(self.deliver());
    }

    fn replay(&mut self) -> Verdict {
        self.delivery.attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
        self.deliver()
    }

    fn resolve(&self, step: &str, resolution: &Resolution) -> Result<Resolved, ResolveError> {
        self.resolve_over(&*self.world.inbox, step, resolution)
    }

    fn resolve_over(&self, inbox: &dyn Inbox, step: &str, to: &Resolution) -> Result<Resolved, ResolveError> {
        block_on(self.resolving(inbox, step, to))
    }

    async fn resolving(&self, inbox: &dyn Inbox, step: &str, to: &Resolution) -> Result<Resolved, ResolveError> {
        let now = *self.world.clock.0.lock().unwrap();
        resolve(inbox, &self.key, step, to, "told by somebody@example.org", now, &*self.world.rng).await
    }

    fn record(&self) -> InboxRecord {
        self.world.inbox.0.lock().unwrap()[&self.key].clone()
    }

    fn change(&self, change: impl FnOnce(&mut InboxRecord)) {
        change(self.world.inbox.0.lock().unwrap().get_mut(&self.key).unwrap());
    }

    fn sends(&self) -> Vec<&'static str> {
        self.script.sends.lock().unwrap().clone()
    }
}

fn unknown() -> SendOutcome {
    SendOutcome::Unknown { provider: Some("twilio".into()), reason: "timeout".into() }
}

fn sent() -> Resolution {
    Resolution::Sent { provider_id: Some("SM1".into()) }
}

fn dead(verdict: Verdict) -> (String, Class) {
    match verdict {
        Verdict::DeadLetter(failure) => (failure.reason, failure.class),
        other => panic!("not dead-lettered: {other:?}"),
    }
}

#[test]
fn a_doubt_that_is_settled_while_its_message_waits_lets_the_next_delivery_finish() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    assert!(matches!(stage.deliver(), Verdict::Snooze { .. }));
    assert_eq!(stage.record().status, Status::InDoubt);
    assert_eq!(stage.resolve("ada", &sent()), Ok(Resolved::Now));
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
    let record = stage.record();
    let step = &record.steps["ada"];
    assert_eq!((record.status, record.attempts), (Status::Done, 1));
    assert_eq!((step.state, step.doubted), (StepState::Done, false));
    assert_eq!((step.provider.as_deref(), step.provider_id.as_deref()), (Some("twilio"), Some("SM1")));
    assert_eq!(stage.sends(), ["ada", "bob"], "nothing was sent twice");
    let told = record.history.iter().find(|attempt| attempt.class == Class::Resolved).unwrap();
    assert_eq!(told.error, "told by <address>", "who knew it stays on record, without personal data");
}

#[test]
fn a_doubt_that_is_settled_as_not_sent_is_sent_by_the_next_delivery() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    assert_eq!(stage.resolve("ada", &Resolution::SendAgain), Ok(Resolved::Now));
    assert_eq!(stage.record().steps["ada"].state, StepState::Pending);
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
    assert_eq!(stage.sends(), ["ada", "bob", "ada"]);
}

#[test]
fn a_doubt_that_is_settled_as_failed_makes_a_dead_letter_that_a_replay_tries_again() {
    let mut stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    assert_eq!(stage.resolve("ada", &Resolution::Failed), Ok(Resolved::Now));
    assert_eq!(dead(stage.deliver()).0, "refused-by-provider");
    assert_eq!(stage.record().status, Status::Failed);
    assert_eq!(stage.replay(), Verdict::Ack { duplicate: false });
    assert_eq!(stage.sends(), ["ada", "bob", "ada"]);
}

#[test]
fn a_doubt_that_is_settled_after_dead_lettering_is_finished_by_a_replay() {
    for (resolution, sends) in [
        (sent(), &["ada", "bob"][..]),
        (Resolution::SendAgain, &["ada", "bob", "ada"]),
        (Resolution::Failed, &["ada", "bob", "ada"]),
    ] {
        let mut stage = Stage::new("holding", &[("ada", unknown())]);
        stage.attempt();
        stage.world.clock.forward(WINDOW);
        assert_eq!(dead(stage.deliver()), ("outcome-unknown".into(), Class::InDoubt));
        assert_eq!(stage.resolve("ada", &resolution), Ok(Resolved::Now));
        assert_eq!(stage.replay(), Verdict::Ack { duplicate: false }, "{resolution:?}");
        assert_eq!(stage.sends(), sends, "{resolution:?}");
    }
}

#[test]
fn a_doubt_can_not_be_settled_while_an_attempt_runs() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    let until = *stage.world.clock.0.lock().unwrap() + Duration::from_secs(40);
    for state in [StepState::Sending, StepState::InDoubt] {
        stage.change(|record| {
            (record.status, record.lease_until) = (Status::Claimed, until);
            record.steps.get_mut("ada").unwrap().state = state;
        });
        let before = stage.record();
        assert_eq!(stage.resolve("ada", &sent()), Err(ResolveError::Busy(until)), "{state:?}");
        assert_eq!(stage.record(), before, "nothing was changed");
    }
}

#[test]
fn a_step_whose_process_vanished_while_sending_can_be_settled_once_its_lease_is_over() {
    let stage = Stage::new("holding", &[]);
    stage.attempt();
    let until = *stage.world.clock.0.lock().unwrap() + Duration::from_secs(40);
    stage.change(|record| {
        (record.status, record.lease_until) = (Status::Claimed, until);
        record.steps.get_mut("bob").unwrap().state = StepState::Sending;
    });
    stage.world.clock.forward(Duration::from_secs(40));
    assert_eq!(stage.resolve("bob", &sent()), Ok(Resolved::Now));
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
    assert_eq!(stage.sends(), ["ada", "bob"]);
}

#[test]
fn settling_a_doubt_twice_is_the_same_as_once() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    assert_eq!(stage.resolve("ada", &sent()), Ok(Resolved::Now));
    let once = stage.record();
    for resolution in [sent(), Resolution::SendAgain, Resolution::Failed] {
        assert_eq!(stage.resolve("ada", &resolution), Ok(Resolved::NotInDoubt));
        assert_eq!(stage.record(), once);
    }
    stage.attempt();
    assert_eq!(stage.resolve("ada", &Resolution::SendAgain), Ok(Resolved::NotInDoubt), "nor when the job is done");
}

/// An inbox in which somebody else settles Ada's doubt between the look at the record and its claim.
struct Meanwhile<'a>(&'a Stage, AtomicBool);

impl Inbox for Meanwhile<'_> {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async {
            if !self.1.swap(true, Ordering::Relaxed) {
                assert_eq!(self.0.resolving(&*self.0.world.inbox, "ada", &sent()).await, Ok(Resolved::Now));
            }
            self.0.world.inbox.claim(claim).await
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        self.0.world.inbox.write(record)
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        self.0.world.inbox.get(key)
    }
}

#[test]
fn of_two_who_settle_the_same_doubt_at_once_one_does() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    let inbox = Meanwhile(&stage, AtomicBool::new(false));
    assert_eq!(stage.resolve_over(&inbox, "ada", &Resolution::Failed), Ok(Resolved::NotInDoubt));
    assert_eq!(stage.record().steps["ada"].state, StepState::Done);
    assert_eq!(stage.record().history.iter().filter(|attempt| attempt.class == Class::Resolved).count(), 1);
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
}

#[test]
fn a_resolution_that_comes_second_leaves_the_other_doubts_where_they_are() {
    let stage = Stage::new("holding", &[("ada", unknown()), ("bob", unknown())]);
    stage.attempt();
    let inbox = Meanwhile(&stage, AtomicBool::new(false));
    assert_eq!(stage.resolve_over(&inbox, "ada", &sent()), Ok(Resolved::NotInDoubt));
    assert_eq!(stage.record().status, Status::InDoubt, "bob still is");
}

#[test]
fn a_record_with_another_doubt_stays_in_doubt_and_says_so_when_it_is_dead_lettered() {
    for (consumer, wait) in [("holding", WINDOW), ("resending", Duration::ZERO)] {
        let mut stage = Stage::new(consumer, &[("ada", unknown()), ("bob", unknown())]);
        stage.attempt();
        assert_eq!(stage.resolve("ada", &sent()), Ok(Resolved::Now));
        assert_eq!(stage.record().status, Status::InDoubt, "{consumer}");
        stage.world.clock.forward(wait);
        assert_eq!(dead(stage.deliver()), ("outcome-unknown".into(), Class::InDoubt), "{consumer}");
        assert_eq!(stage.resolve("bob", &Resolution::SendAgain), Ok(Resolved::Now));
        assert_eq!(stage.replay(), Verdict::Ack { duplicate: false }, "{consumer}");
        assert_eq!(stage.sends(), ["ada", "bob", "bob"], "{consumer}");
    }
}

#[test]
fn what_was_taken_for_not_sent_and_was_is_not_sent_again() {
    let refused = SendOutcome::NotSent(NotSent::Transient { reason: "500".into() });
    let stage = Stage::new("holding", &[("ada", refused)]);
    assert!(matches!(stage.deliver(), Verdict::Retry { .. }));
    assert_eq!(stage.resolve("ada", &Resolution::Failed), Ok(Resolved::NotInDoubt), "it will be tried again");
    assert_eq!(stage.resolve("ada", &sent()), Ok(Resolved::Now));
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
    assert_eq!(stage.sends(), ["ada", "bob"]);
}

#[test]
fn nothing_is_known_of_a_job_or_a_step_that_never_began() {
    let stage = Stage::new("holding", &[]);
    assert!(matches!(stage.resolve("ada", &sent()), Err(ResolveError::Unknown(_))));
    stage.attempt();
    let Err(ResolveError::Unknown(what)) = stage.resolve("eve", &sent()) else { panic!("eve gets nothing") };
    assert_eq!(what, format!("{}/eve", stage.key));
    assert_eq!(stage.world.inbox.0.lock().unwrap().len(), 1, "no record was made");
}

/// An inbox that loses some writes.
struct Forgetful<'a>(&'a Stage, Mutex<u32>);

impl Inbox for Forgetful<'_> {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        self.0.world.inbox.claim(claim)
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        let mut left = self.1.lock().unwrap();
        if *left == 0 {
            return self.0.world.inbox.write(record);
        }
        *left -= 1;
        Box::pin(async { Err(InboxError::Unavailable("down".into())) })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        self.0.world.inbox.get(key)
    }
}

#[test]
fn a_write_that_fails_is_tried_again_and_what_can_not_be_written_says_so() {
    let stage = Stage::new("holding", &[("ada", unknown())]);
    stage.attempt();
    assert!(matches!(
        stage.resolve_over(&Forgetful(&stage, Mutex::new(3)), "ada", &sent()),
        Err(ResolveError::Inbox(InboxError::Unavailable(_)))
    ));
    assert_eq!(stage.record().steps["ada"].state, StepState::InDoubt);
    stage.world.clock.forward(Duration::from_secs(30));
    assert_eq!(stage.resolve_over(&Forgetful(&stage, Mutex::new(2)), "ada", &sent()), Ok(Resolved::Now));
    assert_eq!(stage.deliver(), Verdict::Ack { duplicate: false });
}
