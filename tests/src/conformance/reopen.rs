//! Inbox: a job that was done and is to run once more because a person wants it to.

use sendoff_consumers::{Class, ReopenError, Status, StepState, reopen};

use super::{
    Backend,
    doubts::doubted,
    given::moment,
    inbox::{claim_of, key_of, step, stored, won, write},
};

pub(super) async fn a_done_job_that_is_reopened_is_claimed_anew_by_a_replay_only(backend: &dyn Backend) {
    let mut done = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    (done.status, done.revision) = (Status::Done, done.revision + 1);
    done.steps.insert("ada".into(), step(StepState::Done));
    write(backend, &done).await;
    for n in 1..=2 {
        reopen(&*backend.inbox(), &done.key, "grace: it went to the old address", moment(n)).await.expect("reopened");
    }
    let open = stored(backend, &done.key).await;
    assert_eq!((open.status, open.steps.len(), open.history.len()), (Status::Failed, 0, 1));
    let last = &open.history[0];
    assert_eq!((last.class, &*last.error, last.at), (Class::Resolved, "grace: it went to the old address", moment(1)));

    let repeated = super::inbox::claim(backend, &claim_of(&done.key, 2, moment(100))).await;
    assert!(matches!(repeated, sendoff_consumers::Claimed::Settled(_)), "a copy that is no replay runs nothing");
    let replay = sendoff_consumers::Claim { replay: 1, ..claim_of(&done.key, 3, moment(100)) };
    let again = won(backend, &replay).await;
    assert_eq!((again.attempts, again.steps.len(), again.replay), (1, 0, 1));
}

pub(super) async fn what_is_in_doubt_failed_or_unknown_is_not_reopened(backend: &dyn Backend) {
    let in_doubt = doubted(backend).await;
    let mut failed = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    (failed.status, failed.revision) = (Status::Failed, failed.revision + 1);
    write(backend, &failed).await;
    let claimed = won(backend, &claim_of(&key_of(backend), 1, moment(0))).await;
    for record in [in_doubt, failed, claimed] {
        let (key, status) = (record.key.clone(), record.status);
        let refused = reopen(&*backend.inbox(), &key, "grace: please", moment(200)).await;
        assert_eq!(refused, Err(ReopenError::NotDone { key: key.clone(), status }));
        assert_eq!(stored(backend, &key).await, record);
    }
    let stranger = key_of(backend);
    let refused = reopen(&*backend.inbox(), &stranger, "grace: please", moment(200)).await;
    assert_eq!(refused, Err(ReopenError::Unknown(stranger)));
}
