//! Inbox: every row of the table in `transition`, and writes that come late, twice or from the wrong worker.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use sendoff_consumers::{
    Attempt, Claim, Claimed, Class, IdempotencyKey, InboxError, InboxRecord, Status, Step, StepState, transition,
};
use sendoff_events::Timestamp;

use super::{
    Backend,
    given::{event_id, moment},
};

const LEASE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// A claim at `now` with this fence, on the same payload and without a replay.
fn claim_of(key: &IdempotencyKey, fence: u64, now: Timestamp) -> Claim {
    Claim { key: key.clone(), fence, payload_hash: [7; 32], replay: 0, now, lease_until: now + LEASE }
}

fn key_of(backend: &dyn Backend) -> IdempotencyKey {
    IdempotencyKey::new("email", event_id(backend))
}

async fn claim(backend: &dyn Backend, claim: &Claim) -> Claimed {
    backend.inbox().claim(claim).await.expect("the inbox answers")
}

async fn won(backend: &dyn Backend, of: &Claim) -> InboxRecord {
    match claim(backend, of).await {
        Claimed::Won(record) => record,
        other => panic!("the claim should have been won: {other:?}"),
    }
}

async fn stored(backend: &dyn Backend, key: &IdempotencyKey) -> InboxRecord {
    backend.inbox().get(key).await.expect("the inbox answers").expect("the record is there")
}

async fn write(backend: &dyn Backend, record: &InboxRecord) {
    assert_eq!(backend.inbox().write(record).await, Ok(()));
}

fn step(state: StepState) -> Step {
    let reason = Some("550 no \"such\" üser".into());
    Step { state, doubted: state == StepState::InDoubt, at: moment(3), provider_id: Some("SM1".into()), reason }
}

/// A record that ended this way, an hour before it expires.
async fn ended(backend: &dyn Backend, status: Status) -> InboxRecord {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    record.status = status;
    record.revision += 1;
    record.steps.insert("done".into(), step(StepState::Done));
    record.steps.insert("failed".into(), step(StepState::Failed));
    record.expires_at = (status != Status::InDoubt).then(|| moment(3600));
    write(backend, &record).await;
    record
}

pub(super) async fn the_first_claim_wins_and_its_record_is_the_first_attempt(backend: &dyn Backend) {
    let of = Claim { replay: 2, ..claim_of(&key_of(backend), 41, moment(0)) };
    let record = won(backend, &of).await;
    let (Claimed::Won(expected), _) = transition::claim(None, &of) else { panic!("the rules say so") };
    assert_eq!(record, expected);
    assert_eq!(stored(backend, &of.key).await, expected);
}

pub(super) async fn a_key_that_was_never_claimed_has_no_record(backend: &dyn Backend) {
    assert_eq!(backend.inbox().get(&key_of(backend)).await, Ok(None));
}

pub(super) async fn a_claim_repeated_with_its_fence_is_answered_like_the_first(backend: &dyn Backend) {
    let of = claim_of(&key_of(backend), 1, moment(0));
    let mut record = won(backend, &of).await;
    assert_eq!(won(backend, &of).await, record);
    record.revision += 1;
    record.steps.insert("a".into(), step(StepState::Sending));
    write(backend, &record).await;
    // Also after its lease: nobody took over, so it is still ours.
    assert_eq!(won(backend, &Claim { now: moment(600), ..of }).await, record);
}

pub(super) async fn while_the_lease_runs_others_are_told_until_when(backend: &dyn Backend) {
    let of = claim_of(&key_of(backend), 1, moment(0));
    won(backend, &of).await;
    for (fence, now) in [(2, moment(0)), (3, moment(59))] {
        let busy = claim(backend, &claim_of(&of.key, fence, now)).await;
        assert_eq!(busy, Claimed::Busy { until: of.lease_until });
    }
    assert_eq!(stored(backend, &of.key).await.fence, 1);
}

pub(super) async fn a_lapsed_claim_is_taken_over_with_one_attempt_more(backend: &dyn Backend) {
    let key = key_of(backend);
    won(backend, &claim_of(&key, 1, moment(0))).await;
    for (attempt, now) in [(2, moment(60)), (3, moment(1000))] {
        let record = won(backend, &claim_of(&key, u64::from(attempt), now)).await;
        assert_eq!((record.attempts, record.fence), (attempt, u64::from(attempt)));
        assert_eq!((record.first_at, record.updated_at, record.lease_until), (moment(0), now, now + LEASE));
        assert_eq!(stored(backend, &key).await, record);
    }
}

