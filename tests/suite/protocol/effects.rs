//! What becomes of effects: steps, doubts, throttling, duplicates.

use std::{sync::Arc, sync::atomic::AtomicU32, sync::atomic::Ordering, task::Poll, time::Duration};

use futures::FutureExt as _;
use sendoff_consumers::{
    Class, Context, Effect, Failure, Handler, HandlerError, IdempotencyKey, NotSent, OnDoubt, Policy, SendOutcome,
    Status, StepState, Stop, Verdict, join_outcomes,
};
use sendoff_events::{AppAssigned, BoxFuture, Envelope};
use sendoff_tests::memory::lock;

use super::rig::{Act, LEASE, Rig, sent};

#[test]
fn a_message_with_two_effects_costs_four_inbox_calls() {
    let mut rig = Rig::new(|_, _| sent());
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    // Claim, sending ada, ada done + sending bob, bob done + settled.
    assert_eq!(rig.inbox_calls.load(Ordering::Relaxed), 4);
    let record = rig.record(event);
    assert_eq!((record.status, record.attempts), (Status::Done, 1));
    assert_eq!(record.steps["ada"].provider_id.as_deref(), Some("p-1"));
    assert_eq!(rig.sends(), [format!("scripted/{event}/ada"), format!("scripted/{event}/bob")]);
}

#[test]
fn a_duplicate_runs_nothing() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    rig.push(body.clone(), None);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    assert!(rig.dead_reasons().is_empty());
}

#[test]
fn only_the_step_that_failed_is_tried_again() {
    let mut rig = Rig::new(|step, attempt| match (step, attempt) {
        ("bob", 1) => Act::Answer(SendOutcome::NotSent(NotSent::Transient { reason: "451".into() })),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    let key = |step: &str| format!("scripted/{event}/{step}");
    assert_eq!(rig.sends(), [key("ada"), key("bob"), key("bob")]);
    assert_eq!(rig.record(event).attempts, 2);
}

#[test]
fn throttling_uses_up_no_attempt() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let mut rig = Rig::new(move |_, _| match counted.fetch_add(1, Ordering::Relaxed) {
        0..20 => {
            let after = Some(Duration::from_secs(7));
            Act::Answer(SendOutcome::NotSent(NotSent::Throttled { after, reason: "429".into() }))
        }
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
}

#[test]
fn a_held_doubt_is_never_sent_again_and_ends_as_outcome_unknown() {
    let mut rig = Rig::new(|step, _| match step {
        "ada" => Act::Answer(SendOutcome::Unknown { provider: None, reason: "timeout".into() }),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2, "one for each step");
    assert_eq!(rig.dead_reasons(), ["outcome-unknown"]);
    let record = rig.record(event);
    assert_eq!((record.status, record.expires_at), (Status::InDoubt, None));
    assert_eq!(record.steps["bob"].state, StepState::Done);
}

#[test]
fn a_provider_that_asks_to_wait_for_ever_is_a_snooze_and_uses_up_no_attempt() {
    let mut rig = Rig::new(|_, _| {
        let reason = "Retry-After: 18446744073709551615".into();
        Act::Answer(SendOutcome::NotSent(NotSent::Throttled { after: Some(Duration::MAX), reason }))
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(3600));
    let record = rig.record(event);
    assert_eq!((record.attempts, record.history.len(), record.history[0].class), (0, 1, Class::Deferred));
}

/// Sends by mail, with what may go wrong in a handler that is not careful about its steps.
struct Careless(CarelessRun);

type CarelessRun = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<(), HandlerError>>;

impl Handler for Careless {
    type Event = AppAssigned;
    const NAME: &'static str = "careless";
    const POLICY: Policy =
        Policy { max_attempts: 1, effect: Effect::Once, on_doubt: OnDoubt::Resend, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        (self.0)(cx).await
    }
}

fn dead_letter(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::DeadLetter(failure) => *failure,
        other => panic!("not dead-lettered: {other:?}"),
    }
}

#[test]
fn a_send_that_its_handler_gave_up_half_way_is_in_doubt_also_when_a_second_one_fails_for_certain() {
    fn run(cx: &Context) -> BoxFuture<'_, Result<(), HandlerError>> {
        Box::pin(async move {
            let given_up = cx.once("ada", |_| std::future::pending()).now_or_never();
            assert!(given_up.is_none(), "it is still being sent");
            let refused = SendOutcome::NotSent(NotSent::Permanent { reason: "550".into() });
            cx.once("ada", |_| async { refused }).await.map(drop)
        })
    }
    let rig = Rig::new(|_, _| sent());
    let (event, body) = rig.envelope(Duration::ZERO);
    let failure = dead_letter(rig.judge(rig.ports(), Careless(run), body));
    assert_eq!(failure.reason, "outcome-unknown");
    let record = lock(&rig.records)[&IdempotencyKey::new("careless", event)].clone();
    assert_eq!((record.status, record.steps["ada"].state), (Status::InDoubt, StepState::InDoubt));
}

#[test]
fn two_sends_at_once_under_one_name_are_a_mistake_and_only_one_goes() {
    fn run(cx: &Context) -> BoxFuture<'_, Result<(), HandlerError>> {
        Box::pin(async move {
            let sent = AtomicU32::new(0);
            let send = || async {
                sent.fetch_add(1, Ordering::Relaxed);
                let mut polled = false;
                std::future::poll_fn(|task| {
                    task.waker().wake_by_ref();
                    if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                SendOutcome::Sent { provider: None, provider_id: None }
            };
            let (one, other) = futures::join!(cx.once("mail", |_| send()), cx.once("mail", |_| send()));
            assert_eq!(sent.into_inner(), 1);
            join_outcomes([one, other])
        })
    }
    let rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let failure = dead_letter(rig.judge(rig.ports(), Careless(run), body));
    assert_eq!(failure.reason, "step-repeated", "{}", failure.error);
}
