//! SQS (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>), as far as the tool speaks it.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, io};

use sendoff_events::Clock as _;
use sendoff_host::SystemClock;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{
    Refusal, Stocked,
    letters::{named, number_in},
    state::{GONE, State, slot},
};

/// The most leases of a standard queue.
const IN_FLIGHT: u64 = 120_000;
/// The most entries of a batch, and messages of a receive.
const BATCH: usize = 10;

type Answered = Result<Vec<u8>, Refusal>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(default)]
    max_number_of_messages: Option<usize>,
    #[serde(default)]
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound(deserialize = "'de: 'a, E: Deserialize<'de>"))]
struct Batch<'a, E> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
    #[serde(borrow, default)]
    message_attributes: BTreeMap<Cow<'a, str>, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Held<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
    #[serde(default)]
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfQueue<'a> {
    #[serde(borrow, default)]
    queue_url: Cow<'a, str>,
    #[serde(borrow, default)]
    queue_name: Cow<'a, str>,
}

fn is_dead(url: &str) -> bool {
    url.ends_with("-dlq")
}

/// A batch's answer, from the entries that went well and those that didn't.
#[derive(Default)]
struct Told {
    done: String,
    failed: Vec<serde_json::Value>,
}

impl Told {
    fn done(&mut self, entry: &str) {
        if !self.done.is_empty() {
            self.done.push(',');
        }
        self.done.push_str(entry);
    }

    fn failed(&mut self, id: &str, code: &str, message: &str) {
        self.failed.push(json!({ "Id": id, "SenderFault": true, "Code": code, "Message": message }));
    }

    fn answer(self) -> Vec<u8> {
        let failed = serde_json::Value::from(self.failed);
        format!(r#"{{"Successful":[{}],"Failed":{failed}}}"#, self.done).into_bytes()
    }
}

fn sized<E>(entries: &[E]) -> Result<(), Refusal> {
    match entries.len() {
        1..=BATCH => Ok(()),
        0 => Err(Refusal::new("EmptyBatchRequest", "there are no entries")),
        _ => Err(Refusal::new("TooManyEntriesInBatchRequest", "there are more than ten")),
    }
}

impl State {
    fn names() -> [String; 2] {
        let (prefix, consumer) = (Stocked::PREFIX, Stocked::CONSUMER);
        [format!("{prefix}{consumer}"), format!("{prefix}{consumer}-dlq")]
    }

    pub(super) fn list_queues(&self) -> Vec<u8> {
        let urls = Self::names().map(|name| format!("{}/000000000000/{name}", self.url));
        json!({ "QueueUrls": urls }).to_string().into_bytes()
    }

    pub(super) fn queue_url(&self, body: &[u8]) -> Answered {
        let asked: OfQueue<'_> = serde_json::from_slice(body)?;
        if !Self::names().contains(&asked.queue_name.clone().into_owned()) {
            return Err(Refusal::new("QueueDoesNotExist", "there is no such queue"));
        }
        let url = format!("{}/000000000000/{}", self.url, asked.queue_name);
        Ok(json!({ "QueueUrl": url }).to_string().into_bytes())
    }

    pub(super) fn queue_attributes(&mut self, body: &[u8]) -> Answered {
        let asked: OfQueue<'_> = serde_json::from_slice(body)?;
        self.wake(SystemClock.now().as_millisecond());
        let name = asked.queue_url.rsplit('/').next().unwrap_or_default();
        if !Self::names().iter().any(|known| known == name) {
            return Err(Refusal::new("QueueDoesNotExist", "there is no such queue"));
        }
        let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let mut attributes = BTreeMap::from([
            ("QueueArn", arn(name)),
            ("VisibilityTimeout", "30".to_owned()),
            ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
        ]);
        if is_dead(name) {
            attributes.insert("MessageRetentionPeriod", "1209600".to_owned());
            attributes.insert("ApproximateNumberOfMessages", (self.left - self.leased).to_string());
            attributes.insert("ApproximateNumberOfMessagesNotVisible", self.leased.to_string());
        } else {
            let policy = json!({ "deadLetterTargetArn": arn(&format!("{name}-dlq")), "maxReceiveCount": 1000 });
            attributes.insert("RedrivePolicy", policy.to_string());
            attributes.insert("MessageRetentionPeriod", "345600".to_owned());
            // Its consumer keeps up.
            attributes.insert("ApproximateNumberOfMessages", "0".to_owned());
            attributes.insert("ApproximateNumberOfMessagesNotVisible", "0".to_owned());
        }
        Ok(json!({ "Attributes": attributes }).to_string().into_bytes())
    }

