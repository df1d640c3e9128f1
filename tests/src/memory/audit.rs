use sendoff_consumers::{Audit, AuditDigest, AuditEntry, AuditError, AuditNote};
use sendoff_events::BoxFuture;

use super::{NoAnswer, Remote};

/// What people did, as a list.
pub type MemoryAudit = Remote<Vec<AuditEntry>>;

fn unavailable(_: NoAnswer) -> AuditError {
    AuditError::Unavailable("no answer".into())
}

impl Audit for MemoryAudit {
    fn append<'a>(&'a self, note: &'a AuditNote) -> BoxFuture<'a, Result<AuditEntry, AuditError>> {
        let note = note.clone();
        let answer = self.call(move |entries, now| {
            let (previous, seq) = entries.last().map_or((AuditDigest::NONE, 0), |last| (last.digest, last.seq));
            let entry = AuditEntry::after(previous, seq + 1, now, note);
            entries.push(entry.clone());
            entry
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn entries(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, AuditError>> {
        let answer =
            self.call(move |entries, _| entries.iter().filter(|entry| entry.seq > after).take(max).cloned().collect());
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
