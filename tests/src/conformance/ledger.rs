//! Inbox: what is written, also when it comes late, twice, from the wrong worker or from many at once.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use sendoff_consumers::{
    Attempt, Claim, Claimed, Class, IdempotencyKey, InboxError, InboxRecord, Status, Step, StepState, transition,
};
use sendoff_events::Timestamp;

use super::{
    Backend,
    given::{event_id, moment},
    inbox::{LEASE, claim, claim_of, key_of, step, stored, won, write},
};

pub(super) async fn a_worker_that_was_taken_over_can_write_nothing(backend: &dyn Backend) {
    let old = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    let new = won(backend, &claim_of(&old.key, 2, moment(100))).await;
    for revision in [old.revision, old.revision + 1, old.revision + 100] {
        let late = InboxRecord { status: Status::Done, revision, ..old.clone() };
        assert_eq!(backend.inbox().write(&late).await, Err(InboxError::Lost));
    }
    assert_eq!(stored(backend, &old.key).await, new);
}

pub(super) async fn a_record_that_is_not_there_cannot_be_written(backend: &dyn Backend) {
    let of = claim_of(&key_of(backend), 1, moment(0));
    let record = won(backend, &of).await;
    let stranger = InboxRecord { key: key_of(backend), revision: 2, ..record };
    assert_eq!(backend.inbox().write(&stranger).await, Err(InboxError::Lost));
    assert_eq!(backend.inbox().get(&stranger.key).await, Ok(None));
}

pub(super) async fn a_late_write_changes_nothing(backend: &dyn Backend) {
    let first = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    let mut sending = InboxRecord { revision: first.revision + 1, ..first.clone() };
    sending.steps.insert("a".into(), step(StepState::Sending));
    let mut done = InboxRecord { revision: first.revision + 2, status: Status::Done, ..sending.clone() };
    done.steps.insert("a".into(), step(StepState::Done));
    write(backend, &done).await;
    // The write before it was slow on its way.
    write(backend, &sending).await;
    write(backend, &first).await;
    assert_eq!(stored(backend, &first.key).await, done);
}

pub(super) async fn a_write_repeated_is_the_same_as_once(backend: &dyn Backend) {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    record.revision += 1;
    record.steps.insert("a".into(), step(StepState::Done));
    write(backend, &record).await;
    write(backend, &record).await;
    assert_eq!(stored(backend, &record.key).await, record);
}

pub(super) async fn every_field_of_a_record_comes_back_as_it_was(backend: &dyn Backend) {
    let states = [
        StepState::Pending,
        StepState::Sending,
        StepState::Done,
        StepState::Skipped,
        StepState::InDoubt,
        StepState::Failed,
    ];
    let bare = Step { provider_id: None, reason: None, doubted: true, ..step(StepState::Pending) };
    let classes = [
        Class::Undecodable,
        Class::Rejected,
        Class::Retryable,
        Class::Panicked,
        Class::TimedOut,
        Class::Crashed,
        Class::InDoubt,
        Class::Deferred,
        Class::Resolved,
    ];
    let history = classes.iter().enumerate().map(|(n, class)| Attempt {
        at: moment(n as i64),
        class: *class,
        reason: format!("reason-{n}"),
        fingerprint: format!("reason-{n}-0badcafe"),
        error: "ünd \"so\" 漢字 🦀 \\ ' %\n".repeat(40),
    });
    let history: Vec<Attempt> = history.collect();
    for status in [Status::Claimed, Status::Done, Status::InDoubt, Status::Failed] {
        let of = Claim { payload_hash: [0xff; 32], ..claim_of(&key_of(backend), (1 << 63) - 1, moment(0)) };
        let mut record = won(backend, &of).await;
        let steps = states.iter().enumerate().map(|(n, state)| (format!("step/{n}: \"ü\" 漢"), step(*state)));
        record = InboxRecord {
            status,
            revision: record.revision + 1_000_000,
            lease_until: moment(77),
            attempts: 123_456,
            replay: 9_999,
            steps: steps.chain([("bare".into(), bare.clone())]).collect(),
            history: history.clone(),
            updated_at: moment(78),
            expires_at: (status != Status::InDoubt).then(|| moment(1_000_000)),
            ..record
        };
        write(backend, &record).await;
        assert_eq!(stored(backend, &record.key).await, record);
        record = InboxRecord { revision: record.revision + 1, steps: BTreeMap::new(), history: vec![], ..record };
        write(backend, &record).await;
        assert_eq!(stored(backend, &record.key).await, record);
    }
}

