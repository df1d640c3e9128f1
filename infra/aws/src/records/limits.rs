//! What DynamoDB has no room for is refused before anything is written, with the sizes named.

use sendoff_events::{EventId, Outgoing};
use sendoff_producers::{CommitError, Write};
use serde_json::Value;

use super::item::Place;

/// The largest item, in bytes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items>).
const ITEM: usize = 400 * 1024;
/// The largest transaction, in bytes of its items; the service says 4 MB.
const TRANSACTION: usize = 4_000_000;
/// How deep a record may be nested: as deep as `serde_json` reads. What it can't read back would stand in the way of all
/// changes after it.
const DEEPEST: usize = 127;

/// Where a write goes, and its data as text.
pub(super) fn checked(write: &Write) -> Result<(Place, Option<String>), CommitError> {
    let Some(place) = Place::of(&write.key) else {
        let why = format!(
            "an id of {} bytes in a collection of {} is longer than DynamoDB's keys, which hold 1023 and about 1980",
            write.key.id.len(),
            write.key.collection.len()
        );
        return Err(CommitError::Invalid(why));
    };
    if write.data.as_ref().is_some_and(|data| is_deeper(data, DEEPEST)) {
        return Err(CommitError::Invalid(format!("{} is nested deeper than {DEEPEST} levels", write.key)));
    }
    Ok((place, write.data.as_ref().map(Value::to_string)))
}

fn is_deeper(data: &Value, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return data.is_array() || data.is_object() };
    match data {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, left)),
        _ => false,
    }
}

/// How many bytes these items have together, if each fits into an item and all of them into a transaction.
pub(super) fn fits(items: impl Iterator<Item = (String, usize)>) -> Result<usize, CommitError> {
    let mut total = 0;
    for (name, bytes) in items {
        if bytes > ITEM {
            let why = format!("{name} has {bytes} bytes, more than the {ITEM} of a DynamoDB item");
            return Err(CommitError::TooLarge(why));
        }
        total += bytes;
    }
    if total > TRANSACTION {
        let why = format!("all of it has {total} bytes, more than the {TRANSACTION} of a DynamoDB transaction");
        return Err(CommitError::TooLarge(why));
    }
    Ok(total)
}

/// The events, each of them once: a transaction touches no item twice.
pub(super) fn distinct(events: &[Outgoing]) -> Result<&[Outgoing], CommitError> {
    let mut ids: Vec<EventId> = events.iter().map(|event| event.id()).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(CommitError::Invalid(format!("event {} is in it twice", pair[0]))),
        None => Ok(events),
    }
}

#[cfg(test)]
mod tests {
    use sendoff_producers::{Expected, RecordKey};

    use super::*;

    fn write(id: &str, data: Value) -> Write {
        let key = RecordKey::new(&"acme".parse().unwrap(), "things", id);
        Write { key, expected: Expected::Any, data: Some(data) }
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn data_is_taken_as_deep_as_it_can_be_read_back() {
        let (_, text) = checked(&write("a", nested(DEEPEST))).unwrap();
        assert!(serde_json::from_str::<Value>(&text.unwrap()).is_ok());
        assert!(checked(&write("a", nested(DEEPEST + 1))).is_err());
        assert!(serde_json::from_str::<Value>(&nested(DEEPEST + 1).to_string()).is_err());
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        assert!(checked(&write(&"x".repeat(1023), Value::Null)).is_ok());
        assert!(checked(&write(&"x".repeat(1024), Value::Null)).is_err());
    }

    #[test]
    fn what_is_too_large_is_refused_with_its_size() {
        let item = |bytes| ("things/a".to_owned(), bytes);
        assert_eq!(fits([item(1), item(ITEM)].into_iter()).unwrap(), ITEM + 1);
        let error = fits([item(ITEM + 1)].into_iter()).unwrap_err();
        assert!(matches!(&error, CommitError::TooLarge(why) if why.contains("things/a has 409601 bytes")), "{error}");
        assert!(matches!(fits((0..10).map(|_| item(ITEM))), Err(CommitError::TooLarge(_))));
    }
}
