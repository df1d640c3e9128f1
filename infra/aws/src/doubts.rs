//! What is in doubt, as an on-call engineer looks for it, and settles it.

mod letters;
mod settle;

use sendoff_consumers::{IdempotencyKey, InboxError, InboxRecord};
pub use settle::{Decision, SettleError, Settled};

use crate::{
    CallError, Store,
    item::{Attribute, Item},
    tables::inbox::{DOUBT, DOUBT_SINCE, DOUBTS_INDEX, ID},
};

impl Store {
    /// The inbox records of which a step is in doubt, of one consumer or of all, the oldest doubt first, and at most `max`.
    /// Settle one with [`settle_doubt`](Self::settle_doubt). A doubt shows here a moment after it
    /// was written, as an index does; one that was settled in between isn't listed.
    ///
    /// # Errors
    ///
    /// [`InboxError::Unavailable`] when the table can't be read.
    pub async fn doubts(&self, consumer: Option<&str>, max: usize) -> Result<Vec<InboxRecord>, InboxError> {
        let unavailable = |error: CallError| InboxError::Unavailable(error.to_string());
        let mut found = match consumer {
            Some(consumer) => self.doubts_of(consumer, max).await,
            None => self.all_doubts().await,
        }
        .map_err(unavailable)?;
        found.sort_by_key(|item| item.number::<i64>(DOUBT_SINCE).unwrap_or(i64::MAX));
        found.truncate(max);
        let (inbox, mut doubts) = (self.inbox(), Vec::with_capacity(found.len()));
        for item in found {
            // What isn't called like one isn't a record of ours.
            let Some(key) = item.optional_text(ID).and_then(|id| id.parse::<IdempotencyKey>().ok()) else { continue };
            doubts.extend(inbox.get(&key).await?.filter(InboxRecord::is_doubted));
        }
        Ok(doubts)
    }

    /// The keys in the index of one consumer, the oldest first.
    async fn doubts_of(&self, consumer: &str, max: usize) -> Result<Vec<Item>, CallError> {
        let table = self.inbox_table();
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let query = table
                .client()
                .query()
                .table_name(table.name())
                .index_name(DOUBTS_INDEX)
                .key_condition_expression("#doubt = :consumer")
                .expression_attribute_names("#doubt", DOUBT)
                .expression_attribute_values(":consumer", Attribute::S(consumer.to_owned()).into())
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| CallError::of("dynamodb:Query", table.name(), &error))?;
            found.extend(page.items.unwrap_or_default().into_iter().map(Item::from));
            start = page.last_evaluated_key;
            if start.is_none() || found.len() >= max {
                return Ok(found);
            }
        }
    }

    /// The keys in the whole index, in no order. It holds nothing else but doubts.
    async fn all_doubts(&self) -> Result<Vec<Item>, CallError> {
        let table = self.inbox_table();
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let scan = table.client().scan().table_name(table.name()).index_name(DOUBTS_INDEX);
            let page = scan.set_exclusive_start_key(start).send().await;
            let page = page.map_err(|error| CallError::of("dynamodb:Scan", table.name(), &error))?;
            found.extend(page.items.unwrap_or_default().into_iter().map(Item::from));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}
