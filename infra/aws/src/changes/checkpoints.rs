//! How far each reaction has come, and who reads for it: one item per reaction, beside the inbox records.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue};
use sendoff_events::Timestamp;

use super::line::{Progress, Standing};
use crate::{CallError, Cause, item::Item, tables::inbox::ID};

/// Whose lease it is.
const OWNER: &str = "owner";
/// One more each time that the lease is taken. Every write demands it, so nobody writes under a lease that was taken over.
const EPOCH: &str = "epoch";
/// When the lease lapses, in milliseconds since 1970.
const UNTIL: &str = "until";
/// How many changes were dealt with.
const DONE: &str = "done";
/// How far in each shard, as JSON.
const SHARDS: &str = "shards";

pub(super) struct Checkpoints<'a> {
    pub(super) client: &'a Client,
    pub(super) table: &'a str,
}

/// A reaction's checkpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) owner: String,
    pub(super) epoch: u64,
    pub(super) until: Timestamp,
    pub(super) standing: Standing,
}

impl Checkpoints<'_> {
    /// The reaction's checkpoint; `None` when nobody ever read for it.
    pub(super) async fn read(&self, reaction: &str) -> Result<Option<Kept>, CallError> {
        let get = self.client.get_item().table_name(self.table).key(ID, id(reaction)).consistent_read(true);
        let found = get.send().await.map_err(|error| CallError::of("dynamodb:GetItem", self.table, &error))?;
        let damaged = |why: String| CallError {
            call: "dynamodb:GetItem",
            resource: self.table.to_owned(),
            cause: Cause::Refused,
            code: None,
            message: format!("the checkpoint of `{reaction}` is damaged: {why}"),
        };
        found.item.map(|item| kept(&Item::from(item)).map_err(damaged)).transpose()
    }

    /// Takes the lease until then, if the checkpoint still stands as it was seen. Gives the new epoch.
    pub(super) async fn take(
        &self,
        reaction: &str,
        seen: Option<&Kept>,
        owner: &str,
        until: Timestamp,
    ) -> Result<Option<u64>, CallError> {
        let epoch = seen.map_or(0, |seen| seen.epoch) + 1;
        let take = self
            .update(reaction)
            .update_expression("SET #owner = :owner, #epoch = :epoch, #until = :until")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#epoch", EPOCH)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_owned()))
            .expression_attribute_values(":epoch", number(epoch))
            .expression_attribute_values(":until", moment(until));
        let take = match seen {
            None => take.condition_expression("attribute_not_exists(#epoch)"),
            Some(seen) => take
                .condition_expression("#epoch = :seen AND #until = :lapsed")
                .expression_attribute_values(":seen", number(seen.epoch))
                .expression_attribute_values(":lapsed", moment(seen.until)),
        };
        Ok(self.send(take).await?.then_some(epoch))
    }

    /// Writes how far the reaction has come, and renews the lease; false when somebody else has taken it.
    pub(super) async fn write(
        &self,
        reaction: &str,
        epoch: u64,
        standing: &Standing,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        let shards = serde_json::to_string(&standing.shards).unwrap_or_default();
        let write = self
            .update(reaction)
            .update_expression("SET #done = :done, #shards = :shards, #until = :until")
            .condition_expression("#epoch = :epoch")
            .expression_attribute_names("#done", DONE)
            .expression_attribute_names("#shards", SHARDS)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_names("#epoch", EPOCH)
            .expression_attribute_values(":done", number(standing.done))
            .expression_attribute_values(":shards", AttributeValue::S(shards))
            .expression_attribute_values(":until", moment(until))
            .expression_attribute_values(":epoch", number(epoch));
        self.send(write).await
    }

    fn update(&self, reaction: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(self.table).key(ID, id(reaction))
    }

    /// Whether the condition was met.
    async fn send(&self, update: UpdateItemFluentBuilder) -> Result<bool, CallError> {
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(CallError::of("dynamodb:UpdateItem", self.table, &error)),
        }
    }
}

fn id(reaction: &str) -> AttributeValue {
    AttributeValue::S(format!("checkpoint/{reaction}"))
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn moment(moment: Timestamp) -> AttributeValue {
    AttributeValue::N(moment.as_millisecond().to_string())
}

fn kept(item: &Item) -> Result<Kept, String> {
    let shards: BTreeMap<String, Progress> = match item.optional_text(SHARDS) {
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
        None => BTreeMap::new(),
    };
    let read = || {
        Ok::<_, crate::item::Damage>(Kept {
            owner: item.text(OWNER)?.to_owned(),
            epoch: item.number(EPOCH)?,
            until: item.moment(UNTIL)?,
            standing: Standing { done: item.optional_number(DONE)?.unwrap_or_default(), shards },
        })
    };
    read().map_err(|damage| damage.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_checkpoint_comes_back_as_it_was_written() {
        let shards = BTreeMap::from([
            ("shardId-1".to_owned(), Progress::Finished),
            ("shardId-2".to_owned(), Progress::At("000123".into())),
        ]);
        let text = serde_json::to_string(&shards).unwrap();
        assert_eq!(text, r#"{"shardId-1":"finished","shardId-2":{"at":"000123"}}"#);
        let attributes = HashMap::from([
            (OWNER.to_owned(), AttributeValue::S("me".into())),
            (EPOCH.to_owned(), number(3)),
            (UNTIL.to_owned(), number(1_790_000_000_123)),
        ]);
        let until = Timestamp::from_millisecond(1_790_000_000_123).unwrap();
        // Taken, and nothing dealt with yet.
        let mut expected = Kept { owner: "me".into(), epoch: 3, until, standing: Standing::default() };
        assert_eq!(kept(&Item::from(attributes.clone())), Ok(expected.clone()));
        let mut attributes = attributes;
        attributes.insert(DONE.to_owned(), number(7));
        attributes.insert(SHARDS.to_owned(), AttributeValue::S(text));
        expected.standing = Standing { done: 7, shards };
        assert_eq!(kept(&Item::from(attributes)), Ok(expected));
    }

    #[test]
    fn a_damaged_checkpoint_is_told_and_never_begun_anew() {
        assert!(kept(&Item::default()).is_err());
        assert!(kept(&Item::default().with_text(SHARDS, "{")).is_err());
    }
}
