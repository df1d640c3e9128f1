//! A change of an item, as DynamoDB Streams gives it and as Lambda writes it down.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodbstreams::types::{AttributeValue as FromStream, Record};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sendoff_events::Timestamp;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::Shown;

/// An item in the JSON of DynamoDB: each attribute with its type, `{"pk":{"S":"a"}}`.
pub type Typed = BTreeMap<String, Value>;

/// One write of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamChange {
    /// Its number in its shard.
    pub sequence: String,
    /// What was done.
    pub operation: String,
    /// When, to the second.
    pub at: Option<Timestamp>,
    /// The item's keys.
    pub keys: Typed,
    /// What it held before.
    pub old: Option<Typed>,
    /// What it held then.
    pub new: Option<Typed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    event_name: String,
    dynamodb: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    sequence_number: String,
    #[serde(default)]
    approximate_creation_date_time: f64,
    #[serde(default)]
    keys: Typed,
    old_image: Option<Typed>,
    new_image: Option<Typed>,
}

impl StreamChange {
    /// The change in a record as Lambda writes it down; `None` when it is none.
    #[must_use]
    pub fn written(record: &Value) -> Option<Self> {
        let Written { event_name, dynamodb: data } = Written::deserialize(record).ok()?;
        let millis = (data.approximate_creation_date_time * 1000.0) as i64;
        Some(Self {
            sequence: data.sequence_number,
            operation: event_name.to_ascii_lowercase(),
            at: Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0),
            keys: data.keys,
            old: data.old_image,
            new: data.new_image,
        })
    }

    /// The change in a record of the stream; `None` when it is none.
    #[must_use]
    pub fn read(record: Record) -> Option<Self> {
        let data = record.dynamodb?;
        Some(Self {
            sequence: data.sequence_number?,
            operation: record.event_name.map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default(),
            at: data.approximate_creation_date_time.and_then(|at| Timestamp::from_second(at.secs()).ok()),
            keys: data.keys.map(typed_item).unwrap_or_default(),
            old: data.old_image.map(typed_item),
            new: data.new_image.map(typed_item),
        })
    }

    /// The change as it is shown.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let image = |image: &Option<Typed>| image.as_ref().map(plain_item);
        let version = self.new.as_ref().and_then(|new| new.get("version")?["N"].as_str()?.parse().ok());
        Shown {
            place: self.sequence.clone(),
            operation: self.operation.clone(),
            keys: plain_item(&self.keys),
            at: self.at,
            version,
            old: image(&self.old),
            new: image(&self.new),
        }
    }
}

/// An item of the stream as typed JSON.
fn typed_item(item: HashMap<String, FromStream>) -> Typed {
    item.into_iter().map(|(name, value)| (name, typed(value))).collect()
}

fn typed(value: FromStream) -> Value {
    match value {
        FromStream::S(text) => json!({ "S": text }),
        FromStream::N(number) => json!({ "N": number }),
        FromStream::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        FromStream::Bool(is) => json!({ "BOOL": is }),
        FromStream::Null(is) => json!({ "NULL": is }),
        FromStream::L(all) => json!({ "L": all.into_iter().map(typed).collect::<Vec<_>>() }),
        FromStream::M(fields) => json!({ "M": typed_item(fields) }),
        FromStream::Ss(all) => json!({ "SS": sorted(all) }),
        FromStream::Ns(all) => json!({ "NS": sorted(all) }),
        FromStream::Bs(all) => json!({ "BS": sorted(all.into_iter().map(|bytes| STANDARD.encode(bytes)).collect()) }),
        _ => Value::Null,
    }
}

/// Sets have no order of their own.
pub(super) fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort_unstable();
    all
}

/// An item without types, for people. A number that JSON's would round stays a text.
#[must_use]
pub fn plain_item(item: &Typed) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}

fn plain(value: &Value) -> Value {
    let Some((kind, held)) = value.as_object().and_then(|fields| fields.iter().next()) else { return value.clone() };
    match (kind.as_str(), held) {
        ("N", Value::String(text)) => number(text),
        ("NULL", _) => Value::Null,
        ("L", Value::Array(all)) => all.iter().map(plain).collect(),
        ("M", Value::Object(fields)) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        ("NS", Value::Array(all)) => all.iter().map(|n| n.as_str().map_or(Value::Null, number)).collect(),
        ("S" | "B" | "BOOL" | "SS" | "BS", held) => held.clone(),
        _ => value.clone(),
    }
}

fn number(text: &str) -> Value {
    let number: Option<Number> = text.parse().ok();
    number.filter(|number| number.to_string() == text).map_or_else(|| text.into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_the_same_from_the_stream_and_as_lambda_writes_it_down() {
        use aws_sdk_dynamodbstreams::{
            primitives::DateTime,
            types::{OperationType, StreamRecord, StreamViewType},
        };
        let data = StreamRecord::builder()
            .sequence_number("7")
            .approximate_creation_date_time(DateTime::from_secs(60))
            .keys("pk", FromStream::S("r#acme#users".into()))
            .new_image("version", FromStream::N("3".into()))
            .stream_view_type(StreamViewType::NewAndOldImages);
        let record = Record::builder().event_name(OperationType::Modify).dynamodb(data.build()).build();
        let written = json!({ "eventName": "MODIFY", "dynamodb": {
            "SequenceNumber": "7", "ApproximateCreationDateTime": 60, "Keys": { "pk": { "S": "r#acme#users" } },
            "NewImage": { "version": { "N": "3" } }, "StreamViewType": "NEW_AND_OLD_IMAGES",
        }});
        let (read, written) = (StreamChange::read(record).unwrap(), StreamChange::written(&written).unwrap());
        assert_eq!(read, written);
        let shown = read.shown();
        assert_eq!((shown.version, shown.keys), (Some(3), json!({ "pk": "r#acme#users" })));
        assert_eq!(StreamChange::written(&json!({ "dynamodb": 7 })), None);
    }

    #[test]
    fn types_are_left_out_and_no_number_is_rounded() {
        let item: Typed = serde_json::from_value(json!({
            "s": { "S": "a" }, "n": { "N": "12" }, "long": { "N": "12345678901234567890123" }, "no": { "NULL": true },
            "l": { "L": [{ "BOOL": true }, { "M": { "x": { "N": "0.1" } } }] }, "odd": 7, "empty": {},
        }))
        .unwrap();
        let expected = json!({
            "s": "a", "n": 12, "long": "12345678901234567890123", "no": null, "l": [true, { "x": 0.1 }], "odd": 7,
            "empty": {},
        });
        assert_eq!(plain_item(&item), expected);
    }
}
