//! A record as an item. Its data is one JSON text: DynamoDB's numbers have 38 digits and its maps no order of their own, and
//! every number and null must come back as it was.

use sendoff_events::{TenantId, Timestamp};
use sendoff_producers::{Record, RecordKey};
use serde_json::Value;

use crate::{
    item::{Attribute, Damage, Item},
    tables::records::{PK, RECORD, SK},
};

/// One more at each write, deletions included.
pub(super) const VERSION: &str = "version";
/// On what is left of a deleted record, so that its versions go on counting and the stream tells who deleted it.
pub(super) const DELETED: &str = "deleted";
pub(super) const DATA: &str = "data";
const ACTOR: &str = "actor";
const AT: &str = "at";

/// The longest partition key that DynamoDB takes, in bytes.
const LONGEST_PK: usize = 2048;
/// The longest sort key, in bytes.
pub(super) const LONGEST_SK: usize = 1024;

/// The attributes that tell which record an item is, and which version of it.
pub(crate) const FACTS: [&str; 5] = [PK, SK, VERSION, ACTOR, AT];

/// What to put in the place of a record before its item is deleted, so that the stream tells of neither as of a change: the same
/// version of it, without data. `facts` are its [`FACTS`].
pub(crate) fn hushed(facts: Item) -> Item {
    facts.with(DELETED, Attribute::Bool(true))
}

/// An image of a record: as it stands in the table, or as the stream gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    /// Which record.
    pub(crate) key: RecordKey,
    /// Its version.
    pub(crate) version: u64,
    /// What it holds; `None` when it is deleted.
    pub(crate) data: Option<Value>,
    /// Who wrote it.
    pub(crate) actor: String,
    /// When.
    pub(crate) at: Timestamp,
}

impl Image {
    /// Whether this is an item of a record at all: the table holds other things too.
    pub(crate) fn is_one(item: &Item) -> bool {
        item.optional_text(PK).is_some_and(|pk| pk.starts_with(RECORD))
    }

    /// The image in an item.
    ///
    /// # Errors
    ///
    /// [`Damage`] when an attribute is missing, or isn't what it should be.
    pub(crate) fn of(item: &Item) -> Result<Self, Damage> {
        let data = match item.is_true(DELETED) {
            true => None,
            false => Some(
                serde_json::from_str(item.text(DATA)?).map_err(|e| Damage::new(DATA, format!("isn't JSON: {e}")))?,
            ),
        };
        Ok(Self {
            key: key_of(item)?,
            version: item.number(VERSION)?,
            data,
            actor: item.text(ACTOR)?.to_owned(),
            at: item.moment(AT)?,
        })
    }

    /// The record, unless it is deleted.
    pub(super) fn record(self) -> Option<Record> {
        Some(Record { key: self.key, version: self.version, data: self.data?, updated_at: self.at })
    }
}

/// The item of a record that was written. `data` is its JSON text; without it, the record is deleted.
pub(super) fn item(place: &Place, version: u64, data: Option<&str>, actor: &str, at: Timestamp) -> Item {
    let item = place.item().with_number(VERSION, version).with_text(ACTOR, actor).with_moment(AT, at);
    match data {
        Some(text) => item.with_text(DATA, text),
        None => item.with(DELETED, Attribute::Bool(true)),
    }
}

/// The keys of a record's item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Place {
    /// Where the record stands, or `None` when DynamoDB has no room for so long a key, so that nothing can stand there.
    ///
    /// All records of a tenant's collection share a partition key, so that a listing is one query, in the order of ids;
    /// DynamoDB splits a busy one by ids.
    pub(super) fn of(key: &RecordKey) -> Option<Self> {
        let place = Self { pk: partition(key.tenant.as_str(), &key.collection), sk: sort_key(&key.id) };
        (place.pk.len() <= LONGEST_PK && place.sk.len() <= LONGEST_SK).then_some(place)
    }

    /// Whether the item stands here.
    pub(super) fn is_that_of(&self, item: &Item) -> bool {
        item.optional_text(PK) == Some(&self.pk) && item.optional_text(SK) == Some(&self.sk)
    }

    pub(super) fn item(&self) -> Item {
        Item::default().with_text(PK, &self.pk).with_text(SK, &self.sk)
    }
}

/// The partition key of a collection. A tenant's id holds no `#`.
pub(crate) fn partition(tenant: &str, collection: &str) -> String {
    format!("{RECORD}{tenant}#{collection}")
}

/// The sort key of an id, or of the beginning of one. The slash is there because a key may not be empty, and an id may.
pub(crate) fn sort_key(id: &str) -> String {
    format!("/{id}")
}

fn key_of(item: &Item) -> Result<RecordKey, Damage> {
    let damaged = || Damage::new(PK, "isn't that of a record");
    let (tenant, collection) =
        item.text(PK)?.strip_prefix(RECORD).and_then(|rest| rest.split_once('#')).ok_or_else(damaged)?;
    let id = item.text(SK)?.strip_prefix('/').ok_or_else(|| Damage::new(SK, "isn't that of a record"))?;
    let tenant = TenantId::stored(tenant).map_err(|error| Damage::new(PK, error.to_string()))?;
    Ok(RecordKey::new(&tenant, collection.to_owned(), id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(id: &str) -> RecordKey {
        RecordKey::new(&"acme".parse().unwrap(), "things#", id)
    }

    fn at() -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_123).unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        for id in ["", "a", "a/b", "/", "#", "漢/🦀", &"x".repeat(1023)] {
            for data in [json!(null), json!({ "": [u64::MAX, i64::MIN, 0.1, -1.5e-7, "\u{0}", ""] })] {
                let item = item(&Place::of(&key(id)).unwrap(), 7, Some(&data.to_string()), "", at());
                assert!(Image::is_one(&item));
                let image = Image { key: key(id), version: 7, data: Some(data), actor: String::new(), at: at() };
                assert_eq!(Image::of(&item), Ok(image));
            }
        }
    }

    #[test]
    fn what_is_left_of_a_deleted_record_tells_who_deleted_it_and_is_no_record() {
        let image = Image::of(&item(&Place::of(&key("a")).unwrap(), 8, None, "ada", at())).unwrap();
        assert_eq!((image.version, &image.data, image.actor.as_str()), (8, &None, "ada"));
        assert_eq!(image.record(), None);
    }

    #[test]
    fn a_key_that_dynamodb_cannot_hold_has_no_place() {
        assert_eq!(Place::of(&key(&"x".repeat(1024))), None);
        assert_eq!(Place::of(&RecordKey::new(&"acme".parse().unwrap(), "c".repeat(2048), "a")), None);
    }

    #[test]
    fn an_item_that_is_no_record_is_damage_and_never_a_panic() {
        let good = item(&Place::of(&key("a")).unwrap(), 1, Some("1"), "ada", at());
        assert!(Image::of(&good).is_ok());
        let bad = [
            good.clone().with_text(PK, "r#acme"),
            good.clone().with_text(PK, "e#acme#x"),
            good.clone().with_text(PK, "r#not a tenant#x"),
            good.clone().with_text(SK, "a"),
            good.clone().with_text("data", "{"),
            good.clone().with_number("version", -1),
            good.with_number("at", i64::MAX),
            Item::default(),
        ];
        for item in bad {
            assert!(Image::of(&item).is_err(), "{item:?}");
        }
    }
}
