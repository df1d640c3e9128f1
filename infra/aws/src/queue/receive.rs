//! Receiving: one `ReceiveMessage` per twenty seconds of waiting.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use aws_smithy_types::base64;
use sendoff_consumers::{Attributes, Delivery, QueueError, Receipt};
use sendoff_events::{Clock, Timestamp};

use super::{SqsQueue, dead_letter::Origin, failed, receipts::seconds};
use crate::{CallError, batches::ENTRIES, connection::ATTEMPT, message::TRACE_HEADER};

/// The longest that SQS waits for a message.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// What the answer may take beyond the wait.
const MARGIN: Duration = Duration::from_secs(5);

impl SqsQueue {
    /// Up to ten messages, leased for `lease`, counted up to whole seconds and at least one; waits up to `wait`, counted up
    /// to whole seconds.
    pub(super) async fn poll(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        let most = i32::try_from(max.min(ENTRIES)).unwrap_or_default();
        if most == 0 {
            return Ok(Vec::new());
        }
        let clock = &self.store.clock;
        let until = clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        loop {
            let left = Duration::try_from(until.duration_since(clock.now())).unwrap_or_default();
            let wait = left.min(LONGEST_WAIT);
            let deliveries = self.poll_once(most, seconds(wait), seconds(lease).max(1)).await?;
            if !deliveries.is_empty() || left <= LONGEST_WAIT {
                return Ok(deliveries);
            }
        }
    }

    async fn poll_once(&self, most: i32, wait: i32, lease: i32) -> Result<Vec<Delivery>, QueueError> {
        let patience = Duration::from_secs(u64::try_from(wait).unwrap_or_default()) + MARGIN;
        let aws = &self.store.aws;
        let client = if patience > ATTEMPT { aws.sqs_polling() } else { aws.sqs() };
        let call = client.receive_message().queue_url(&self.url).max_number_of_messages(most);
        let call = call.wait_time_seconds(wait).visibility_timeout(lease).message_attribute_names("All");
        let call = [System::ApproximateReceiveCount, System::SentTimestamp, System::AwsTraceHeader]
            .into_iter()
            .fold(call, |call, name| call.message_system_attribute_names(name));
        let answer =
            call.send().await.map_err(|error| failed(&CallError::of("sqs:ReceiveMessage", &self.url, &error)))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.map(|message| delivery(message, &*self.store.clock)).collect())
    }
}

/// The message as a delivery. A dead letter of ours tells in its failure what it was like in its queue.
fn delivery(message: Message, clock: &dyn Clock) -> Delivery {
    let system = message.attributes.unwrap_or_default();
    let sent = system.get(&System::SentTimestamp).and_then(|text| text.parse().ok());
    let mut attributes: Attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| {
            // Others may send numbers, which are texts, and bytes, which become texts.
            let text = value.string_value.or_else(|| value.binary_value.map(base64::encode))?;
            Some((name, text))
        })
        .collect();
    attributes.extend(system.get(&System::AwsTraceHeader).map(|trace| (TRACE_HEADER.to_owned(), trace.clone())));
    let origin = Origin::take(&mut attributes);
    let sent_at = sent.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Delivery {
        receipt: Receipt::new(message.receipt_handle.unwrap_or_default()),
        message_id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default().into(),
        attributes,
        receive_count: system.get(&System::ApproximateReceiveCount).and_then(|text| text.parse().ok()).unwrap_or(1),
        sent_at: origin.or(sent_at).unwrap_or_else(|| clock.now()),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{primitives::Blob, types::MessageAttributeValue};
    use sendoff_host::SystemClock;

    use super::*;

    #[test]
    fn attributes_of_every_type_are_read_and_the_trace_header_is_one_of_them() {
        let value = |kind: &str| MessageAttributeValue::builder().data_type(kind);
        let message = Message::builder()
            .body("x")
            .message_attributes("text", value("String").string_value("ü").build().unwrap())
            .message_attributes("number", value("Number.int").string_value("17").build().unwrap())
            .message_attributes("bytes", value("Binary").binary_value(Blob::new([0, 255])).build().unwrap())
            .attributes(System::SentTimestamp, "1700000000123")
            .attributes(System::ApproximateReceiveCount, "3")
            .attributes(System::AwsTraceHeader, "Root=1")
            .build();
        let delivery = delivery(message, &SystemClock);
        let expected = [("bytes", "AP8="), ("number", "17"), ("text", "ü"), (TRACE_HEADER, "Root=1")];
        assert_eq!(delivery.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!((delivery.receive_count, delivery.sent_at.as_millisecond()), (3, 1_700_000_000_123));
    }
}
