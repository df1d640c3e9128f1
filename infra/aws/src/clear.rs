//! Taking away what a load test has left, item by item, by the keys that its report knows. What nobody can name stays until it
//! expires.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::IdempotencyKey;
use sendoff_events::{EventId, TenantId};

use crate::{
    CallError, Cause, Store, inbox,
    item::Item,
    outbox,
    publisher::{PAYLOADS, key},
    records::{answer_of, partition},
    table::Table,
    tables::{
        inbox::ID,
        records::{PK, SK},
    },
};

/// How many deletions `BatchWriteItem` takes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH: usize = 25;
/// How many objects `DeleteObjects` takes (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
const OBJECTS: usize = 1000;
/// How often what DynamoDB left over is sent again.
const TRIES: u32 = 10;
/// How many calls are under way at a time.
const AT_ONCE: usize = 8;

/// How many items were taken away, by the kind of thing that they were.
pub type Cleared = BTreeMap<&'static str, u64>;

impl Store {
    /// Takes away what stands under these events in the outbox, and in the inbox of these consumers. With `dry` it only counts.
    ///
    /// # Errors
    ///
    /// [`CallError`] of the first call that failed; what was taken away by then stays away, and calling it again goes on.
    pub async fn clear_events(
        &self,
        events: &[EventId],
        consumers: &[String],
        dry: bool,
    ) -> Result<Cleared, CallError> {
        let stored = events.iter().map(|event| outbox::place(*event)).collect();
        let jobs = events.iter().flat_map(|event| consumers.iter().map(|name| IdempotencyKey::new(name, *event)));
        let jobs = jobs.map(|key| inbox::place(&key)).collect();
        let mut cleared = Cleared::new();
        cleared.insert("events", remove(&self.table(), &[PK, SK], stored, dry).await?);
        cleared.insert("inbox records", remove(&self.inbox_table(), &[ID], jobs, dry).await?);
        Ok(cleared)
    }

    /// Takes away all records of a tenant in these collections, and the answers to its requests with these keys. Nothing is left
    /// that would count their versions on. With `dry` it only counts.
    ///
    /// # Errors
    ///
    /// As [`clear_events`](Self::clear_events).
    pub async fn clear_tenant(
        &self,
        tenant: &TenantId,
        collections: &[&str],
        requests: &[String],
        dry: bool,
    ) -> Result<Cleared, CallError> {
        let (table, mut cleared) = (self.table(), Cleared::new());
        let mut records = 0;
        for collection in collections {
            let mut from = None;
            loop {
                let query = table.client().query().table_name(table.name()).key_condition_expression("#pk = :pk");
                let query = query.expression_attribute_names("#pk", PK).expression_attribute_names("#sk", SK);
                let partition = AttributeValue::S(partition(tenant.as_str(), collection));
                let query = query.expression_attribute_values(":pk", partition).projection_expression("#pk, #sk");
                let found = query.consistent_read(true).set_exclusive_start_key(from.take()).send().await;
                let found = found.map_err(|error| CallError::of("dynamodb:Query", table.name(), &error))?;
                let keys: Vec<Item> = found.items.into_iter().flatten().map(Item::from).collect();
                records += if dry { keys.len() as u64 } else { delete(&table, keys).await? };
                from = found.last_evaluated_key;
                if from.is_none() {
                    break;
                }
            }
        }
        cleared.insert("records", records);
        let answers = requests.iter().map(|key| answer_of(tenant, key)).collect();
        cleared.insert("answers", remove(&table, &[PK, SK], answers, dry).await?);
        Ok(cleared)
    }
}

impl Store {
    /// Takes away the bodies that these events have in the bucket. With `dry` it only counts.
    ///
    /// # Errors
    ///
    /// As [`clear_events`](Self::clear_events).
    pub async fn clear_payloads(&self, events: &[EventId], dry: bool) -> Result<u64, CallError> {
        let found = self.payloads(&events.iter().map(|event| key(*event)).collect()).await?;
        if !dry {
            for some in found.chunks(OBJECTS) {
                self.delete_objects(some).await?;
            }
        }
        Ok(found.len() as u64)
    }

