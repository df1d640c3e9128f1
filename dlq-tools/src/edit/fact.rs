//! The new event: what an edit makes of a letter's.

use sendoff_events::{EventId, Timestamp};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

/// The header of an envelope, in the order in which it is written.
const HEADER: [&str; 14] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "tenantid",
    "correlationid",
    "causationid",
    "traceparent",
    "firstpublished",
    "sequence",
];

/// Why nobody may edit this field of an envelope; `None` when it may be edited.
fn fixed(name: &str) -> Option<&'static str> {
    Some(match name {
        "specversion" | "datacontenttype" | "dataschema" => "it says how the event is written, not what happened",
        "id" => "the changed event gets an id of its own",
        "source" => "who published it first stays known",
        "type" => "an event of another type is another event: publish that one",
        "subject" => "the event is numbered within its subject: publish a new event about the other one",
        "time" => "when it happened doesn't change with what is said of it",
        "tenantid" => "an event never moves to another tenant",
        "correlationid" | "causationid" | "traceparent" => "they tie the event to what it came from",
        "firstpublished" => "it is set to now: the changed event is published for the first time",
        "sequence" => "the event's place within its subject doesn't change",
        _ => return None,
    })
}

/// Refuses a change of what isn't to be edited.
///
/// # Errors
///
/// Which field, and why not.
pub(super) fn only_what_may_change(before: &Value, after: &Value) -> Result<(), String> {
    for name in HEADER {
        if before.get(name) != after.get(name) {
            let why = fixed(name).unwrap_or_default();
            return Err(format!("`{name}` can't be edited: {why}. What can be edited is `data`"));
        }
    }
    if after.get("data_base64").is_some() {
        return Err("`data_base64` can't be added: events carry JSON in `data`".into());
    }
    Ok(())
}

/// The body of the new event: what `after` says, under a new id, caused by the event that it replaces.
#[must_use]
pub(super) fn body(after: &Value, id: EventId, replaces: EventId, now: Timestamp) -> String {
    let mut envelope = after.as_object().cloned().unwrap_or_default();
    envelope.insert("id".into(), id.to_string().into());
    envelope.insert("causationid".into(), replaces.to_string().into());
    envelope.insert("firstpublished".into(), now.to_string().into());
    let text = serde_json::to_string(&InOrder(&envelope)).unwrap_or_default();
    // XML, and with it SQS, has no place for these two. They can only stand in a text.
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// An envelope as people are used to reading it: the header, then anything else, then the data.
pub struct InOrder<'a>(pub &'a Map<String, Value>);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        let known = HEADER.iter().filter_map(|name| self.0.get_key_value(*name));
        let others = self.0.iter().filter(|(name, _)| !HEADER.contains(&name.as_str()) && *name != "data");
        for (name, value) in known.chain(others).chain(self.0.get_key_value("data")) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A number in a JSON text that would become another one by being read and written: too many digits.
#[must_use]
pub(super) fn inexact_number(json: &str) -> Option<&str> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let more =
                    bytes[at..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                let end = at + more.count();
                let number = &json[at..end];
                if !is_exact(number) {
                    return Some(number);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    None
}

fn is_exact(number: &str) -> bool {
    let significant = |text: &str| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default().replace(['-', '.'], "");
        mantissa.trim_start_matches('0').trim_end_matches('0').to_owned()
    };
    number.parse::<u64>().is_ok()
        || number.parse::<i64>().is_ok()
        || number.parse::<f64>().is_ok_and(|value| significant(&format!("{value:e}")) == significant(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_part_of_the_header_can_be_edited_and_each_refusal_says_why() {
        let before = json!({ "id": "1", "data": {} });
        for name in HEADER {
            let mut after = before.clone();
            after[name] = json!("changed");
            let error = only_what_may_change(&before, &after).unwrap_err();
            assert!(error.contains(&format!("`{name}`")) && !error.contains(": ."), "{error}");
        }
        assert_eq!(only_what_may_change(&before, &json!({ "id": "1", "data": { "a": 1 } })), Ok(()));
    }

    #[test]
    fn numbers_that_would_change_by_being_read_are_found() {
        for exact in [
            "0",
            "-1",
            "18446744073709551615",
            "0.1",
            "1e3",
            "1.50",
            "100000000000000000000",
            "\"12345678901234567890123\"",
        ] {
            assert_eq!(inexact_number(&format!("{{\"a\":[{exact}]}}")), None, "{exact}");
        }
        for wrong in ["12345678901234567890123", "0.12345678901234567890123", "1e999"] {
            assert_eq!(inexact_number(&format!("[\"\\\"\",{wrong}]")), Some(wrong));
        }
    }

    #[test]
    fn the_new_event_is_written_in_the_usual_order_and_fits_into_xml() {
        let after = json!({ "data": { "a": "\u{ffff}" }, "specversion": "1.0", "zone": 1, "id": "x" });
        let id = EventId::from_bytes([1; 16]);
        let body = body(&after, id, EventId::from_bytes([2; 16]), Timestamp::UNIX_EPOCH);
        assert_eq!(
            body,
            "{\"specversion\":\"1.0\",\"id\":\"01010101-0101-0101-0101-010101010101\",\
             \"causationid\":\"02020202-0202-0202-0202-020202020202\",\"firstpublished\":\"1970-01-01T00:00:00Z\",\
             \"zone\":1,\"data\":{\"a\":\"\\uffff\"}}"
        );
    }
}
