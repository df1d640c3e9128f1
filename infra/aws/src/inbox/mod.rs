//! The inbox records. A fresh claim is one conditional write, and so is a write; what stands in its way comes back with the
//! refusal, so nothing is read before.

mod item;
mod powertools;
mod together;
#[cfg(test)]
mod together_tests;

use std::sync::Arc;

use aws_sdk_dynamodb::{
    operation::put_item::builders::PutItemFluentBuilder, types::ReturnValuesOnConditionCheckFailure,
};
use sendoff_consumers::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, transition};
use sendoff_events::{BoxFuture, Timestamp, at_millis};

use crate::{
    CallError, Store,
    item::{Attribute, Damage, Item},
    table::Table,
    tables::inbox::{EXPIRATION, ID},
};
pub(crate) use item::place;
use item::{FENCE, FIRST_AT, IN_PROGRESS_EXPIRATION, REVISION, STATUS, UPDATED_AT};
use powertools::Foreign;
use together::{Answer, Together, Write};

/// How often a claim is tried. Each time but the last, somebody else changed the record in between, which means that they
/// hold it: the next answer is that it is busy.
const TRIES: u32 = 10;

/// [`Inbox`] over the table of inbox records.
struct DynamoInbox {
    table: Table,
    together: Together,
}

impl Store {
    /// The idempotency records.
    #[must_use]
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        let table = self.inbox_table();
        Arc::new(DynamoInbox { together: Together::new(table.clone()), table })
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
    fn item(&self, record: &InboxRecord) -> Result<Item, InboxError> {
        item::item(record).map_err(|damage| {
            let (key, table) = (&record.key, self.table.name());
            InboxError::Unavailable(format!("the record of `{key}` can't be written to table `{table}`: {damage}"))
        })
    }

    fn put(&self, item: Item) -> PutItemFluentBuilder {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item.into_sdk()));
        put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
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
        for turn in 0..TRIES {
            let (answer, changed) = rule(stored.as_ref(), claim);
            let Some(changed) = changed else { return Ok(answer) };
            if turn == 0 {
                match self.together.write(Write::New(self.item(&changed)?)).await {
                    Answer::Stored => return Ok(answer),
                    Answer::Taken => {
                        stored = self.found(&claim.key).await?;
                        continue;
                    }
                    Answer::Refused(found) => {
                        stored = Some(found);
                        continue;
                    }
                    Answer::Failed(error) => return Err(InboxError::Unavailable(error.to_string())),
                    Answer::Alone => {}
                }
            }
            match self.send(still(self.put(self.item(&changed)?), stored.as_ref())).await? {
                Put::Stored => return Ok(answer),
                Put::Refused(found) => stored = found,
            }
        }
        let table = self.table.name();
        Err(InboxError::Unavailable(format!("`{}` in table `{table}` changes all the time", claim.key)))
    }

    async fn replace(&self, record: &InboxRecord) -> Result<(), InboxError> {
        let put = match self.together.write(Write::Next(self.item(record)?)).await {
            Answer::Stored => return Ok(()),
            Answer::Refused(stored) => return stands(record, Some(&stored)),
            Answer::Failed(error) => return Err(InboxError::Unavailable(error.to_string())),
            Answer::Alone | Answer::Taken => self.put(self.item(record)?),
        };
        let put = put
            .condition_expression("#fence = :fence AND #revision < :revision")
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_values(":fence", Attribute::N(record.fence.to_string()).into())
            .expression_attribute_values(":revision", Attribute::N(record.revision.to_string()).into());
        match self.send(put).await? {
            Put::Stored => Ok(()),
            Put::Refused(stored) => stands(record, stored.as_ref()),
        }
    }

    async fn found(&self, key: &IdempotencyKey) -> Result<Option<Item>, InboxError> {
        self.table.read(item::place(key)).await.map_err(|error| InboxError::Unavailable(error.to_string()))
    }

    async fn read(&self, key: &IdempotencyKey) -> Result<Option<InboxRecord>, InboxError> {
        Ok(self.found(key).await?.map(|item| decode(key, &item)))
    }
}

/// Nothing was changed, since this stands there: because a later write of the same claim came first, or the claim was lost.
fn stands(record: &InboxRecord, stored: Option<&Item>) -> Result<(), InboxError> {
    match stored {
        Some(item) if item.number::<u64>(FENCE) == Ok(record.fence) => Ok(()),
        _ => Err(InboxError::Lost),
    }
}

fn rule(stored: Option<&Item>, claim: &Claim) -> (Claimed, Option<InboxRecord>) {
    let Some(item) = stored else { return transition::claim(None, claim) };
    if !item::is_ours(item) {
        return Foreign::of(item).claim(claim);
    }
    match item::record(&claim.key, item) {
        Ok(record) => transition::claim(Some(record), claim),
        // Nobody goes on by what can't be read, not even a replay, or writes over it.
        Err(damage) => (Claimed::Settled(unreadable(&claim.key, item, &damage)), None),
    }
}

/// The record in an item, whoever wrote it.
pub(crate) fn decode(key: &IdempotencyKey, item: &Item) -> InboxRecord {
    if !item::is_ours(item) {
        return Foreign::of(item).record(key);
    }
    item::record(key, item).unwrap_or_else(|damage| unreadable(key, item, &damage))
}

/// What stands in for a record that can't be read.
fn unreadable(key: &IdempotencyKey, item: &Item, damage: &Damage) -> InboxRecord {
    tracing::error!(%key, %damage, "a record of the inbox can't be read: until it is put right, its work counts as in doubt");
    let first_at = item.moment(FIRST_AT).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = item.moment(UPDATED_AT).unwrap_or(first_at);
    InboxRecord::unreadable(key.clone(), &damage.to_string(), first_at, at)
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

#[cfg(test)]
mod tests {
    use sendoff_consumers::{Class, Status};
    use sendoff_events::EventId;

    use super::*;

    #[test]
    fn a_record_that_cannot_be_read_is_in_doubt_and_lets_nothing_run_also_no_replay() {
        let key = IdempotencyKey::new("email", EventId::from_bytes([1; 16]));
        let now = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
        let claim = Claim {
            key: key.clone(),
            fence: 7,
            payload_hash: [1; 32],
            replay: 0,
            now,
            lease_until: now,
            reconcile: true,
        };
        let (Claimed::Won(record), _) = rule(None, &claim) else { panic!("it is new") };
        let item = item::item(&record).unwrap().with_text("state", "asleep");
        let again = Claim { replay: 3, fence: 8, ..claim };
        let (Claimed::Settled(found), None) = rule(Some(&item), &again) else { panic!("nobody may run it") };
        assert_eq!((found.status, found.first_at, found.history[0].at), (Status::InDoubt, now, now));
        let told = &found.history[0];
        assert_eq!((told.class, told.reason.as_str()), (Class::InDoubt, "record-damaged"));
        assert!(told.error.contains("`state` is `asleep`"), "{}", told.error);
        assert_eq!(decode(&key, &item), found);
    }
}
