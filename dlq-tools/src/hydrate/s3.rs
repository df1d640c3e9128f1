//! The bucket that Lambda writes batches into that it gave up on, records included.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use sendoff_aws::CallError;

use super::{StreamChange, StreamPointer};

/// What the keys of such objects begin with; `MAPPING/SHARD/YYYY/MM/DD/…` follows
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>).
const PREFIX: &str = "aws/lambda/";
/// Lambda gives a function 6 MB at most, and writes it down with escapes.
const LARGEST: i64 = 32 << 20;

/// A batch in the bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The object.
    pub key: String,
    /// Where the batch stood.
    pub pointer: StreamPointer,
    /// Its records.
    pub changes: Vec<StreamChange>,
    /// How many of its records could not be read.
    pub unreadable: usize,
}

/// The keys of batches in the bucket, the oldest of each shard first; those of these shards only, if any are named.
///
/// # Errors
///
/// [`CallError`].
pub async fn keys(client: &Client, bucket: &str, shards: &BTreeSet<&str>) -> Result<Vec<String>, CallError> {
    let (mut keys, mut next) = (Vec::new(), None);
    loop {
        let page = client.list_objects_v2().bucket(bucket).prefix(PREFIX).set_continuation_token(next).send().await;
        let page = page.map_err(|error| CallError::of("s3:ListBucket", bucket, &error))?;
        let named = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        keys.extend(named.filter(|key| shards.is_empty() || key.split('/').any(|part| shards.contains(part))));
        next = page.next_continuation_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(keys);
        }
    }
}

/// The batch in an object; `None` when it holds something else.
///
/// # Errors
///
/// [`CallError`] when it can't be read.
pub async fn read(client: &Client, bucket: &str, key: &str) -> Result<Option<Batch>, CallError> {
    let place = format!("{bucket}/{key}");
    let object = client.get_object().bucket(bucket).key(key).send().await;
    let object = object.map_err(|error| CallError::of("s3:GetObject", &place, &error))?;
    if object.content_length.is_some_and(|bytes| bytes > LARGEST) {
        return Ok(None);
    }
    // What broke off is asked for again by whoever calls again; it is no batch.
    let Ok(body) = object.body.collect().await else { return Ok(None) };
    Ok(StreamPointer::parse(&body.into_bytes()).map(|(pointer, records)| {
        let changes: Vec<_> = records.iter().filter_map(StreamChange::written).collect();
        Batch { key: key.to_owned(), pointer, unreadable: records.len() - changes.len(), changes }
    }))
}
