use std::collections::BTreeMap;

use sendoff_consumers::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, StepState, transition};
use sendoff_events::BoxFuture;

use super::{NoAnswer, Planted, Remote};

/// The inbox as a map.
pub type MemoryInbox = Remote<BTreeMap<IdempotencyKey, InboxRecord>>;

fn unavailable(_: NoAnswer) -> InboxError {
    InboxError::Unavailable("no answer".into())
}

impl Inbox for MemoryInbox {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        let (claim, planted) = (claim.clone(), self.planted);
        let answer = self.call(move |records, _| {
            let mut stored = records.get(&claim.key).cloned();
            if planted == Some(Planted::ForgetsSending)
                && let Some(record) = &mut stored
            {
                record.steps.retain(|_, step| step.state != StepState::Sending);
            }
            let (answer, changed) = transition::claim(stored, &claim);
            if let Some(record) = changed {
                records.insert(claim.key.clone(), record);
            }
            answer
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        let (record, planted) = (record.clone(), self.planted);
        let answer = self.call(move |records, _| {
            if planted == Some(Planted::UnfencedInbox) {
                records.insert(record.key.clone(), record);
                return Ok(());
            }
            if transition::write(records.get(&record.key), &record)? {
                records.insert(record.key.clone(), record);
            }
            Ok(())
        });
        Box::pin(async move { answer.await.map_err(unavailable)? })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        let key = key.clone();
        let answer = self.call(move |records, _| records.get(&key).cloned());
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
