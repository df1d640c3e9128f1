//! Rate limits that all functions share: one number per bucket, in the table of the inbox.
//!
//! The number is the moment at which the bucket will be full again, in microseconds since 1970: see [`gcra`]. Taking a message
//! is one of its two conditional updates, in which DynamoDB does the adding, so many at once don't get into each other's way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use sendoff_consumers::{Rate, Rates, RatesError, gcra};
use sendoff_events::{BoxFuture, Timestamp};

use crate::{
    CallError, Store,
    item::{Attribute, Item},
    table::Table,
    tables::inbox::{EXPIRATION, ID, RATE},
};

/// When the bucket will be full again.
const FULL_AT: &str = "full_at";
/// How many seconds the number outlives its use. Full buckets needn't be remembered.
const KEEP: i64 = 3600;
/// How often a message is tried to be taken while others take theirs in between.
const TRIES: u32 = 5;
/// Of how many buckets the last number is remembered; there are a few for each provider.
const REMEMBERED: usize = 1000;

/// [`Rates`] over the table of inbox records.
struct DynamoRates {
    table: Table,
    /// The last number of each bucket that was seen here. It only ever grows, so a bucket that was seen to be empty is empty
    /// until its time has come, and nobody needs to be asked.
    seen: Mutex<HashMap<String, i64>>,
}

impl Store {
    /// The rate limits.
    #[must_use]
    pub fn rates(&self) -> Arc<dyn Rates> {
        Arc::new(DynamoRates { table: self.inbox_table(), seen: Mutex::default() })
    }
}

/// A rate at one moment, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Terms {
    rate: Rate,
    at: Timestamp,
    now: i64,
    step: i64,
    /// How late the bucket may be full for a message still to be taken.
    latest: i64,
}

/// What there is to do about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The bucket is full: begin anew.
    Begin,
    /// There is something left in it: take one more.
    Add,
    /// It is empty for this long.
    Wait(Duration),
}

impl Terms {
    fn new(rate: Rate, at: Timestamp) -> Self {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let now = at.as_microsecond();
        Self { rate, at, now, step: micros(rate.step()), latest: now.saturating_add(micros(rate.tolerance())) }
    }

    fn next(self, full_at: Option<i64>) -> Next {
        let moment = full_at.map(|at| Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX));
        match gcra(moment, self.rate, self.at) {
            Err(wait) => Next::Wait(wait),
            Ok(_) if full_at.is_some_and(|at| at > self.now) => Next::Add,
            Ok(_) => Next::Begin,
        }
    }
}

/// What became of an update.
enum Updated {
    /// The message is taken. This is the number now.
    Taken(Option<i64>),
    /// The number is another one than was thought.
    Otherwise(Option<i64>),
}

impl DynamoRates {
    async fn take(&self, bucket: &str, rate: Rate, now: Timestamp) -> Result<Option<Duration>, RatesError> {
        let terms = Terms::new(rate, now);
        let mut full_at = self.seen(bucket);
        for _ in 0..TRIES {
            let next = terms.next(full_at);
            if let Next::Wait(wait) = next {
                return Ok(Some(wait));
            }
            let updated =
                self.update(bucket, terms, next == Next::Begin).await.map_err(|e| RatesError(e.to_string()))?;
            let (Updated::Taken(found) | Updated::Otherwise(found)) = updated;
            full_at = found;
            self.saw(bucket, found);
            if matches!(updated, Updated::Taken(_)) {
                return Ok(None);
            }
        }
        // Begun by one and emptied by others, again and again: it is in use at its limit.
        Ok(Some(Duration::from_micros(terms.step.unsigned_abs())))
    }

    async fn update(&self, bucket: &str, terms: Terms, begin: bool) -> Result<Updated, CallError> {
        let number = |n: i64| Attribute::N(n.to_string());
        let place = Item::default().with_text(ID, format!("{RATE}{bucket}"));
        let expires = terms.latest.saturating_add(terms.step).div_euclid(1_000_000).saturating_add(KEEP);
        let update = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(place.into_sdk()))
            .expression_attribute_names("#full", FULL_AT)
            .expression_attribute_names("#expiration", EXPIRATION)
            .expression_attribute_values(":now", number(terms.now).into())
            .expression_attribute_values(":expires", number(expires).into())
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if begin {
            update
                .update_expression("SET #full = :first, #expiration = :expires")
                .condition_expression("attribute_not_exists(#full) OR #full <= :now")
                .expression_attribute_values(":first", number(terms.now.saturating_add(terms.step)).into())
        } else {
            update
                .update_expression("SET #full = #full + :step, #expiration = :expires")
                .condition_expression("#full > :now AND #full <= :latest")
                .expression_attribute_values(":step", number(terms.step).into())
                .expression_attribute_values(":latest", number(terms.latest).into())
        };
        let full_at = |item: Item| item.optional_number::<i64>(FULL_AT).ok().flatten();
        match update.send().await {
            Ok(updated) => Ok(Updated::Taken(updated.attributes.map(Item::from).and_then(full_at))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::Otherwise(refused.item().cloned().map(Item::from).and_then(full_at)))
                }
                _ => Err(CallError::of("dynamodb:UpdateItem", self.table.name(), &error)),
            },
        }
    }

    fn seen(&self, bucket: &str) -> Option<i64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).copied()
    }

    fn saw(&self, bucket: &str, full_at: Option<i64>) {
        let Some(full_at) = full_at else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED && !seen.contains_key(bucket) {
            seen.clear();
        }
        seen.entry(bucket.to_owned()).and_modify(|known| *known = full_at.max(*known)).or_insert(full_at);
    }
}

impl Rates for DynamoRates {
    fn take<'a>(
        &'a self,
        bucket: &'a str,
        rate: Rate,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Duration>, RatesError>> {
        Box::pin(self.take(bucket, rate, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_begins_anew_one_in_use_gives_one_more_and_an_empty_one_says_how_long() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let terms = Terms::new(Rate { interval: Duration::from_millis(100), burst: 3 }, now);
        let after = |millis: i64| Some(now.as_microsecond() + millis * 1000);
        for (full_at, next) in [
            (None, Next::Begin),
            (after(-5000), Next::Begin),
            (after(0), Next::Begin),
            (after(100), Next::Add),
            (after(200), Next::Add),
            (after(300), Next::Wait(Duration::from_millis(100))),
            (after(250), Next::Wait(Duration::from_millis(50))),
        ] {
            assert_eq!(terms.next(full_at), next, "{full_at:?}");
        }
    }

    #[test]
    fn no_rate_is_too_odd_to_reckon_with() {
        for interval in [Duration::ZERO, Duration::MAX] {
            for burst in [0, 1, u32::MAX] {
                let terms = Terms::new(Rate { interval, burst }, Timestamp::MAX);
                assert!(terms.step > 0 && terms.latest >= terms.now, "{terms:?}");
                assert_eq!(terms.next(None), Next::Begin);
            }
        }
    }
}
