//! A replay is as safe as the first run.

use std::{sync::Arc, sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

use sendoff_consumers::{
    Claim, Claimed, IdempotencyKey, NotSent, SendOutcome, Status, Step, StepState, Stop, transition,
};
use sendoff_events::{Clock, Timestamp};

use super::rig::{Act, LEASE, Rig, sent};

#[test]
fn a_replay_runs_what_failed_and_skips_what_was_done() {
    let replayed = Arc::new(AtomicU32::new(0));
    let flag = replayed.clone();
    let mut rig = Rig::new(move |step, _| match (step, flag.load(Ordering::Relaxed)) {
        ("bob", 0) => Act::Answer(SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user".into() })),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body.clone(), None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["refused-by-provider"]);
    // Delivered again without a replay count: still a dead letter, and nothing runs.
    rig.push(body.clone(), None);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    replayed.store(1, Ordering::Relaxed);
    rig.push(body, Some(1));
    rig.run_dry();
    let key = |step: &str| format!("scripted/{event}/{step}");
    assert_eq!(rig.sends(), [key("ada"), key("bob"), key("bob")]);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_replay_has_all_its_attempts_also_when_the_dead_letter_left_an_open_record() {
    let rig = Rig::new(|_, _| sent());
    let now = rig.world.clock().now();
    let key = IdempotencyKey::new("scripted", rig.envelope(Duration::ZERO).0);
    let claim = |fence, replay| Claim {
        key: key.clone(),
        fence,
        payload_hash: [0; 32],
        replay,
        now,
        lease_until: now,
        reconcile: false,
    };
    // Its process vanished in the last attempt, and the queue's own limit made a dead letter of the message.
    let (_, Some(mut record)) = transition::claim(None, &claim(1, 0)) else { panic!("it is free") };
    record.attempts = 3;
    record.steps.insert("ada".into(), sending(now));
    let attempts = |replay| match transition::claim(Some(record.clone()), &claim(2, replay)).0 {
        Claimed::Won(record) => (record.attempts, record.steps["ada"].state),
        other => panic!("not won: {other:?}"),
    };
    assert_eq!(attempts(0), (4, StepState::InDoubt), "delivered again");
    assert_eq!(attempts(1), (1, StepState::InDoubt), "replayed");
}

fn sending(at: Timestamp) -> Step {
    Step {
        state: StepState::Sending,
        doubted: false,
        at,
        provider: None,
        provider_id: None,
        reason: None,
        mark: None,
        result: None,
    }
}
