//! Listings: one query after another over the ids that begin with a prefix.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use sendoff_events::TenantId;
use sendoff_producers::{Page, ReadError, Record};

use super::{
    DynamoRecords,
    item::{DATA, Image, LONGEST_SK, partition, sort_key},
};
use crate::{
    CallError,
    item::{Attribute, Item},
    tables::records::{PK, SK},
};

/// A page ends early when its records have more bytes of data than this. A Lambda function's answer may have 6 MiB, with the
/// text escaped once more.
const PAGE_BYTES: usize = 2 << 20;

/// Where a listing begins.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// With the first id that has the prefix.
    First,
    /// After this id, which has the prefix.
    After(String),
    /// Nowhere: everything with the prefix comes before.
    Nowhere,
}

/// DynamoDB refuses to begin outside of what is asked for, so an `after` that lacks the prefix is no place to begin.
fn begin(prefix: &str, after: Option<&str>) -> Begin {
    if sort_key(prefix).len() > LONGEST_SK {
        return Begin::Nowhere;
    }
    match after {
        Some(after) if after.starts_with(prefix) => {
            // An id that is too long to stand there is cut; what is between is left out by comparing.
            let cut = (0..LONGEST_SK).rev().find(|end| after.is_char_boundary(*end)).unwrap_or(0);
            Begin::After(after[..cut.min(after.len())].to_owned())
        }
        Some(after) if after > prefix => Begin::Nowhere,
        Some(_) | None => Begin::First,
    }
}

impl DynamoRecords {
    pub(super) async fn page(
        &self,
        tenant: &TenantId,
        collection: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let limit = limit.clamp(1, 1000);
        let mut records = Vec::new();
        let pk = partition(tenant.as_str(), collection);
        let mut from = match begin(prefix, after) {
            Begin::Nowhere => return Ok(Page { records, next: None }),
            Begin::First => None,
            Begin::After(id) => Some(Item::default().with_text(PK, &pk).with_text(SK, sort_key(&id)).into_sdk()),
        };
        // One more than asked for tells whether there is a next page.
        let (mut wanted, mut bytes) = (Some(limit as i32 + 1), 0);
        loop {
            let query = self.under(&pk, prefix).set_exclusive_start_key(from.take()).set_limit(wanted);
            let found = query.send().await.map_err(|error| {
                ReadError::Unavailable(CallError::of("dynamodb:Query", self.table.name(), &error).to_string())
            })?;
            for item in found.items.into_iter().flatten().map(Item::from) {
                bytes += item.optional_text(DATA).map_or(0, str::len);
                records.extend(live(&item)?.filter(|record| after.is_none_or(|after| record.key.id.as_str() > after)));
            }
            from = found.last_evaluated_key;
            let too_large = bytes > PAGE_BYTES && records.len() > 1;
            if records.len() > limit || too_large || from.is_none() {
                let more = records.len() > limit || (too_large && from.is_some());
                records.truncate(limit);
                let next = if more { records.last().map(|record| record.key.id.clone()) } else { None };
                return Ok(Page { records, next });
            }
            // What was deleted leaves items that are passed over, many of them to an answer.
            wanted = None;
        }
    }

    fn under(&self, pk: &str, prefix: &str) -> QueryFluentBuilder {
        self.table
            .client()
            .query()
            .table_name(self.table.name())
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", Attribute::S(pk.to_owned()).into())
            .expression_attribute_values(":prefix", Attribute::S(sort_key(prefix)).into())
    }
}

/// The record in an item; `None` when it is deleted.
pub(super) fn live(item: &Item) -> Result<Option<Record>, ReadError> {
    let damaged = |damage: crate::item::Damage| {
        let key = format!("{} {}", item.optional_text(PK).unwrap_or("?"), item.optional_text(SK).unwrap_or("?"));
        ReadError::Damaged { key, why: damage.to_string() }
    };
    Image::of(item).map(Image::record).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_begins_where_it_was_left_or_where_the_prefix_does() {
        assert_eq!(begin("app/", None), Begin::First);
        assert_eq!(begin("app/", Some("app/7")), Begin::After("app/7".into()));
        assert_eq!(begin("app/", Some("app/")), Begin::After("app/".into()));
        assert_eq!(begin("app/", Some("aaa")), Begin::First);
        assert_eq!(begin("app/", Some("")), Begin::First);
        assert_eq!(begin("app/", Some("app0")), Begin::Nowhere);
        assert_eq!(begin("", Some("z")), Begin::After("z".into()));
    }

    #[test]
    fn an_id_that_cannot_stand_there_is_no_error() {
        assert_eq!(begin(&"x".repeat(1024), None), Begin::Nowhere);
        assert_eq!(begin("", Some(&"x".repeat(5000))), Begin::After("x".repeat(1023)));
        let Begin::After(cut) = begin("", Some(&format!("xx{}", "é".repeat(2000)))) else { panic!("it begins after") };
        assert_eq!((cut.len(), cut.chars().count()), (1022, 512));
    }
}
