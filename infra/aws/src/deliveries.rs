//! The delivery records, in the table of the inbox: one item per message, beside the record of the job that it belongs to.
//!
//! An item's id begins with [`DELIVERY`](crate::tables::inbox::DELIVERY), so neither the inbox nor a Powertools library asks
//! for it, and it has no `status`, so that none takes it for a record of what is being worked on.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use sendoff_consumers::{Deliveries, DeliveriesError, DeliveryId, DeliveryNews, DeliveryRecord, DeliveryStatus};
use sendoff_events::{BoxFuture, Clock, Timestamp, at_millis};

use crate::{
    CallError, Store,
    item::{Attribute, Damage, Item},
    table::Table,
    tables::inbox::{DELIVERY, EXPIRATION, ID},
};

/// Where the message stands: [`DeliveryStatus::rank`].
const RANK: &str = "rank";
const STATE: &str = "state";
const PROVIDER: &str = "provider";
const PROVIDER_ID: &str = "provider_id";
const REASON: &str = "reason";
const AT: &str = "at";

/// When news without a provider's id take the place of what is known: by the rule of `merge`.
const NAMELESS: &str = "attribute_not_exists(#id) OR #at < :since OR #rank < :rank";
/// When news with one do. Each case says itself whether what is known has one: what `<>` makes of an attribute that isn't there
/// is no matter then.
const NAMED: &str = "attribute_not_exists(#id) \
    OR ((attribute_not_exists(#name) OR #name = :name) AND #rank < :rank) \
    OR ((attribute_not_exists(#name) OR #name <> :name) AND #at < :since) \
    OR (attribute_exists(#name) AND #name <> :name AND (#rank = :undelivered OR #rank < :ahead))";

/// [`Deliveries`] over the table of inbox records.
struct DynamoDeliveries {
    table: Table,
    clock: Arc<dyn Clock>,
    keep: Duration,
}

impl Store {
    /// What providers tell of messages. It is kept for `keep` after the last news: as long as the inbox remembers.
    #[must_use]
    pub fn deliveries(&self, keep: Duration) -> Arc<dyn Deliveries> {
        Arc::new(DynamoDeliveries { table: self.inbox_table(), clock: self.clock.clone(), keep })
    }
}

impl DynamoDeliveries {
    async fn tell(&self, id: &DeliveryId, news: &DeliveryNews, since: Timestamp) -> Result<bool, DeliveriesError> {
        let expires = at_millis(self.clock.now()).checked_add(self.keep).unwrap_or(Timestamp::MAX);
        let item = item(id, news).with_expiry(EXPIRATION, expires);
        // The rule of `merge` as a condition: what takes the place of the record is all of the news, or nothing of them.
        let number = |number: i64| Attribute::N(number.to_string()).into();
        let put = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(item.into_sdk()))
            .condition_expression(if news.provider_id.is_some() { NAMED } else { NAMELESS })
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#rank", RANK)
            .expression_attribute_names("#at", AT)
            .expression_attribute_values(":rank", number(news.status.rank().into()))
            .expression_attribute_values(":since", number(since.as_millisecond()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None);
        let put = match &news.provider_id {
            Some(name) => put
                .expression_attribute_names("#name", PROVIDER_ID)
                .expression_attribute_values(":name", Attribute::S(name.clone()).into())
                .expression_attribute_values(":undelivered", number(DeliveryStatus::Undelivered.rank().into()))
                .expression_attribute_values(":ahead", number(ahead_of(news.status).into())),
            None => put,
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => {
                Err(DeliveriesError(CallError::of("dynamodb:PutItem", self.table.name(), &error).to_string()))
            }
        }
    }

    async fn read(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, DeliveriesError> {
        let found = self.table.read(place(id)).await.map_err(|error| DeliveriesError(error.to_string()))?;
        let damaged = |damage: Damage| {
            DeliveriesError(format!(
                "the delivery record of `{id}` in table `{}` is damaged: {damage}",
                self.table.name()
            ))
        };
        found.map(|item| record(&item)).transpose().map_err(damaged)
    }
}

impl Deliveries for DynamoDeliveries {
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        Box::pin(self.tell(id, news, since))
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        Box::pin(self.read(id))
    }
}

/// Below which rank another message than that of the news is behind it: no message, where it was given up.
const fn ahead_of(status: DeliveryStatus) -> u8 {
    if status.proves_sent() { status.rank() } else { 0 }
}

fn place(id: &DeliveryId) -> Item {
    Item::default().with_text(ID, format!("{DELIVERY}{id}"))
}

fn item(id: &DeliveryId, record: &DeliveryRecord) -> Item {
    let item = place(id)
        .with_number(RANK, record.status.rank())
        .with_text(STATE, record.status.word())
        .with_text(PROVIDER, &*record.provider)
        .with_moment(AT, at_millis(record.at));
    let item = record.provider_id.iter().fold(item, |item, id| item.with_text(PROVIDER_ID, &**id));
    record.reason.iter().fold(item, |item, reason| item.with_text(REASON, &**reason))
}

fn record(item: &Item) -> Result<DeliveryRecord, Damage> {
    let word = item.text(STATE)?;
    let status = serde_json::from_value::<DeliveryStatus>(word.into());
    Ok(DeliveryRecord {
        status: status.map_err(|_| Damage::new(STATE, format!("is `{word}`, which is no status")))?,
        provider: item.text(PROVIDER)?.to_owned(),
        provider_id: item.optional_text(PROVIDER_ID).map(str::to_owned),
        reason: item.optional_text(REASON).map(str::to_owned),
        at: item.moment(AT)?,
    })
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::IdempotencyKey;
    use sendoff_events::EventId;

    use super::*;

    fn id() -> DeliveryId {
        DeliveryId::new(IdempotencyKey::new("sms", EventId::from_bytes([1; 16])), "ada")
    }

    fn news(status: DeliveryStatus) -> DeliveryNews {
        DeliveryNews {
            status,
            provider: "twilio".into(),
            provider_id: Some("SM1".into()),
            reason: None,
            at: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
        }
    }

    #[test]
    fn every_field_comes_back_whatever_the_status() {
        use DeliveryStatus::{Accepted, Complained, Delivered, Read, Sent, Undelivered};
        for status in [Accepted, Sent, Undelivered, Delivered, Read, Complained] {
            let full = DeliveryNews { reason: Some("30006: landline".into()), ..news(status) };
            let bare = DeliveryNews { provider_id: None, ..news(status) };
            for given in [full, bare] {
                assert_eq!(record(&item(&id(), &given)), Ok(given));
            }
        }
    }

    #[test]
    fn it_is_nothing_that_a_powertools_library_or_the_inbox_would_take_for_its_own() {
        let item = item(&id(), &news(DeliveryStatus::Delivered));
        assert!(item.text(ID).unwrap().starts_with(DELIVERY));
        assert!(item.text(ID).unwrap().parse::<IdempotencyKey>().is_err(), "no job has this key");
        for theirs in ["status", "in_progress_expiration", "data", "validation", "fence"] {
            assert!(!item.has(theirs), "{theirs}");
        }
    }

    #[test]
    fn a_damaged_item_is_an_error_and_never_a_panic() {
        let good = item(&id(), &news(DeliveryStatus::Sent));
        for bad in [good.clone().with_text(STATE, "lost"), good.with_number(AT, i64::MAX), Item::default()] {
            assert!(record(&bad).is_err(), "{bad:?}");
        }
    }
}
