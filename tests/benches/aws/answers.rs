//! What the stub answers: that all went well, whatever it was.

use std::{borrow::Cow, cell::Cell, fmt::Write as _};

use sendoff_events::Outgoing;
use serde::Deserialize;
use serde_json::json;

use crate::rig;

/// Letters of a receipt handle of SQS, without the id that makes it unique.
const RECEIPT: usize = 160;
/// Messages of a batch.
const BATCH: usize = 10;

/// Digits of an event's id that the number of a message takes.
const NUMBER: usize = 12;

/// The answers, prepared as far as they don't depend on the request.
pub(crate) struct Answers {
    message: Message,
    received: Cell<u64>,
}

/// A message, up to what is another one in each: no two have the same event, since records of the same one would be written one
/// after the other.
struct Message {
    /// Between them stands the id of the event.
    pieces: Vec<String>,
    /// That id, without the number that makes it unique.
    id: String,
}

impl Message {
    fn of(event: &Outgoing) -> Self {
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let id = event.id().to_string();
        let message = json!({
            "MessageId": &id,
            "MD5OfBody": "fafb00f5732ab283681e124bf8747ed1",
            "Body": std::str::from_utf8(event.body()).unwrap(),
            "Attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1773342238000" },
            "MD5OfMessageAttributes": "295c5fa15a51aae6884d1d7c1d99ca50",
            "MessageAttributes": { "type": text(&event.event_type().to_string()), "tenant": text(event.tenant().as_str()) },
            "ReceiptHandle": format!("{}{id}", "A".repeat(RECEIPT)),
        });
        let pieces = message.to_string().split(&id).map(str::to_owned).collect();
        Self { pieces, id: id[..id.len() - NUMBER].to_owned() }
    }

    fn write(&self, number: u64, text: &mut String) {
        for (n, piece) in self.pieces.iter().enumerate() {
            if n > 0 {
                write!(text, "{}{number:0NUMBER$}", self.id).unwrap();
            }
            text.push_str(piece);
        }
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Entries", borrow)]
    entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "Id", borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Statements<'a> {
    #[serde(rename = "Statements", borrow)]
    statements: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Transaction {
    #[serde(rename = "TransactItems")]
    items: Vec<serde_json::Map<String, serde_json::Value>>,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self { message: Message::of(&rig::event(0)), received: Cell::new(0) }
    }

    /// The answer to a call, and how many items it would have written; `None` to what it doesn't know.
    pub(crate) fn to(&self, call: &str, body: &[u8]) -> Option<(Vec<u8>, u64)> {
        let nothing = || b"{}".to_vec();
        Some(match call {
            "PublishBatch" => (published(std::str::from_utf8(body).unwrap()), 0),
            "SendMessageBatch" => (taken(body, true), 0),
            "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => (taken(body, false), 0),
            "ReceiveMessage" => (self.messages(), 0),
            "PutItem" | "UpdateItem" | "DeleteItem" => (nothing(), 1),
            "GetItem" => (nothing(), 0),
            "BatchExecuteStatement" => stored(body),
            "TransactWriteItems" => {
                let transaction: Transaction = serde_json::from_slice(body).unwrap();
                let written = transaction.items.iter().filter(|item| !item.contains_key("ConditionCheck")).count();
                (nothing(), written as u64)
            }
            _ => return None,
        })
    }

    fn messages(&self) -> Vec<u8> {
        let mut text = String::with_capacity(BATCH * 2 * rig::BODY);
        for n in 0..BATCH {
            text.push_str(if n == 0 { r#"{"Messages":["# } else { "," });
            let number = self.received.get();
            self.received.set(number + 1);
            self.message.write(number, &mut text);
        }
        text.push_str("]}");
        text.into_bytes()
    }
}

/// DynamoDB's answer to a batch of statements.
fn stored(body: &[u8]) -> (Vec<u8>, u64) {
    let batch: Statements<'_> = serde_json::from_slice(body).unwrap();
    let count = batch.statements.len();
    (format!(r#"{{"Responses":[{}]}}"#, vec!["{}"; count].join(",")).into_bytes(), count as u64)
}

/// SQS's answer to a batch.
fn taken(body: &[u8], sent: bool) -> Vec<u8> {
    let batch: Batch<'_> = serde_json::from_slice(body).unwrap();
    let told = batch.entries.iter().map(|Entry { id }| match sent {
        true => format!(r#"{{"Id":"{id}","MessageId":"m","MD5OfMessageBody":"fafb00f5732ab283681e124bf8747ed1"}}"#),
        false => format!(r#"{{"Id":"{id}"}}"#),
    });
    format!(r#"{{"Successful":[{}],"Failed":[]}}"#, told.collect::<Vec<_>>().join(",")).into_bytes()
}

/// SNS's answer to `PublishBatch`.
fn published(form: &str) -> Vec<u8> {
    let ids = form.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.starts_with("PublishBatchRequestEntries.member.") && name.ends_with(".Id")).then_some(value)
    });
    let told = ids
        .map(|id| format!("<member><Id>{id}</Id><MessageId>5fea7756-0ea4-451a-a703-a558b933e274</MessageId></member>"));
    format!(
        r#"<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Successful>{}</Successful><Failed/></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"#,
        told.collect::<String>()
    )
    .into_bytes()
}
