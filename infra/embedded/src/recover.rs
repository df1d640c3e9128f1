//! What a process that vanished has left behind. Only one process serves a folder, so at its start nobody holds the leases
//! and claims that stand there: they can end at once instead of running out.
//!
//! This only saves time. A claim that is taken over gets a new fence, and what was being sent is in doubt, as ever.

use rusqlite::params;
use sendoff_consumers::{
    IdempotencyKey, WORKFLOW_STEPS,
    action::{approval_record_keys, record_keys},
};
use sendoff_events::{AnyEnvelope, WorkflowStep};
use sendoff_producers::model::{Approval, approval_key};

use crate::{
    db::{
        Tx,
        statements::{Run as _, statements},
    },
    inbox, rewound,
};

statements! {
    QUEUES = "SELECT id, name FROM queues WHERE source IS NULL";
    END_CLAIMS = "UPDATE inbox SET lease_until = ?2 WHERE consumer = ?3 AND status = 0 AND lease_until > ?2
        AND event IN (SELECT e.id FROM messages m JOIN events e ON e.seq = m.event WHERE m.queue = ?1 AND m.receives > 0)";
    // Messages with a body of their own: those that carry workflows on.
    END_OWN_CLAIMS = "UPDATE inbox SET lease_until = ?2 WHERE consumer = ?3 AND status = 0 AND lease_until > ?2
        AND event IN (SELECT unhex(CAST(m.body AS TEXT) ->> 'id', '-') FROM messages m
            WHERE m.queue = ?1 AND m.receives > 0 AND m.event IS NULL AND json_valid(CAST(m.body AS TEXT)))";
    HELD_BODIES = "SELECT body FROM messages WHERE queue = ?1 AND receives > 0 AND event IS NULL";
    ASKED = "SELECT data FROM records WHERE tenant = ?1 AND collection = ?2 AND id = ?3";
    END_LEASES = "UPDATE messages SET visible_at = ?2, held = 0 WHERE queue = ?1 AND visible_at > ?2 AND held = 1
        AND failure IS NULL";
}

/// Ends every lease of a message, and every claim on one that was delivered. Gives how many leases it has ended. Dead letters are
/// leased to guests of the folder, who may well be alive.
pub(crate) fn recover(tx: &Tx<'_>) -> rusqlite::Result<u64> {
    rewound::look(tx)?;
    let queues: Vec<(i64, String)> = tx.all(QUEUES, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut ended = 0;
    for (queue, name) in queues {
        tx.run(END_CLAIMS, params![queue, tx.now, name])?;
        tx.run(END_OWN_CLAIMS, params![queue, tx.now, name])?;
        if name == WORKFLOW_STEPS {
            end_claims_of_actions(tx, queue)?;
        }
        ended += tx.run(END_LEASES, params![queue, tx.now])? as u64;
        tx.wake(queue);
    }
    Ok(ended)
}

/// Ends the claims of what the steps of runs were at: an action has a record of its own, under a key that follows from its step.
fn end_claims_of_actions(tx: &Tx<'_>, queue: i64) -> rusqlite::Result<()> {
    let bodies: Vec<Vec<u8>> = tx.all(HELD_BODIES, [queue], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))?;
    for body in bodies {
        for key in action_keys(tx, &body)? {
            inbox::end_claim(tx, &key)?;
        }
    }
    Ok(())
}

/// The keys that the step in the message may have been at work under. Of a body that isn't ours there are none.
fn action_keys(tx: &Tx<'_>, body: &[u8]) -> rusqlite::Result<Vec<IdempotencyKey>> {
    let Ok(step) = AnyEnvelope::decode(body).and_then(AnyEnvelope::into_event::<WorkflowStep>) else {
        return Ok(Vec::new());
    };
    let (tenant, WorkflowStep { run, instance, .. }) = (&step.header.tenant, &step.data);
    let call = format!("{run}/{instance}");
    let mut keys: Vec<IdempotencyKey> = record_keys(tenant, &call).collect();
    let asked = approval_key(tenant, run, instance);
    let asked: Option<Option<String>> =
        tx.one(ASKED, params![tenant.as_str(), asked.collection, asked.id], |row| row.get(0))?;
    let asked = asked.flatten().and_then(|data| serde_json::from_str::<Approval>(&data).ok());
    keys.extend(asked.iter().flat_map(|asked| approval_record_keys(tenant, &call, asked)));
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sendoff_consumers::{Claim, Claimed, IdempotencyKey};
    use sendoff_events::Clock as _;

    use crate::tests::{Bench, receive};

    #[tokio::test]
    async fn what_a_vanished_process_held_is_free_at_once_and_its_receipts_are_stale() {
        let bench = Bench::new();
        let queue = bench.subscribed("email").await;
        let event = bench.event("crm", None);
        let key = IdempotencyKey::new("email", event.id());
        bench.store.publisher().publish(&[event]).await.remove(0).unwrap();
        let held = receive(&*queue, 1).await.remove(0);
        let claim = |fence| Claim {
            key: key.clone(),
            fence,
            payload_hash: [0; 32],
            replay: 0,
            now: bench.clock.now(),
            lease_until: bench.clock.now() + Duration::from_secs(300),
            reconcile: false,
        };
        assert!(matches!(bench.store.inbox().claim(&claim(1)).await, Ok(Claimed::Won(_))));
        assert!(matches!(bench.store.inbox().claim(&claim(2)).await, Ok(Claimed::Busy { .. })));
        assert!(receive(&*queue, 1).await.is_empty());

        assert_eq!(bench.store.recover().await, Ok(1));

        assert_eq!(receive(&*queue, 1).await.len(), 1);
        let Ok(Claimed::Won(taken_over)) = bench.store.inbox().claim(&claim(2)).await else {
            panic!("the claim is free");
        };
        assert_eq!(taken_over.attempts, 2);
        assert!(queue.ack(&[held.receipt]).await.remove(0).is_err());
    }
}
