//! Whether a change is still the last word about its record.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sendoff_aws::CallError;
use sendoff_producers::{ReadError, RecordKey, Records};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Shown, StreamChange,
    item::{Typed, sorted},
};

/// Whether a change is still the last word about its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The record is as this change left it.
    Current,
    /// It was written again since.
    Superseded,
    /// It was deleted since.
    Deleted,
    /// Nobody can tell: the change doesn't say what it left, or the table can't be read.
    Unknown,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// Compares a change of a table's item with the item as it is now.
///
/// # Errors
///
/// [`CallError`] when the table can't be read.
pub async fn of_item(client: &Client, stream_arn: &str, change: &StreamChange) -> Result<Standing, CallError> {
    // arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL
    let table = stream_arn.split_once(":table/").and_then(|(_, rest)| rest.split('/').next());
    let keys: Option<HashMap<_, _>> =
        change.keys.iter().map(|(name, value)| Some((name.clone(), key(value)?))).collect();
    let (Some(table), Some(keys)) = (table, keys.filter(|keys| !keys.is_empty())) else { return Ok(Standing::Unknown) };
    let found = client.get_item().table_name(table).set_key(Some(keys)).consistent_read(true).send().await;
    let found = found.map_err(|error| CallError::of("dynamodb:GetItem", table, &error))?;
    let now = found.item.map(|item| item.into_iter().map(|(name, value)| (name, typed(value))).collect::<Typed>());
    Ok(compare(change, now.as_ref()))
}

fn compare(change: &StreamChange, now: Option<&Typed>) -> Standing {
    match (&change.new, now) {
        (_, None) if change.operation == "remove" => Standing::Current,
        (_, Some(_)) if change.operation == "remove" => Standing::Superseded,
        (_, None) => Standing::Deleted,
        (Some(new), Some(now)) if new == now => Standing::Current,
        (Some(_), Some(_)) => Standing::Superseded,
        (None, Some(_)) => Standing::Unknown,
    }
}

/// A key's value: the only types that a key can have.
fn key(value: &Value) -> Option<AttributeValue> {
    let (kind, held) = value.as_object()?.iter().next()?;
    let text = held.as_str()?;
    match kind.as_str() {
        "S" => Some(AttributeValue::S(text.to_owned())),
        "N" => Some(AttributeValue::N(text.to_owned())),
        "B" => Some(AttributeValue::B(Blob::new(STANDARD.decode(text).ok()?))),
        _ => None,
    }
}

fn typed(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        AttributeValue::L(all) => json!({ "L": all.into_iter().map(typed).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => {
            json!({ "M": fields.into_iter().map(|(name, value)| (name, typed(value))).collect::<Typed>() })
        }
        AttributeValue::Ss(all) => json!({ "SS": sorted(all) }),
        AttributeValue::Ns(all) => json!({ "NS": sorted(all) }),
        AttributeValue::Bs(all) => {
            json!({ "BS": sorted(all.into_iter().map(|bytes| STANDARD.encode(bytes)).collect()) })
        }
        _ => Value::Null,
    }
}

/// A change of one of our records, as a reaction puts it aside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ParkedChange {
    #[serde(default)]
    position: String,
    tenant: sendoff_events::TenantId,
    collection: String,
    id: String,
    version: u64,
    #[serde(default)]
    at: Option<sendoff_events::Timestamp>,
    #[serde(default)]
    old: Option<Value>,
    #[serde(default)]
    new: Option<Value>,
    /// Said where the images are left out.
    #[serde(default)]
    images: Option<String>,
}

impl ParkedChange {
    /// The change in the body of a dead letter; `None` when it is none.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Compares it with the record as it is now.
    ///
    /// # Errors
    ///
    /// When the record can't be read.
    pub async fn standing(&self, records: &dyn Records) -> Result<Standing, ReadError> {
        let key = RecordKey::new(&self.tenant, self.collection.clone(), self.id.clone());
        let now = records.get(&key).await?;
        let was_deleted = self.new.is_none() && self.images.is_none();
        Ok(match now {
            None if was_deleted => Standing::Current,
            None => Standing::Deleted,
            Some(now) if now.version == self.version => Standing::Current,
            Some(_) => Standing::Superseded,
        })
    }

    /// The change as it is shown.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let operation = match (&self.old, &self.new, &self.images) {
            (.., Some(_)) => "unknown",
            (None, ..) => "insert",
            (Some(_), None, _) => "remove",
            (Some(_), Some(_), _) => "modify",
        };
        Shown {
            place: self.position.clone(),
            operation: operation.into(),
            keys: json!({ "tenant": self.tenant, "collection": self.collection, "id": self.id }),
            at: self.at,
            version: Some(self.version),
            old: self.old.clone(),
            new: self.new.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(operation: &str, new: Option<&str>) -> StreamChange {
        StreamChange {
            sequence: "1".into(),
            operation: operation.into(),
            at: None,
            keys: Typed::new(),
            old: None,
            new: new.map(item),
        }
    }

    fn item(version: &str) -> Typed {
        Typed::from([("version".to_owned(), json!({ "N": version }))])
    }

    #[test]
    fn a_change_is_the_last_word_as_long_as_the_item_is_what_it_left() {
        let modified = change("modify", Some("3"));
        assert_eq!(compare(&modified, Some(&item("3"))), Standing::Current);
        assert_eq!(compare(&modified, Some(&item("4"))), Standing::Superseded);
        assert_eq!(compare(&modified, None), Standing::Deleted);
        assert_eq!(compare(&change("modify", None), Some(&item("4"))), Standing::Unknown);
        assert_eq!(compare(&change("remove", None), None), Standing::Current);
        assert_eq!(compare(&change("remove", None), Some(&item("5"))), Standing::Superseded);
    }
}
