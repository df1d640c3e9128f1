//! Inbox: a doubt that is settled from outside of any attempt, by a provider's callback or by a person.

use futures::future::join_all;
use sendoff_consumers::{
    Claim, Class, IdempotencyKey, InboxError, InboxRecord, Resolution, ResolveError, Resolved, Status, Step, StepState,
    resolve,
};
use sendoff_events::Timestamp;

use super::{
    Backend,
    given::moment,
    inbox::{LEASE, claim_of, key_of, step, stored, won, write},
};

/// A record in doubt about `ada`, after two attempts; what was done for `grace` is done.
pub(super) async fn doubted(backend: &dyn Backend) -> InboxRecord {
    let key = key_of(backend);
    won(backend, &claim_of(&key, 1, moment(0))).await;
    let mut record = won(backend, &claim_of(&key, 2, moment(100))).await;
    (record.status, record.revision, record.lease_until) = (Status::InDoubt, record.revision + 1, record.updated_at);
    record.steps.insert("ada".into(), step(StepState::InDoubt));
    record.steps.insert("grace".into(), step(StepState::Done));
    write(backend, &record).await;
    record
}

async fn settle(
    backend: &dyn Backend,
    key: &IdempotencyKey,
    step: &str,
    resolution: &Resolution,
    now: Timestamp,
) -> Result<Resolved, ResolveError> {
    resolve(&*backend.inbox(), key, step, resolution, "the callback says so", now, &*backend.rng()).await
}

const SENT: Resolution = Resolution::Sent { provider_id: None };

pub(super) async fn a_resolved_doubt_is_what_it_was_resolved_to_and_its_job_goes_on(backend: &dyn Backend) {
    let named = Resolution::Sent { provider_id: Some("SM2".into()) };
    for (resolution, state, provider_id) in [
        (SENT, StepState::Done, Some("SM1")),
        (named, StepState::Done, Some("SM2")),
        (Resolution::SendAgain, StepState::Pending, None),
        (Resolution::Failed, StepState::Failed, Some("SM1")),
    ] {
        let before = doubted(backend).await;
        assert_eq!(settle(backend, &before.key, "ada", &resolution, moment(200)).await, Ok(Resolved::Now));
        let after = stored(backend, &before.key).await;
        let settled = Step {
            state,
            doubted: false,
            at: moment(200),
            // Who sends it again isn't known yet.
            provider: provider_id.and(before.steps["ada"].provider.clone()),
            provider_id: provider_id.map(Into::into),
            reason: Some("the callback says so".into()),
            ..before.steps["ada"].clone()
        };
        assert_eq!(after.steps["ada"], settled);
        assert_eq!(after.steps["grace"], before.steps["grace"], "the others stay as they were");
        assert_eq!((after.status, after.attempts, after.expires_at), (Status::Claimed, 0, None));
        let last = after.history.last().expect("it is remembered");
        assert_eq!((last.class, &*last.error), (Class::Resolved, "the callback says so"));
        // The next delivery is the first attempt again.
        let next = won(backend, &claim_of(&before.key, 9, moment(200))).await;
        assert_eq!((next.attempts, &next.steps["ada"]), (1, &settled));
    }
}

pub(super) async fn what_is_not_in_doubt_is_not_resolved(backend: &dyn Backend) {
    for (status, state) in
        [(Status::Done, StepState::Done), (Status::Failed, StepState::Failed), (Status::Done, StepState::Skipped)]
    {
        let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
        (record.status, record.revision) = (status, record.revision + 1);
        record.steps.insert("ada".into(), step(state));
        write(backend, &record).await;
        for resolution in [SENT, Resolution::SendAgain, Resolution::Failed] {
            let resolved = settle(backend, &record.key, "ada", &resolution, moment(1)).await;
            assert_eq!(resolved, Ok(Resolved::NotInDoubt), "{status:?} {state:?}");
        }
        assert_eq!(stored(backend, &record.key).await, record);
    }
}

pub(super) async fn of_what_was_never_tried_nothing_can_be_resolved(backend: &dyn Backend) {
    let record = doubted(backend).await;
    let strangers = [(key_of(backend), "ada"), (record.key.clone(), "nobody")];
    for (key, step) in strangers {
        let resolved = settle(backend, &key, step, &SENT, moment(200)).await;
        assert_eq!(resolved, Err(ResolveError::Unknown(key.step(step))));
    }
    assert_eq!(stored(backend, &record.key).await, record);
}

