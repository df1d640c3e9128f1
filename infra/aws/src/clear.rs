//! Taking away what a load test has left, item by item, by the keys that its report knows. What nobody can name stays until it
//! expires.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest},
};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::IdempotencyKey;
use sendoff_events::{EventId, TenantId};

use crate::{
    CallError, Cause, Store, inbox,
    item::Item,
    outbox,
    publisher::{PAYLOADS, key},
    records::{FACTS, answer_of, hushed, partition, sort_key},
    table::Table,
    tables::{
        inbox::ID,
        records::{PK, SK},
    },
};

/// How many writes `BatchWriteItem` takes
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

    /// Whose one of these events is, of those that the outbox still has; `None` if it has none of them.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the table can't be read.
    pub async fn tenant_of(&self, events: &[EventId]) -> Result<Option<TenantId>, CallError> {
        let places = events.iter().map(|event| outbox::place(*event)).collect();
        let found = self.table().read_all(places, &[outbox::TENANT]).await?;
        Ok(found.iter().find_map(|item| outbox::tenant(item).ok()))
    }

    /// Takes away the records of a tenant in these collections whose ids begin so and are to go. Nothing is left that would count
    /// their versions on, and no reaction hears of it. With `dry` it only counts.
    ///
    /// # Errors
    ///
    /// As [`clear_events`](Self::clear_events).
    pub async fn clear_records(
        &self,
        tenant: &TenantId,
        collections: &[&str],
        prefix: &str,
        is_to_go: &(dyn Fn(&str) -> bool + Sync),
        dry: bool,
    ) -> Result<u64, CallError> {
        let (table, mut records) = (self.table(), 0);
        for collection in collections {
            let mut from = None;
            loop {
                let call = table.client().query().table_name(table.name());
                let mut call = call.key_condition_expression("#0 = :pk AND begins_with(#1, :prefix)");
                for (place, name) in FACTS.into_iter().enumerate() {
                    call = call.expression_attribute_names(format!("#{place}"), name);
                }
                let (pk, sk) = (partition(tenant.as_str(), collection), sort_key(prefix));
                let call = call.expression_attribute_values(":pk", AttributeValue::S(pk));
                let call = call.expression_attribute_values(":prefix", AttributeValue::S(sk));
                let call = call.projection_expression("#0, #1, #2, #3, #4").consistent_read(true);
                let found = call.set_exclusive_start_key(from.take()).send().await;
                let found = found.map_err(|error| CallError::of("dynamodb:Query", table.name(), &error))?;
                let is_own = |item: &Item| {
                    let id = item.optional_text(SK).and_then(|sk| sk.strip_prefix('/'));
                    id.is_some_and(is_to_go)
                };
                let own: Vec<Item> = found.items.into_iter().flatten().map(Item::from).filter(is_own).collect();
                records += own.len() as u64;
                if !dry {
                    let places = own.iter().map(key_of).collect();
                    write_all(&table, own.into_iter().map(hushed).map(Write::Put).collect()).await?;
                    delete(&table, places).await?;
                }
                from = found.last_evaluated_key;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(records)
    }

    /// Takes away the answers to a tenant's requests with these keys. With `dry` it only counts.
    ///
    /// # Errors
    ///
    /// As [`clear_events`](Self::clear_events).
    pub async fn clear_answers(&self, tenant: &TenantId, requests: &[String], dry: bool) -> Result<u64, CallError> {
        let answers = requests.iter().map(|key| answer_of(tenant, key)).collect();
        remove(&self.table(), &[PK, SK], answers, dry).await
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

/// The key of a record's item.
fn key_of(item: &Item) -> Item {
    item.clone().into_attributes().filter(|(name, _)| *name == PK || *name == SK).collect()
}

/// Deletes the items under these keys.
async fn delete(table: &Table, keys: Vec<Item>) -> Result<u64, CallError> {
    let count = keys.len() as u64;
    write_all(table, keys.into_iter().map(Write::Delete).collect()).await?;
    Ok(count)
}

/// What is done to one item.
enum Write {
    Put(Item),
    /// By its key.
    Delete(Item),
}

impl Write {
    fn request(self) -> Result<WriteRequest, BuildError> {
        let request = WriteRequest::builder();
        Ok(match self {
            Self::Put(item) => {
                request.put_request(PutRequest::builder().set_item(Some(item.into_sdk())).build()?).build()
            }
            Self::Delete(key) => {
                request.delete_request(DeleteRequest::builder().set_key(Some(key.into_sdk())).build()?).build()
            }
        })
    }
}

async fn write_all(table: &Table, writes: Vec<Write>) -> Result<(), CallError> {
    let mut batches = Vec::new();
    let mut writes = writes.into_iter().peekable();
    while writes.peek().is_some() {
        batches.push(batch(table, writes.by_ref().take(BATCH).collect()));
    }
    stream::iter(batches).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

async fn batch(table: &Table, writes: Vec<Write>) -> Result<(), CallError> {
    let failed = |cause, message: String| CallError {
        call: "dynamodb:BatchWriteItem",
        resource: table.name().to_owned(),
        cause,
        code: None,
        message,
    };
    let requests = writes.into_iter().map(Write::request).collect::<Result<Vec<_>, _>>();
    let mut left = requests.map_err(|error| failed(Cause::Refused, error.to_string()))?;
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