    pub(super) fn receive(&mut self, body: &[u8]) -> Answered {
        let asked: Receive<'_> = serde_json::from_slice(body)?;
        let now = SystemClock.now().as_millisecond();
        self.wake(now);
        let most = asked.max_number_of_messages.unwrap_or(1);
        if !(1..=BATCH).contains(&most) {
            return Err(Refusal::new("InvalidParameterValue", "MaxNumberOfMessages must be from 1 to 10"));
        }
        if !is_dead(&asked.queue_url) {
            return Ok(b"{}".to_vec());
        }
        if self.leased >= IN_FLIGHT {
            return Err(Refusal::new("OverLimit", "too many messages are in flight"));
        }
        let until = now + 1000 * asked.visibility_timeout.unwrap_or(30);
        let mut out = String::with_capacity(most * 3 * 1024);
        for place in 0..most {
            let Some(number) = self.ready.pop_front() else { break };
            let Some(slot) = slot(&mut self.slots, number) else { break };
            slot.lease += 1;
            (slot.hidden_until, self.leased) = (until, self.leased + 1);
            let lease = slot.lease;
            self.hidden.push(Reverse((until, number)));
            out.push_str(if place == 0 { r#"{"Messages":["# } else { "," });
            self.letters.write(&mut out, number, lease, lease);
        }
        if out.is_empty() {
            return Ok(b"{}".to_vec());
        }
        out.push_str("]}");
        Ok(out.into_bytes())
    }

    pub(super) fn send(&mut self, body: &[u8]) -> Answered {
        let batch: Batch<'_, Sent<'_>> = serde_json::from_slice(body)?;
        sized(&batch.entries)?;
        if is_dead(&batch.queue_url) {
            return Err(Refusal::new("InvalidParameterValue", "the stub takes no letters back"));
        }
        let mut told = Told::default();
        for Sent { id, message_body, message_attributes } in batch.entries {
            let number = number_in(&message_body).and_then(|number| usize::try_from(number).ok());
            let times = number.and_then(|number| self.sent.get_mut(number));
            let replayed = message_attributes.contains_key("replay") && !message_attributes.contains_key("failure");
            self.sends += 1;
            self.wrong += u64::from(times.is_none() || !replayed);
            if let Some(times) = times {
                *times = times.saturating_add(1);
            }
            let message = self.sends;
            told.done(&format!(
                r#"{{"Id":"{id}","MessageId":"c0ffee00-0ea4-451a-a703-{message:012x}","MD5OfMessageBody":"fafb00f5732ab283681e124bf8747ed1"}}"#
            ));
        }
        Ok(told.answer())
    }

    pub(super) fn delete(&mut self, body: &[u8]) -> Answered {
        let batch: Batch<'_, Held<'_>> = serde_json::from_slice(body)?;
        sized(&batch.entries)?;
        let mut told = Told::default();
        for Held { id, receipt_handle, .. } in batch.entries {
            let Some((number, lease)) = named(&receipt_handle) else {
                told.failed(&id, "ReceiptHandleIsInvalid", "the receipt handle is none");
                continue;
            };
            // Who deletes by a receipt that is out of date is told that all is well.
            if let Some(slot) = slot(&mut self.slots, number).filter(|slot| slot.lease == lease) {
                match slot.hidden_until {
                    GONE => {}
                    0 => {
                        // Its lease has run out, and nobody has it: SQS deletes it all the same.
                        self.ready.retain(|ready| *ready != number);
                        (slot.hidden_until, self.left) = (GONE, self.left - 1);
                    }
                    _ => {
                        (slot.hidden_until, self.left) = (GONE, self.left - 1);
                        self.leased -= 1;
                    }
                }
            }
            told.done(&format!(r#"{{"Id":"{id}"}}"#));
        }
        Ok(told.answer())
    }

    pub(super) fn change_visibility(&mut self, body: &[u8]) -> Answered {
        let batch: Batch<'_, Held<'_>> = serde_json::from_slice(body)?;
        sized(&batch.entries)?;
        let now = SystemClock.now().as_millisecond();
        self.wake(now);
        let mut told = Told::default();
        for Held { id, receipt_handle, visibility_timeout } in batch.entries {
            let found = named(&receipt_handle);
            let slot = found.and_then(|(number, lease)| {
                slot(&mut self.slots, number)
                    .filter(|slot| slot.lease == lease && ![0, GONE].contains(&slot.hidden_until))
            });
            let (Some((number, _)), Some(slot)) = (found, slot) else {
                told.failed(&id, "MessageNotInflight", "the message is not in flight");
                continue;
            };
            match visibility_timeout.unwrap_or(30) {
                0 => {
                    slot.hidden_until = 0;
                    self.leased -= 1;
                    self.ready.push_back(number);
                }
                seconds => {
                    slot.hidden_until = now + 1000 * seconds;
                    self.hidden.push(Reverse((slot.hidden_until, number)));
                }
            }
            told.done(&format!(r#"{{"Id":"{id}"}}"#));
        }
        Ok(told.answer())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new("InternalFailure", error.to_string())
    }
}