pub(super) async fn consumers_and_events_have_records_of_their_own(backend: &dyn Backend) {
    let (one, other) = (event_id(backend), event_id(backend));
    let keys = [("email", one), ("email", other), ("email-2", one), ("sms", one)];
    for (n, (consumer, event)) in keys.into_iter().enumerate() {
        let key = IdempotencyKey::new(consumer, event);
        assert_eq!(won(backend, &claim_of(&key, n as u64, moment(0))).await.attempts, 1);
    }
    let key = IdempotencyKey::new("email", other);
    assert_eq!(stored(backend, &key).await.fence, 1);
}

async fn contenders(backend: &dyn Backend, key: &IdempotencyKey, now: Timestamp) -> Vec<Claimed> {
    let tasks = (100..120).map(|fence| {
        let (inbox, claim) = (backend.inbox(), claim_of(key, fence, now));
        tokio::spawn(async move { inbox.claim(&claim).await.expect("the inbox answers") })
    });
    join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect()
}

#[track_caller]
fn the_winner(claimed: Vec<Claimed>, now: Timestamp) -> InboxRecord {
    let (won, lost): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|c| matches!(c, Claimed::Won(_)));
    assert!(lost.iter().all(|c| *c == Claimed::Busy { until: now + LEASE }), "{lost:?}");
    match &won[..] {
        [Claimed::Won(record)] => record.clone(),
        _ => panic!("exactly one should have won: {won:?}"),
    }
}

pub(super) async fn of_concurrent_claims_exactly_one_wins(backend: &dyn Backend) {
    let key = key_of(backend);
    let winner = the_winner(contenders(backend, &key, moment(0)).await, moment(0));
    assert_eq!((winner.attempts, stored(backend, &key).await), (1, winner));
}

pub(super) async fn of_concurrent_take_overs_exactly_one_wins(backend: &dyn Backend) {
    let key = key_of(backend);
    won(backend, &claim_of(&key, 1, moment(0))).await;
    let winner = the_winner(contenders(backend, &key, moment(100)).await, moment(100));
    assert_eq!((winner.attempts, stored(backend, &key).await), (2, winner));
}

pub(super) async fn whatever_is_asked_the_answers_are_those_of_the_rules(backend: &dyn Backend) {
    let rng = crate::simulation::World::new(20_261_124).rng();
    let draw = |n: u64| sendoff_events::Rng::next_u64(&rng) % n;
    let keys = [key_of(backend), key_of(backend)];
    let mut model: BTreeMap<IdempotencyKey, InboxRecord> = BTreeMap::new();
    let mut seen: Vec<InboxRecord> = Vec::new();
    let mut now = moment(0);
    for _ in 0..400 {
        now += Duration::from_secs(draw(40));
        if seen.is_empty() || draw(2) == 0 {
            let key = &keys[draw(2) as usize];
            let hash = if draw(12) == 0 { [8; 32] } else { [7; 32] };
            let asked = Claim {
                replay: draw(3) as u32,
                payload_hash: hash,
                reconcile: draw(4) == 0,
                ..claim_of(key, draw(1000), now)
            };
            let (expected, changed) = transition::claim(model.get(key).cloned(), &asked);
            assert_eq!(claim(backend, &asked).await, expected, "{asked:?}");
            if let Claimed::Won(record) = expected {
                seen.push(record);
            }
            model.extend(changed.map(|record| (key.clone(), record)));
        } else {
            // Any record that any worker ever held, changed in any way.
            let mut record = seen[draw(seen.len() as u64) as usize].clone();
            record.revision += draw(4);
            record.status =
                [Status::Claimed, Status::Claimed, Status::Done, Status::Failed, Status::InDoubt][draw(5) as usize];
            record.expires_at =
                matches!(record.status, Status::Done | Status::Failed).then(|| now + Duration::from_secs(draw(200)));
            let state = [StepState::Sending, StepState::Failed, StepState::Done][draw(3) as usize];
            record.steps.insert(draw(3).to_string(), step(state));
            let expected = transition::write(model.get(&record.key), &record);
            assert_eq!(backend.inbox().write(&record).await, expected.clone().map(drop), "{record:?}");
            if expected == Ok(true) {
                model.insert(record.key.clone(), record.clone());
            }
            seen.push(record);
        }
        for (key, record) in &model {
            assert_eq!(stored(backend, key).await, *record);
        }
    }
}
