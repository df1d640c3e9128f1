use std::collections::HashMap;

use bytes::Bytes;
use sendoff_events::{BlobError, BlobKey, Blobs, BoxFuture};

use super::{NoAnswer, Remote};

/// The stored blobs.
pub type BlobsState = HashMap<BlobKey, Bytes>;

/// Blobs in memory.
pub struct MemoryBlobs(pub Remote<BlobsState>);

impl MemoryBlobs {
    /// Its name in pointers.
    pub const BUCKET: &'static str = "memory";
}

fn unavailable(_: NoAnswer) -> BlobError {
    BlobError::Unavailable("no answer".into())
}

impl Blobs for MemoryBlobs {
    fn bucket(&self) -> &str {
        Self::BUCKET
    }

    fn put<'a>(&'a self, key: &'a BlobKey, bytes: Bytes) -> BoxFuture<'a, Result<(), BlobError>> {
        let key = key.clone();
        let answer = self.0.call(move |blobs, _| blobs.insert(key, bytes));
        Box::pin(async move { answer.await.map(drop).map_err(unavailable) })
    }

    fn get<'a>(&'a self, key: &'a BlobKey, limit: u64) -> BoxFuture<'a, Result<Bytes, BlobError>> {
        let wanted = key.clone();
        let answer = self.0.call(move |blobs, _| blobs.get(&wanted).cloned());
        Box::pin(async move {
            let found = answer.await.map_err(unavailable)?.ok_or_else(|| BlobError::Missing(key.clone()))?;
            let bytes = found.len() as u64;
            if bytes > limit { Err(BlobError::TooLarge { key: key.clone(), bytes, limit }) } else { Ok(found) }
        })
    }
}