pub(super) async fn a_step_that_is_being_sent_is_resolved_only_after_its_lease(backend: &dyn Backend) {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    record.revision += 1;
    record.steps.insert("ada".into(), step(StepState::Sending));
    write(backend, &record).await;
    let early = settle(backend, &record.key, "ada", &SENT, moment(59)).await;
    assert_eq!(early, Err(ResolveError::Busy(moment(0) + LEASE)));
    assert_eq!(stored(backend, &record.key).await, record);

    assert_eq!(settle(backend, &record.key, "ada", &SENT, moment(61)).await, Ok(Resolved::Now));
    assert_eq!(stored(backend, &record.key).await.steps["ada"].state, StepState::Done);
    // Whoever was sending comes back from the dead.
    let late = InboxRecord { revision: record.revision + 50, status: Status::InDoubt, ..record.clone() };
    assert_eq!(backend.inbox().write(&late).await, Err(InboxError::Lost));
}

pub(super) async fn of_two_doubts_of_a_job_one_can_be_resolved_and_the_other_stays(backend: &dyn Backend) {
    let mut record = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    (record.status, record.revision, record.lease_until) = (Status::InDoubt, record.revision + 1, record.updated_at);
    for name in ["ada", "björn"] {
        record.steps.insert(name.into(), step(StepState::InDoubt));
    }
    write(backend, &record).await;
    assert_eq!(settle(backend, &record.key, "ada", &SENT, moment(100)).await, Ok(Resolved::Now));
    let after = stored(backend, &record.key).await;
    assert_eq!(after.steps["björn"], record.steps["björn"]);
    assert_eq!(settle(backend, &record.key, "björn", &Resolution::SendAgain, moment(101)).await, Ok(Resolved::Now));
    assert_eq!(stored(backend, &record.key).await.steps["björn"].state, StepState::Pending);
}

pub(super) async fn of_concurrent_resolutions_exactly_one_settles_the_doubt(backend: &dyn Backend) {
    let record = doubted(backend).await;
    let tasks = (0..12).map(|n| {
        let (inbox, rng, key) = (backend.inbox(), backend.rng(), record.key.clone());
        // Proof that it was sent would also settle what another one has just opened to be sent again.
        let resolution = if n % 2 == 0 { Resolution::Failed } else { Resolution::SendAgain };
        tokio::spawn(async move {
            let resolved = resolve(&*inbox, &key, "ada", &resolution, &n.to_string(), moment(200), &*rng).await;
            (n, resolution, resolved)
        })
    });
    let answers: Vec<_> = join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect();
    let (settled, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, _, r)| *r == Ok(Resolved::Now));
    assert_eq!(settled.len(), 1, "{settled:?} {others:?}");
    for (_, _, other) in &others {
        assert!(matches!(other, Ok(Resolved::NotInDoubt) | Err(ResolveError::Busy(_))), "{other:?}");
    }
    let (n, resolution, _) = &settled[0];
    let after = stored(backend, &record.key).await;
    let state = if *resolution == Resolution::Failed { StepState::Failed } else { StepState::Pending };
    assert_eq!((after.steps["ada"].state, after.steps["ada"].reason.as_deref()), (state, Some(&*n.to_string())));
    assert_eq!(after.history.len(), 1, "it was settled once");
}

pub(super) async fn a_doubt_that_is_being_looked_into_is_resolved_only_after_that(backend: &dyn Backend) {
    let record = doubted(backend).await;
    let asking = won(backend, &Claim { reconcile: true, ..claim_of(&record.key, 7, moment(200)) }).await;
    let meanwhile = settle(backend, &record.key, "ada", &SENT, moment(210)).await;
    // Its lease runs: it may be finding out the same, and must be let.
    assert!(matches!(meanwhile, Err(ResolveError::Busy(until)) if until == moment(200) + LEASE), "{meanwhile:?}");
    assert_eq!(stored(backend, &record.key).await, asking);
    assert_eq!(settle(backend, &record.key, "ada", &SENT, moment(261)).await, Ok(Resolved::Now));
    let late = InboxRecord { revision: asking.revision + 1, status: Status::InDoubt, ..asking };
    assert_eq!(backend.inbox().write(&late).await, Err(InboxError::Lost));
}
