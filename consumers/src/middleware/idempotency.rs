//! The inbox protocol around an attempt: claim, run, settle.

use std::{sync::Arc, time::Duration};

use sendoff_events::{Clock, Rng, Timestamp, at_millis};

use super::{Ended, judge::Court};
use crate::{
    Backoff, Claim, Claimed, Context, Effect, IdempotencyKey, Inbox, InboxError, InboxRecord, Meter, OnDoubt, Policy,
    Status, Verdict, inbox::insist, moments::later,
};

/// How much longer a claim lasts than its attempt may take: time to settle it.
const SETTLE_MARGIN: Duration = Duration::from_secs(10);

/// When a delivery comes again whose key another attempt has claimed. It may be over at any moment, and at the latest when its
/// claim is: between the two a look costs a receive and a call of the inbox.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };

/// What the guard needs to know of a delivery.
pub(crate) struct Guard<'a> {
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) rng: &'a Arc<dyn Rng>,
    pub(crate) inbox: &'a Arc<dyn Inbox>,
    pub(crate) policy: Policy,
    pub(crate) key: IdempotencyKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) replay: u32,
    pub(crate) deliveries: u32,
    pub(crate) keep: Duration,
    /// Of a load test: who counts what goes to the sink, since nothing leaves the system.
    pub(crate) sink: Option<&'a Arc<dyn Meter>>,
}

/// Runs `attempt` if its key can be claimed, and settles the claim by how it ended.
///
/// Fails closed: without a claim nothing runs. The inbox is written before the message is touched, so whatever crashes in
/// between, the next delivery finds what was done.
pub(crate) async fn guard<F, Fut>(guard: Guard<'_>, attempt: F) -> Verdict
where
    F: FnOnce(Arc<Context>) -> Fut,
    Fut: Future<Output = Ended>,
{
    let now = at_millis(guard.clock.now());
    let claim = Claim {
        key: guard.key.clone(),
        fence: guard.rng.next_u64() >> 1,
        payload_hash: guard.payload_hash,
        replay: guard.replay,
        now,
        lease_until: later(now, guard.policy.timeout.saturating_add(SETTLE_MARGIN)),
        reconcile: guard.reconciles(),
    };
    let record = match insist(&**guard.clock, &**guard.rng, || guard.inbox.claim(&claim)).await {
        Ok(Claimed::Won(mut record)) => {
            guard.court(false).take_over(&mut record);
            record
        }
        Ok(Claimed::Busy { until }) => {
            let at_most = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            let after = AGAIN.delay(guard.deliveries, &**guard.rng).min(at_most);
            return Verdict::Snooze { after, pause: false };
        }
        Ok(Claimed::Settled(record)) => return guard.settled(&record),
        Ok(Claimed::Mismatch) => return guard.mismatch(now),
        Err(error) => return guard.unreachable(&error),
    };
    let crash_loop = record.attempts > guard.policy.max_attempts;
    let (clock, rng, inbox) = (guard.clock.clone(), guard.rng.clone(), guard.inbox.clone());
    let (policy, deliveries, sink) = (guard.policy, guard.deliveries, guard.sink.cloned());
    let context = Arc::new(Context::new(clock, rng, inbox, policy, record, deliveries, sink));
    let settled = if crash_loop {
        context.settle(|record, _| guard.court(false).exhausted_by_crashes(record)).await
    } else {
        let ended = attempt(context.clone()).await;
        context.settle(|record, is_unknown| guard.court(is_unknown).judge(record, ended)).await
    };
    match settled {
        Ok(verdict) => verdict,
        Err(InboxError::Lost) => Verdict::Superseded,
        Err(error) => guard.unreachable(&error),
    }
}

impl Guard<'_> {
    /// Whether a doubt is looked into at each delivery: whoever holds waits for news of it. Who sends again has no use for any
    /// once the attempts are used up.
    fn reconciles(&self) -> bool {
        matches!((self.policy.effect, self.policy.on_doubt), (Effect::Once, OnDoubt::Hold { .. }))
    }

    /// Who judges an attempt; whether nobody knows what became of an effect of it.
    fn court(&self, is_unknown: bool) -> Court<'_> {
        Court {
            policy: &self.policy,
            rng: &**self.rng,
            now: at_millis(self.clock.now()),
            is_unknown,
            deliveries: self.deliveries,
            keep: self.keep,
        }
    }

    /// The key has ended before: a duplicate, or a dead letter whose move was lost.
    fn settled(&self, record: &InboxRecord) -> Verdict {
        let court = self.court(false);
        match (record.status, self.policy.on_doubt) {
            (Status::Done, _) => Verdict::Ack { duplicate: true },
            (Status::InDoubt, OnDoubt::Hold { window }) => court.held(record, window),
            (Status::InDoubt | Status::Failed | Status::Claimed, _) => {
                Verdict::DeadLetter(Box::new(court.failure_of(record)))
            }
        }
    }

    fn mismatch(&self, now: Timestamp) -> Verdict {
        let error = format!("{} was used before for a message with another body", self.key);
        Verdict::DeadLetter(Box::new(crate::Failure {
            reason: "idempotency-mismatch".into(),
            class: crate::Class::Rejected,
            fingerprint: crate::fingerprint("idempotency-mismatch", ""),
            consumer: self.key.consumer().to_owned(),
            attempts: 0,
            first_at: now,
            last_at: now,
            error,
        }))
    }

    fn unreachable(&self, error: &InboxError) -> Verdict {
        tracing::warn!(%error, key = %self.key, "the inbox can't be reached; the message waits");
        Verdict::Snooze { after: self.policy.deferral.delay(self.deliveries, &**self.rng), pause: true }
    }
}