pub(super) async fn a_claim_never_expires_by_itself(backend: &dyn Backend) {
    let key = key_of(backend);
    won(backend, &claim_of(&key, 1, moment(0))).await;
    assert_eq!(won(backend, &claim_of(&key, 2, moment(0) + YEAR)).await.attempts, 2);
}

pub(super) async fn what_was_being_sent_is_in_doubt_after_a_take_over(backend: &dyn Backend) {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    record.revision += 1;
    for (name, state) in [("sending", StepState::Sending), ("done", StepState::Done), ("pending", StepState::Pending)] {
        record.steps.insert(name.into(), step(state));
    }
    write(backend, &record).await;
    let taken = won(backend, &claim_of(&record.key, 2, moment(100))).await;
    let doubted = &taken.steps["sending"];
    assert_eq!((doubted.state, doubted.doubted, doubted.at), (StepState::InDoubt, true, moment(100)));
    assert_eq!(taken.steps["done"], record.steps["done"]);
    assert_eq!(taken.steps["pending"], record.steps["pending"]);
    assert_eq!(stored(backend, &record.key).await, taken);
}

pub(super) async fn another_payload_under_the_same_key_is_a_mismatch_in_every_state(backend: &dyn Backend) {
    let claimed = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    let mut records = vec![claimed];
    for status in [Status::Done, Status::Failed, Status::InDoubt] {
        records.push(ended(backend, status).await);
    }
    for record in records {
        for now in [moment(1), moment(100)] {
            let other = Claim { payload_hash: [8; 32], replay: 9, ..claim_of(&record.key, 2, now) };
            assert_eq!(claim(backend, &other).await, Claimed::Mismatch, "{:?}", record.status);
        }
        assert_eq!(stored(backend, &record.key).await, record);
    }
}

pub(super) async fn what_is_done_is_never_run_again_also_not_when_it_is_replayed(backend: &dyn Backend) {
    let record = ended(backend, Status::Done).await;
    for replay in [0, 1, u32::MAX] {
        let again = Claim { replay, ..claim_of(&record.key, 2, moment(100)) };
        assert_eq!(claim(backend, &again).await, Claimed::Settled(record.clone()));
    }
    // Nor by the fence that did it.
    assert_eq!(claim(backend, &claim_of(&record.key, 1, moment(100))).await, Claimed::Settled(record));
}

pub(super) async fn what_is_in_doubt_stays_so_and_never_expires(backend: &dyn Backend) {
    let record = ended(backend, Status::InDoubt).await;
    for now in [moment(100), moment(0) + YEAR, moment(0) + YEAR * 100] {
        let again = Claim { replay: 5, ..claim_of(&record.key, 2, now) };
        assert_eq!(claim(backend, &again).await, Claimed::Settled(record.clone()));
    }
}

pub(super) async fn what_failed_runs_again_only_when_it_was_replayed_since(backend: &dyn Backend) {
    let record = ended(backend, Status::Failed).await;
    assert_eq!(claim(backend, &claim_of(&record.key, 2, moment(100))).await, Claimed::Settled(record.clone()));
    let reopened = won(backend, &Claim { replay: 1, ..claim_of(&record.key, 3, moment(100)) }).await;
    assert_eq!((reopened.attempts, reopened.replay, reopened.expires_at), (1, 1, None));
    assert_eq!(
        reopened.steps.keys().collect::<Vec<_>>(),
        ["done"],
        "what is done stays done, what failed is forgotten"
    );
    assert_eq!(stored(backend, &record.key).await, reopened);

    let failed = InboxRecord { status: Status::Failed, revision: reopened.revision + 1, ..reopened };
    write(backend, &failed).await;
    let late = Claim { replay: 1, ..claim_of(&record.key, 4, moment(200)) };
    assert_eq!(claim(backend, &late).await, Claimed::Settled(failed), "the same replay doesn't count twice");
}

pub(super) async fn what_has_expired_is_forgotten(backend: &dyn Backend) {
    for status in [Status::Done, Status::Failed] {
        let record = ended(backend, status).await;
        let before = claim(backend, &claim_of(&record.key, 2, moment(3599))).await;
        assert_eq!(before, Claimed::Settled(record.clone()));
        // Even with another payload: there is nothing left to mismatch.
        let later = Claim { payload_hash: [8; 32], ..claim_of(&record.key, 3, moment(3600)) };
        let fresh = won(backend, &later).await;
        assert_eq!((fresh.attempts, fresh.steps.len(), fresh.first_at), (1, 0, moment(3600)));
    }
}

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
            let claim = Claim { replay: draw(3) as u32, payload_hash: hash, ..claim_of(key, draw(1000), now) };
            let (expected, changed) = transition::claim(model.get(key).cloned(), &claim);
            assert_eq!(self::claim(backend, &claim).await, expected, "{claim:?}");
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
