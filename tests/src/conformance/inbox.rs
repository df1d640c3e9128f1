//! Inbox: claims, by every row of the table in `transition`.

use std::time::Duration;

use futures::future::join_all;
use sendoff_consumers::{Claim, Claimed, IdempotencyKey, InboxRecord, Status, Step, StepState, transition};
use sendoff_events::Timestamp;
use serde_json::json;

use super::{
    Backend,
    doubts::doubted,
    given::{event_id, moment},
};

pub(super) const LEASE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// A claim at `now` with this fence, on the same payload and without a replay.
pub(super) fn claim_of(key: &IdempotencyKey, fence: u64, now: Timestamp) -> Claim {
    Claim { key: key.clone(), fence, payload_hash: [7; 32], replay: 0, now, lease_until: now + LEASE, reconcile: false }
}

pub(super) fn key_of(backend: &dyn Backend) -> IdempotencyKey {
    IdempotencyKey::new("email", event_id(backend))
}

pub(super) async fn claim(backend: &dyn Backend, claim: &Claim) -> Claimed {
    backend.inbox().claim(claim).await.expect("the inbox answers")
}

pub(super) async fn won(backend: &dyn Backend, of: &Claim) -> InboxRecord {
    match claim(backend, of).await {
        Claimed::Won(record) => record,
        other => panic!("the claim should have been won: {other:?}"),
    }
}

pub(super) async fn stored(backend: &dyn Backend, key: &IdempotencyKey) -> InboxRecord {
    backend.inbox().get(key).await.expect("the inbox answers").expect("the record is there")
}

pub(super) async fn write(backend: &dyn Backend, record: &InboxRecord) {
    assert_eq!(backend.inbox().write(record).await, Ok(()));
}

pub(super) fn step(state: StepState) -> Step {
    let reason = Some("550 no \"such\" üser".into());
    Step {
        state,
        doubted: state == StepState::InDoubt,
        at: moment(3),
        provider: Some("twilio".into()),
        provider_id: Some("SM1".into()),
        reason,
        mark: Some("a1b2".into()),
        result: (state == StepState::Done)
            .then(|| json!({ "code": 201, "response": { "id": "ü\u{0}\"", "none": null } })),
    }
}

/// A record that ended this way, an hour before it expires.
async fn ended(backend: &dyn Backend, status: Status) -> InboxRecord {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    record.status = status;
    record.revision += 1;
    record.lease_until = record.updated_at;
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
    assert_eq!((doubted.state, doubted.doubted, doubted.at), (StepState::InDoubt, true, record.steps["sending"].at));
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

pub(super) async fn only_a_claim_to_reconcile_takes_what_is_in_doubt_and_it_uses_no_attempt(backend: &dyn Backend) {
    let record = doubted(backend).await;
    let plain = claim(backend, &claim_of(&record.key, 3, moment(200))).await;
    assert_eq!(plain, Claimed::Settled(record.clone()));
    let of = Claim { reconcile: true, ..claim_of(&record.key, 4, moment(200)) };
    let taken = won(backend, &of).await;
    assert_eq!((taken.status, taken.attempts, taken.lease_until), (Status::InDoubt, 2, of.lease_until));
    assert_eq!(taken.steps, record.steps, "a doubt stays a doubt until it is settled");
    assert_eq!(stored(backend, &record.key).await, taken);
    // Its answer was lost: it is answered alike.
    assert_eq!(won(backend, &of).await, taken);
    let busy = claim(backend, &Claim { reconcile: true, ..claim_of(&record.key, 5, moment(259)) }).await;
    assert_eq!(busy, Claimed::Busy { until: of.lease_until }, "one looks into it at a time");
    // And once it has found nothing out, the same claim doesn't ask again.
    let still = InboxRecord { lease_until: of.now, revision: taken.revision + 1, ..taken };
    write(backend, &still).await;
    assert_eq!(claim(backend, &of).await, Claimed::Settled(still.clone()));
    let next = won(backend, &Claim { reconcile: true, ..claim_of(&record.key, 6, moment(300)) }).await;
    assert_eq!(next.attempts, 2);
}

pub(super) async fn a_claim_to_reconcile_is_otherwise_like_any_other(backend: &dyn Backend) {
    let reconcile = |key: &IdempotencyKey, fence, now| Claim { reconcile: true, ..claim_of(key, fence, now) };
    let of = reconcile(&key_of(backend), 1, moment(0));
    assert_eq!(won(backend, &of).await.attempts, 1);
    let busy = claim(backend, &reconcile(&of.key, 2, moment(59))).await;
    assert_eq!(busy, Claimed::Busy { until: of.lease_until });
    assert_eq!(won(backend, &reconcile(&of.key, 3, moment(61))).await.attempts, 2);
    for status in [Status::Done, Status::Failed] {
        let record = ended(backend, status).await;
        assert_eq!(claim(backend, &reconcile(&record.key, 2, moment(100))).await, Claimed::Settled(record));
    }
    let doubt = doubted(backend).await;
    let other = Claim { payload_hash: [8; 32], ..reconcile(&doubt.key, 9, moment(200)) };
    assert_eq!(claim(backend, &other).await, Claimed::Mismatch);
    assert_eq!(stored(backend, &doubt.key).await, doubt);
}

pub(super) async fn of_concurrent_claims_to_reconcile_exactly_one_wins(backend: &dyn Backend) {
    let record = doubted(backend).await;
    let tasks = (100..120).map(|fence| {
        let inbox = backend.inbox();
        let of = Claim { reconcile: true, ..claim_of(&record.key, fence, moment(200)) };
        tokio::spawn(async move { inbox.claim(&of).await.expect("the inbox answers") })
    });
    let answers: Vec<_> = join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect();
    let winners = answers.iter().filter(|answer| matches!(answer, Claimed::Won(_))).count();
    let busy = Claimed::Busy { until: moment(200) + LEASE };
    assert_eq!((winners, answers.iter().filter(|answer| **answer == busy).count()), (1, 19), "{answers:?}");
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