    /// Those of the keys that there is something under. Ids of events are in the order of time, so that the bucket's list is read
    /// only from the first of them to the last.
    async fn payloads(&self, keys: &BTreeSet<String>) -> Result<Vec<String>, CallError> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Vec::new()) };
        // The list begins after a key, and the first one is to be in it.
        let before = &first[..first.len() - 1];
        let (bucket, mut found, mut from) = (&self.resources.bucket, Vec::new(), None);
        loop {
            let call = self.aws.s3().list_objects_v2().bucket(bucket).prefix(PAYLOADS).start_after(before);
            let page = call.set_continuation_token(from.take()).send().await;
            let page = page.map_err(|error| CallError::of("s3:ListBucket", bucket, &error))?;
            let listed: Vec<String> = page.contents.into_iter().flatten().filter_map(|object| object.key).collect();
            let is_over = listed.last().is_none_or(|key| key >= last);
            found.extend(listed.into_iter().filter(|key| keys.contains(key)));
            from = page.next_continuation_token;
            if is_over || from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn delete_objects(&self, keys: &[String]) -> Result<(), CallError> {
        let (call, bucket) = ("s3:DeleteObject", &self.resources.bucket);
        let failed = |cause, code, message| CallError { call, resource: bucket.clone(), cause, code, message };
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<_, _>>();
        let objects = objects.map_err(|error| failed(Cause::Refused, None, error.to_string()))?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(|error| failed(Cause::Refused, None, error.to_string()))?;
        let told = self.aws.s3().delete_objects().bucket(bucket).delete(delete).send().await;
        match told.map_err(|error| CallError::of(call, bucket, &error))?.errors.unwrap_or_default().pop() {
            None => Ok(()),
            Some(error) => {
                let what = error.key.unwrap_or_default();
                let message = format!("`{what}` can't be deleted: {}", error.message.unwrap_or_default());
                Err(failed(Cause::Unknown, error.code, message))
            }
        }
    }
}

/// Deletes those of the items that are there, and counts them.
async fn remove(table: &Table, key: &[&str], places: Vec<Item>, dry: bool) -> Result<u64, CallError> {
    let found = table.read_all(places, key).await?;
    if dry { Ok(found.len() as u64) } else { delete(table, found).await }
}

/// Deletes the items under these keys.
async fn delete(table: &Table, keys: Vec<Item>) -> Result<u64, CallError> {
    let count = keys.len() as u64;
    let mut batches = Vec::new();
    let mut keys = keys.into_iter().map(Item::into_sdk).peekable();
    while keys.peek().is_some() {
        batches.push(batch(table, keys.by_ref().take(BATCH).collect()));
    }
    stream::iter(batches).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(count)
}

async fn batch(table: &Table, keys: Vec<HashMap<String, AttributeValue>>) -> Result<(), CallError> {
    let failed = |cause, message: String| CallError {
        call: "dynamodb:BatchWriteItem",
        resource: table.name().to_owned(),
        cause,
        code: None,
        message,
    };
    let request = |key| {
        let delete = DeleteRequest::builder().set_key(Some(key)).build();
        delete.map(|delete| WriteRequest::builder().delete_request(delete).build())
    };
    let mut left = keys
        .into_iter()
        .map(request)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(Cause::Refused, error.to_string()))?;
    for tries in 1..=TRIES {
        let sent = table.client().batch_write_item().request_items(table.name(), left).send().await;
        let answer = sent.map_err(|error| CallError::of("dynamodb:BatchWriteItem", table.name(), &error))?;
        left = answer.unprocessed_items.into_iter().flatten().flat_map(|(_, rest)| rest).collect();
        if left.is_empty() {
            return Ok(());
        }
        table.pause(tries).await;
    }
    Err(failed(Cause::Throttled, format!("{} items were left over in {TRIES} tries", left.len())))
}
