//! Letters of all shapes, snapshots over queues that lease, and the verbs that show them.

mod hostile;
mod own;
mod peeking;
mod queue;
mod shapes;
mod taking;
mod verbs;

use std::sync::Mutex;

use bytes::Bytes;
use sendoff_consumers::{Attributes, DeadLetter, DeadLetterKind, DeadLetterQueue};
use sendoff_events::{BlobError, BlobKey, Blobs, BoxFuture};

/// Bodies that stand in the bucket `blobs`.
#[derive(Default)]
pub(crate) struct Bodies(pub(crate) Mutex<std::collections::BTreeMap<String, Bytes>>);

impl Blobs for Bodies {
    fn bucket(&self) -> &str {
        "blobs"
    }

    fn put<'a>(&'a self, key: &'a BlobKey, bytes: Bytes) -> BoxFuture<'a, Result<(), BlobError>> {
        self.0.lock().unwrap().insert(key.to_string(), bytes);
        Box::pin(std::future::ready(Ok(())))
    }

    fn get<'a>(&'a self, key: &'a BlobKey, limit: u64) -> BoxFuture<'a, Result<Bytes, BlobError>> {
        let found = self.0.lock().unwrap().get(key.as_str()).cloned();
        let found = match found {
            None => Err(BlobError::Missing(key.clone())),
            Some(bytes) if bytes.len() as u64 > limit => {
                Err(BlobError::TooLarge { key: key.clone(), bytes: bytes.len() as u64, limit })
            }
            Some(bytes) => Ok(bytes),
        };
        Box::pin(std::future::ready(found))
    }
}

pub(crate) fn queue_of(name: &str, kind: DeadLetterKind) -> DeadLetterQueue {
    DeadLetterQueue {
        name: name.into(),
        kind,
        waiting: 0,
        in_flight: 0,
        retention: None,
        fifo: false,
        untouchable: None,
        facts: None,
    }
}

pub(crate) fn letter(id: &str, body: impl Into<Bytes>, attributes: Attributes) -> DeadLetter {
    DeadLetter {
        message_id: id.into(),
        body: body.into(),
        attributes,
        types: std::collections::BTreeMap::new(),
        receive_count: 5,
        enqueued_at: "2026-11-24T09:06:00Z".parse().unwrap(),
        source: None,
        group: None,
    }
}
