//! The inbox records. A fresh claim is one conditional write, and so is a write; what stands in its way comes back with the
//! refusal, so nothing is read before.

mod item;
mod powertools;

use std::sync::Arc;

use aws_sdk_dynamodb::{
    operation::put_item::builders::PutItemFluentBuilder, types::ReturnValuesOnConditionCheckFailure,
};
use sendoff_consumers::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, transition};
use sendoff_events::{BoxFuture, at_millis};

use crate::{
    CallError, Store,
    item::{Attribute, Damage, Item},
    table::Table,
    tables::inbox::{EXPIRATION, ID},
};
pub(crate) use item::place;
use item::{FENCE, IN_PROGRESS_EXPIRATION, REVISION, STATUS};
use powertools::Foreign;

/// How often a claim is tried. Each time but the last, somebody else changed the record in between, which means that they
/// hold it: the next answer is that it is busy.
const TRIES: u32 = 10;

/// [`Inbox`] over the table of inbox records.
pub(crate) struct DynamoInbox {
    table: Table,
}

impl Store {
    /// The idempotency records.
    #[must_use]
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.dynamo_inbox())
    }

    pub(crate) fn dynamo_inbox(&self) -> DynamoInbox {
        DynamoInbox { table: self.inbox_table() }
    }

    /// The table of inbox records and of what stands beside them.
    pub(crate) fn inbox_table(&self) -> Table {
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        Table::new(self.aws.clone(), &self.resources.inbox_table, clock, rng)
    }
}

/// What a conditional put came to.
enum Put {
    Stored,
    /// This stands there instead.
    Refused(Option<Item>),
}

impl DynamoInbox {
    fn put(&self, record: &InboxRecord) -> Result<PutItemFluentBuilder, InboxError> {
        let item = item::item(record).map_err(|damage| self.damaged(&record.key, &damage))?;
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item.into_sdk()));
        Ok(put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    async fn send(&self, put: PutItemFluentBuilder) -> Result<Put, InboxError> {
        let error = match put.send().await {
            Ok(_) => return Ok(Put::Stored),
            Err(error) => error,
        };
        if let Some(refused) = error.as_service_error()
            && let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(refused) =
                refused
        {
            return Ok(Put::Refused(refused.item().filter(|item| !item.is_empty()).cloned().map(Item::from)));
        }
        let error = CallError::of("dynamodb:PutItem", self.table.name(), &error);
        Err(InboxError::Unavailable(error.to_string()))
    }

    /// Claims on the ground that most claims have, an empty place, and on what is found there from then on.
    async fn decide(&self, claim: &Claim) -> Result<Claimed, InboxError> {
        let mut stored = None;
        for _ in 0..TRIES {
            let (answer, changed) = self.rule(stored.as_ref(), claim)?;
            let Some(changed) = changed else { return Ok(answer) };
            let put = still(self.put(&changed)?, stored.as_ref());
            match self.send(put).await? {
                Put::Stored => return Ok(answer),
                Put::Refused(found) => stored = found,
            }
        }
        let table = self.table.name();
        Err(InboxError::Unavailable(format!("`{}` in table `{table}` changes all the time", claim.key)))
    }

    fn rule(&self, stored: Option<&Item>, claim: &Claim) -> Result<(Claimed, Option<InboxRecord>), InboxError> {
        match stored {
            None => Ok(transition::claim(None, claim)),
            Some(item) if item::is_ours(item) => {
                let record = item::record(&claim.key, item).map_err(|damage| self.damaged(&claim.key, &damage))?;
                Ok(transition::claim(Some(record), claim))
            }
            Some(item) => Ok(Foreign::of(item).claim(claim)),
        }
    }

    async fn replace(&self, record: &InboxRecord) -> Result<(), InboxError> {
        let put = self
            .put(record)?
            .condition_expression("#fence = :fence AND #revision < :revision")
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_values(":fence", Attribute::N(record.fence.to_string()).into())
            .expression_attribute_values(":revision", Attribute::N(record.revision.to_string()).into());
        let stored = match self.send(put).await? {
            Put::Stored => return Ok(()),
            Put::Refused(stored) => stored,
        };
        // Nothing was changed: because a later write of the same claim came first, or because the claim was lost.
        match stored {
            Some(item) if item.number::<u64>(FENCE) == Ok(record.fence) => Ok(()),
            _ => Err(InboxError::Lost),
        }
    }

    async fn read(&self, key: &IdempotencyKey) -> Result<Option<InboxRecord>, InboxError> {
        let found = self.table.read(item::place(key)).await;
        match found.map_err(|error| InboxError::Unavailable(error.to_string()))? {
            None => Ok(None),
            Some(item) => self.decode(key, &item).map(Some),
        }
    }

    /// The record in an item, whoever wrote it.
    pub(crate) fn decode(&self, key: &IdempotencyKey, item: &Item) -> Result<InboxRecord, InboxError> {
        if !item::is_ours(item) {
            return Ok(Foreign::of(item).record(key));
        }
        item::record(key, item).map_err(|damage| self.damaged(key, &damage))
    }

    fn damaged(&self, key: &IdempotencyKey, damage: &Damage) -> InboxError {
        InboxError::Unavailable(format!("the record of `{key}` in table `{}` is damaged: {damage}", self.table.name()))
    }
}

/// Puts only if what stands there is still this.
fn still(put: PutItemFluentBuilder, stored: Option<&Item>) -> PutItemFluentBuilder {
    let Some(stored) = stored else {
        return put.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", ID);
    };
    // Ours is told by fence and revision; a Powertools library changes these of its own, and leaves ours absent.
    let telling: &[&str] = match item::is_ours(stored) {
        true => &[FENCE, REVISION],
        false => &[FENCE, STATUS, EXPIRATION, IN_PROGRESS_EXPIRATION],
    };
    let mut conditions = Vec::with_capacity(telling.len());
    let mut put = put;
    for (n, name) in telling.iter().enumerate() {
        put = put.expression_attribute_names(format!("#a{n}"), *name);
        match stored.get(name) {
            Some(value) => {
                put = put.expression_attribute_values(format!(":a{n}"), value.clone().into());
                conditions.push(format!("#a{n} = :a{n}"));
            }
            None => conditions.push(format!("attribute_not_exists(#a{n})")),
        }
    }
    put.condition_expression(conditions.join(" AND "))
}

impl Inbox for DynamoInbox {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        // Kept, and therefore also answered, in milliseconds.
        let claim = Claim { now: at_millis(claim.now), lease_until: at_millis(claim.lease_until), ..claim.clone() };
        Box::pin(async move { self.decide(&claim).await })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(self.replace(record))
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        Box::pin(self.read(key))
    }
}
