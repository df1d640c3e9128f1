//! Just enough of a DynamoDB table: it keeps what is put, gives it back, and knows one condition.

use std::{collections::BTreeMap, sync::Mutex};

use sendoff_tests::memory::lock;
use serde_json::{Value, json};

use crate::endpoint::Call;

/// The items by table and key.
#[derive(Default)]
pub(crate) struct Tables(Mutex<BTreeMap<String, Value>>);

impl Tables {
    /// A record of the API, as it stands in the table of records.
    pub(crate) fn record(&self, collection: &str, id: &str, data: &Value) {
        let (pk, sk) = (format!("r#acme#{collection}"), format!("/{id}"));
        let item = json!({
            "pk": { "S": pk }, "sk": { "S": sk }, "version": { "N": "1" }, "actor": { "S": "test" },
            "at": { "N": "1773342238000" }, "data": { "S": data.to_string() },
        });
        lock(&self.0).insert(place("records", &item), item);
    }

    /// An item of any table, as it stands there.
    pub(crate) fn put(&self, table: &str, item: Value) {
        lock(&self.0).insert(place(table, &item), item);
    }

    /// The items of a table.
    pub(crate) fn of(&self, table: &str) -> Vec<Value> {
        let items = lock(&self.0);
        let of_table = items.iter().filter(|(place, _)| place.starts_with(&format!("{table} ")));
        of_table.map(|(_, item)| item.clone()).collect()
    }

    /// Its answer, if the call is one that it knows.
    pub(crate) fn answer(&self, call: &Call) -> Option<(u16, Value)> {
        let table = call.body["TableName"].as_str().unwrap_or_default();
        let mut items = lock(&self.0);
        match call.name.as_str() {
            "GetItem" => {
                let found = items.get(&place(table, &call.body["Key"]));
                Some((200, found.map_or_else(|| json!({}), |item| json!({ "Item": item }))))
            }
            "PutItem" => {
                let place = place(table, &call.body["Item"]);
                let new_only = call.body["ConditionExpression"] == "attribute_not_exists(#id)";
                if let Some(there) = items.get(&place).filter(|_| new_only) {
                    let refused =
                        json!({ "__type": "ConditionalCheckFailedException", "message": "no", "Item": there });
                    return Some((400, refused));
                }
                items.insert(place, call.body["Item"].clone());
                Some((200, json!({})))
            }
            _ => None,
        }
    }
}

fn place(table: &str, item: &Value) -> String {
    let part = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    format!("{table} {}{} {}", part("id"), part("pk"), part("sk"))
}
