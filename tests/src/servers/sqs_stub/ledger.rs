//! DynamoDB: the inbox has a record of every letter's event, and keeps what else is put. Conditions aren't looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, letters::number_in, state::State};

/// The most keys of one call.
const KEYS: usize = 100;

type Answered = Result<Vec<u8>, Refusal>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    table_name: String,
    key: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGet {
    request_items: BTreeMap<String, Keys>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    table_name: String,
    item: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    transact_items: Vec<BTreeMap<String, Value>>,
}

/// Under what an item is kept: the key of either table.
fn place(table: &str, item: &BTreeMap<String, Value>) -> String {
    let part = |name: &str| item.get(name).map(Value::to_string).unwrap_or_default();
    format!("{table} {} {} {}", part("id"), part("pk"), part("sk"))
}

impl State {
    /// Writes the item if there is one.
    fn write_item(&self, out: &mut String, table: &str, key: &BTreeMap<String, Value>) -> bool {
        if let Some(item) = self.items.get(&place(table, key)) {
            out.push_str(item);
            return true;
        }
        let id = key.get("id").and_then(|id| id.get("S")).and_then(Value::as_str);
        let number = id.and_then(number_in).filter(|number| *number < self.slots.len() as u64);
        if let Some(number) = number {
            self.letters.write_record(out, number);
        }
        number.is_some()
    }

    pub(super) fn get_item(&self, body: &[u8]) -> Answered {
        let Get { table_name, key } = serde_json::from_slice(body)?;
        let mut item = String::new();
        Ok(match self.write_item(&mut item, &table_name, &key) {
            true => format!(r#"{{"Item":{item}}}"#).into_bytes(),
            false => b"{}".to_vec(),
        })
    }

    pub(super) fn batch_get(&self, body: &[u8]) -> Answered {
        let BatchGet { request_items } = serde_json::from_slice(body)?;
        if request_items.values().map(|keys| keys.keys.len()).sum::<usize>() > KEYS {
            return Err(Refusal::new("ValidationException", "Too many items requested for the BatchGetItem call"));
        }
        let mut out = String::from(r#"{"Responses":{"#);
        for (place, (table, Keys { keys })) in request_items.iter().enumerate() {
            out.push_str(&format!(r#"{}"{table}":["#, if place == 0 { "" } else { "," }));
            let mut any = false;
            for key in keys {
                let before = out.len();
                if any {
                    out.push(',');
                }
                if self.write_item(&mut out, table, key) {
                    any = true;
                } else {
                    out.truncate(before);
                }
            }
            out.push(']');
        }
        out.push_str(r#"},"UnprocessedKeys":{}}"#);
        Ok(out.into_bytes())
    }

    pub(super) fn put_item(&mut self, body: &[u8]) -> Answered {
        self.put(serde_json::from_slice(body)?)?;
        Ok(b"{}".to_vec())
    }

    pub(super) fn transact(&mut self, body: &[u8]) -> Answered {
        let Transaction { transact_items } = serde_json::from_slice(body)?;
        for mut item in transact_items {
            match item.remove("Put") {
                Some(put) => self.put(serde_json::from_value(put)?)?,
                None => return Err(Refusal::new("ValidationException", "the stub only puts")),
            }
        }
        Ok(b"{}".to_vec())
    }

    fn put(&mut self, put: Put) -> Result<(), Refusal> {
        let Put { table_name, item } = put;
        self.items.insert(place(&table_name, &item), serde_json::to_string(&item)?);
        Ok(())
    }
}
