//! Moving messages to the dead-letter queue.
//!
//! SQS moves a message only by itself, without a word about why. So ours is sent to the dead-letter queue as it was, with its
//! failure, and then deleted. A dead letter is a new message to SQS: its id and its age begin again, and its retention with
//! them. What it was like before stands in the failure: besides the fields of [`Failure`], the attribute's JSON has
//!
//! - `sent_at`: when the message was first put into its queue,
//! - `message_id`: its id there,
//! - `attributes`: all its attributes, if there were ten already. Then none of them stands beside the failure.
//!
//! A body that no longer fits with the failure beside it is put aside as a claim check, like one over the topic's limit.

use sendoff_consumers::{Attributes, Delivery, FAILURE_ATTRIBUTE, Failure, QueueError, Receipt};
use sendoff_events::{EXTENDED_SIZE_ATTRIBUTE, Pointer, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SqsQueue;
use crate::message::{self, SQS_LIMIT, SqsMessage, TRACE_HEADER};

/// How long a message is held while it is moved, in seconds. When the move breaks off, it comes back after that.
pub(super) const HOLD: i32 = 60;
/// What the key of a body begins with that was put aside.
pub(crate) const PUT_ASIDE: &str = "dead-letters/";
/// The most attributes that stand beside the failure.
const BESIDE: usize = 9;

/// What a message was like before it became a dead letter.
#[derive(Serialize, Deserialize)]
pub(super) struct Origin {
    sent_at: Timestamp,
    #[serde(default)]
    message_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    failure: &'a Failure,
    #[serde(flatten)]
    origin: Origin,
}

impl Origin {
    /// When a dead letter of ours was first put into its queue. Its own attributes are put beside the failure again.
    pub(super) fn take(attributes: &mut Attributes) -> Option<Timestamp> {
        let origin: Self = serde_json::from_str(attributes.get(FAILURE_ATTRIBUTE)?).ok()?;
        for (name, value) in origin.attributes.into_iter().flatten() {
            attributes.entry(name).or_insert(value);
        }
        Some(origin.sent_at)
    }
}

impl SqsQueue {
    /// Three calls per ten messages: one holds them, which also tells the stale receipts; one sends the dead letters; one
    /// deletes the messages. What couldn't be sent, or may not have been, isn't deleted: it comes again, and the inbox knows
    /// it. So there may be two dead letters of one message, and never none.
    pub(super) async fn bury(&self, entries: &[(Delivery, Failure)]) -> Vec<Result<(), QueueError>> {
        let receipts: Vec<(Receipt, i32)> =
            entries.iter().map(|(delivery, _)| (delivery.receipt.clone(), HOLD)).collect();
        let mut results = self.hide(&receipts).await;
        let mut letters = Vec::new();
        let mut places = Vec::new();
        for (place, (delivery, failure)) in entries.iter().enumerate() {
            if results[place].is_ok() {
                match self.letter(delivery, failure).await {
                    Ok(letter) => {
                        places.push(place);
                        letters.push((letter, 0));
                    }
                    Err(error) => results[place] = Err(error),
                }
            }
        }
        let sent = self.send_to(&self.dead_url, &letters).await;
        let mut gone = Vec::new();
        for (place, result) in places.into_iter().zip(sent) {
            match result {
                Ok(_) => gone.push(place),
                Err(error) => results[place] = Err(error),
            }
        }
        let receipts: Vec<Receipt> = gone.iter().map(|place| entries[*place].0.receipt.clone()).collect();
        for (place, result) in gone.into_iter().zip(self.leases().delete(&receipts).await) {
            results[place] = result;
        }
        results
    }

    async fn letter(&self, delivery: &Delivery, failure: &Failure) -> Result<SqsMessage, QueueError> {
        let mut attributes = beside(delivery, failure);
        let text = message::text(&delivery.body).map_err(QueueError::Refused)?;
        if message::bytes(text, message::pairs(&attributes)) <= SQS_LIMIT {
            return SqsMessage::new(&delivery.body, &attributes).map_err(QueueError::Refused);
        }
        let key = format!("{PUT_ASIDE}{:x}", Sha256::digest(&delivery.body));
        let key = key.parse().map_err(QueueError::Refused)?;
        let put = self.blobs.put(&key, delivery.body.clone()).await;
        put.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        // The size takes a place of its own; where there is none left, the others make room.
        if attributes.len() - usize::from(attributes.contains_key(TRACE_HEADER)) > BESIDE {
            attributes = fold(delivery, failure);
        }
        attributes.insert(EXTENDED_SIZE_ATTRIBUTE.to_owned(), delivery.body.len().to_string());
        let body = Pointer { bucket: self.blobs.bucket().to_owned(), key }.to_body();
        SqsMessage::new(body.as_bytes(), &attributes).map_err(QueueError::Refused)
    }
}

/// The attributes of the dead letter.
fn beside(delivery: &Delivery, failure: &Failure) -> Attributes {
    let mut attributes = delivery.attributes.clone();
    attributes.remove(FAILURE_ATTRIBUTE);
    if attributes.len() - usize::from(attributes.contains_key(TRACE_HEADER)) > BESIDE {
        return fold(delivery, failure);
    }
    attributes.insert(FAILURE_ATTRIBUTE.to_owned(), tell(delivery, failure, None));
    attributes
}

/// The failure with all other attributes in it, but for the trace header, which costs none.
fn fold(delivery: &Delivery, failure: &Failure) -> Attributes {
    let mut inside = delivery.attributes.clone();
    inside.remove(FAILURE_ATTRIBUTE);
    let trace = inside.remove_entry(TRACE_HEADER);
    let told = tell(delivery, failure, Some(inside));
    trace.into_iter().chain([(FAILURE_ATTRIBUTE.to_owned(), told)]).collect()
}

fn tell(delivery: &Delivery, failure: &Failure, attributes: Option<Attributes>) -> String {
    let origin = Origin { sent_at: delivery.sent_at, message_id: delivery.message_id.clone(), attributes };
    let told = serde_json::to_string(&Told { failure, origin }).unwrap_or_else(|_| failure.to_attribute());
    // JSON escapes control characters, but not the two non-characters that SQS takes in no message.
    told.chars().map(|c| if message::is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::Class;

    use super::*;

    fn failure() -> Failure {
        let at = Timestamp::from_second(1).unwrap();
        Failure {
            reason: "broken".into(),
            class: Class::Rejected,
            fingerprint: "broken-0badcafe".into(),
            consumer: "email".into(),
            attempts: 3,
            first_at: at,
            last_at: at,
            error: "it said \u{1} \u{fffe} ü".into(),
        }
    }

    fn delivery(count: usize) -> Delivery {
        Delivery {
            receipt: Receipt::new("r"),
            message_id: "m-1".into(),
            body: "x".into(),
            attributes: (0..count).map(|n| (format!("a{n}"), format!("\"v{n}\""))).collect(),
            receive_count: 1,
            sent_at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
        }
    }

    #[test]
    fn a_dead_letter_has_its_attributes_its_failure_and_the_time_it_was_sent() {
        let held = delivery(9);
        let mut attributes = beside(&held, &failure());
        assert!(SqsMessage::new(b"x", &attributes).is_ok());
        assert_eq!(Origin::take(&mut attributes), Some(held.sent_at));
        let told = attributes.remove(FAILURE_ATTRIBUTE).unwrap();
        let expected = Failure { error: "it said \u{1} \u{fffd} ü".into(), ..failure() };
        assert_eq!(serde_json::from_str::<Failure>(&told).unwrap(), expected);
        assert_eq!(attributes, held.attributes);
    }

    #[test]
    fn with_ten_attributes_already_they_travel_in_the_failure_and_come_out_as_they_were() {
        let mut held = delivery(10);
        held.attributes.insert(TRACE_HEADER.into(), "Root=1".into());
        let mut attributes = beside(&held, &failure());
        assert_eq!(attributes.keys().collect::<Vec<_>>(), [TRACE_HEADER, FAILURE_ATTRIBUTE]);
        assert_eq!(Origin::take(&mut attributes), Some(held.sent_at));
        attributes.remove(FAILURE_ATTRIBUTE);
        assert_eq!(attributes, held.attributes);
    }

    #[test]
    fn a_second_failure_takes_the_place_of_the_first() {
        let mut held = delivery(9);
        held.attributes.insert(FAILURE_ATTRIBUTE.into(), "an older one".into());
        let attributes = beside(&held, &failure());
        assert_eq!(attributes.len(), 10);
        assert!(attributes[FAILURE_ATTRIBUTE].contains("broken"));
    }

    #[test]
    fn the_failure_of_somebody_else_says_nothing_about_the_time() {
        for text in ["", "{}", "no JSON", &failure().to_attribute()] {
            let mut attributes = Attributes::from([(FAILURE_ATTRIBUTE.to_owned(), text.to_owned())]);
            assert_eq!(Origin::take(&mut attributes), None, "{text}");
        }
    }
}
