//! Inbox: what is written, also when it comes late, twice, from the wrong worker or from many at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use sendoff_consumers::{
    Attempt, Claim, Claimed, Class, IdempotencyKey, Inbox, InboxError, InboxRecord, Status, Step, StepState, transition,
};
use sendoff_events::{Rng, Timestamp};

use super::{
    Backend,
    given::{event_id, moment},
    inbox::{LEASE, claim_of, key_of, step, stored, won, write},
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
    let mut given = Given::of(backend, 2);
    for _ in 0..200 {
        for (lane, asked) in given.round() {
            given.expect(lane, asked.ask(&*backend.inbox()).await, &asked);
            given.check(backend).await;
        }
    }
}

pub(super) async fn whatever_is_asked_at_once_the_answers_are_those_of_the_rules(backend: &dyn Backend) {
    let (mut given, inbox) = (Given::of(backend, 30), backend.inbox());
    for _ in 0..30 {
        let asked = given.round();
        let answers = join_all(asked.iter().map(|(_, asked)| asked.ask(&*inbox))).await;
        for ((lane, asked), answer) in asked.iter().zip(answers) {
            given.expect(*lane, answer, asked);
        }
        given.check(backend).await;
    }
}

/// What may be asked of an inbox, and what the rules make of it, for each of some keys.
struct Given {
    rng: Arc<dyn Rng>,
    now: Timestamp,
    keys: Vec<(IdempotencyKey, Option<InboxRecord>)>,
    /// Every record that any worker ever held.
    seen: Vec<Vec<InboxRecord>>,
}

enum Asked {
    Claim(Claim),
    Write(Box<InboxRecord>),
}

#[derive(Debug, PartialEq)]
enum Answered {
    Claim(Result<Claimed, InboxError>),
    Write(Result<(), InboxError>),
}

impl Asked {
    async fn ask(&self, inbox: &dyn Inbox) -> Answered {
        match self {
            Self::Claim(claim) => Answered::Claim(inbox.claim(claim).await),
            Self::Write(record) => Answered::Write(inbox.write(record).await),
        }
    }
}

impl Given {
    fn of(backend: &dyn Backend, keys: usize) -> Self {
        Self {
            rng: Arc::new(crate::simulation::World::new(20_261_124).rng()),
            now: moment(0),
            keys: (0..keys).map(|_| (key_of(backend), None)).collect(),
            seen: vec![Vec::new(); keys],
        }
    }

    fn draw(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    /// One thing for each key.
    fn round(&mut self) -> Vec<(usize, Asked)> {
        self.now += Duration::from_secs(self.draw(80));
        (0..self.keys.len()).map(|lane| (lane, self.asked(lane))).collect()
    }

    fn asked(&self, lane: usize) -> Asked {
        let seen = &self.seen[lane];
        if seen.is_empty() || self.draw(2) == 0 {
            return Asked::Claim(Claim {
                replay: self.draw(3) as u32,
                payload_hash: if self.draw(12) == 0 { [8; 32] } else { [7; 32] },
                reconcile: self.draw(4) == 0,
                ..claim_of(&self.keys[lane].0, self.draw(1000), self.now)
            });
        }
        // Any of these records, changed in any way.
        let mut record = seen[self.draw(seen.len() as u64) as usize].clone();
        record.revision += self.draw(4);
        record.status =
            [Status::Claimed, Status::Claimed, Status::Done, Status::Failed, Status::InDoubt][self.draw(5) as usize];
        record.expires_at = matches!(record.status, Status::Done | Status::Failed)
            .then(|| self.now + Duration::from_secs(self.draw(200)));
        let state = [StepState::Sending, StepState::InDoubt, StepState::Failed, StepState::Done][self.draw(4) as usize];
        record.steps.insert(self.draw(3).to_string(), step(state));
        if self.draw(4) == 0 {
            record.steps.clear();
        }
        Asked::Write(Box::new(record))
    }

    /// What the rules say to what was asked, beside what was answered.
    fn expect(&mut self, lane: usize, answered: Answered, asked: &Asked) {
        let stored = &mut self.keys[lane].1;
        let expected = match asked {
            Asked::Claim(claim) => {
                let (expected, changed) = transition::claim(stored.clone(), claim);
                if let Claimed::Won(record) = &expected {
                    self.seen[lane].push(record.clone());
                }
                if changed.is_some() {
                    *stored = changed;
                }
                Answered::Claim(Ok(expected))
            }
            Asked::Write(record) => {
                let expected = transition::write(stored.as_ref(), record);
                if expected == Ok(true) {
                    *stored = Some((**record).clone());
                }
                self.seen[lane].push((**record).clone());
                Answered::Write(expected.map(drop))
            }
        };
        assert_eq!(answered, expected);
    }

    async fn check(&self, backend: &dyn Backend) {
        for (key, record) in &self.keys {
            assert_eq!(backend.inbox().get(key).await, Ok(record.clone()));
        }
    }
}
