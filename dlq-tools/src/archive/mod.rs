//! Keeping letters elsewhere: in archives, from which they can be put back, and in other queues.
//!
//! An archive is JSON Lines compressed with zstd, one letter a line in the order of message ids, and beside it a manifest that says what it
//! is of and how to tell that it is whole. Its name, to people and in the audit, is its SHA-256.

mod anew;
pub mod bodies;
pub mod known;
mod line;
mod lock;
mod look;
mod manifest;
mod mover;
mod moves;
mod place;
mod read;
pub mod taking;
mod write;

pub use lock::lock;
pub use look::look;
pub use manifest::{FORMAT, Manifest};
pub use mover::{Moved, Mover, Source};
pub use moves::Moves;
pub use place::Place;
pub use read::Archive;
use sendoff_consumers::{AuditEntry, AuditNote};
use sendoff_host::{Exit, Stopped};
pub use write::{Writer, Written};

use crate::deployment::Deployment;

/// How many entries of the audit are read at a time.
const PAGE: usize = 500;

/// Writes into the audit that something is about to be done, or what came of it. Names queues, archives and counts, never what letters say.
///
/// # Errors
///
/// When it can't be written: what was about to be done must not be done then.
pub async fn audited(
    deployment: &Deployment,
    who: &str,
    action: &str,
    target: String,
    because: &str,
) -> Result<(), Stopped> {
    let (who, action, because) = (who.to_owned(), action.to_owned(), because.to_owned());
    let note = AuditNote { who, action, event: None, target, because };
    let added = deployment.audit.append(&note).await;
    added.map(drop).map_err(|error| {
        Stopped::new(
            Exit::Unreachable,
            format_args!("`{}` of {} can't be written down: {error}", note.action, note.target),
        )
    })
}

/// Shows every entry of the audit to `see`, in their order.
///
/// # Errors
///
/// When it can't be read.
pub async fn each_audited(deployment: &Deployment, mut see: impl FnMut(AuditEntry)) -> Result<(), Stopped> {
    let mut after = 0;
    loop {
        let page = deployment
            .audit
            .entries(after, PAGE)
            .await
            .map_err(|error| Stopped::new(Exit::Unreachable, format_args!("the audit can't be read: {error}")))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        page.into_iter().for_each(&mut see);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use sendoff_consumers::{Attributes, DeadLetter, DeadLetterKind, DeadLetterQueue};
    use sendoff_events::Timestamp;

    use super::*;
    use crate::letter::{Letter, decode};

    pub(crate) fn letter(n: usize, body: &[u8]) -> Letter {
        let message = DeadLetter {
            message_id: format!("{n:08}"),
            body: bytes::Bytes::copy_from_slice(body),
            attributes: Attributes::from([("type".into(), "x.y.v1".into()), ("n".into(), n.to_string())]),
            types: BTreeMap::from([("n".into(), "Number".into())]),
            receive_count: 3,
            enqueued_at: Timestamp::from_second(n as i64).unwrap(),
            source: None,
            group: Some("acme".into()),
        };
        let queue = DeadLetterQueue {
            name: "email-dlq".into(),
            kind: DeadLetterKind::Consumer("email".into()),
            waiting: 0,
            in_flight: 0,
            retention: None,
            fifo: false,
            untouchable: None,
            facts: None,
        };
        let facts = decode(&message, &queue);
        Letter { message, facts, payload: None, ledger: None, edit: None }
    }

    pub(crate) fn manifest(written: &Written) -> Manifest {
        Manifest {
            format: FORMAT,
            written_by: "0.1.0".into(),
            deployment: "a test".into(),
            queue: "email-dlq".into(),
            selection: vec![],
            snapshot_at: Timestamp::UNIX_EPOCH,
            by: "grace".into(),
            at: Timestamp::UNIX_EPOCH,
            count: written.count,
            first: written.first,
            last: written.last,
            bytes: written.bytes,
            hash: written.hash.clone(),
            lines_hash: written.lines_hash.clone(),
        }
    }
}
