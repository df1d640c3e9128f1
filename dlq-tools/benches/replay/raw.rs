//! The SDK alone: ten messages are received, sent and deleted, many such at a time, and nothing is remembered.

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName as System,
    SendMessageBatchRequestEntry,
};
use futures::{StreamExt as _, stream};
use sendoff_aws::{Aws, Environment};
use sendoff_tests::servers::Stocked;

/// Makes this program the bare loop.
pub(crate) const ARGUMENT: &str = "--raw";
/// Loops at a time.
const CONCURRENCY: usize = 64;
/// Messages of a batch.
const BATCH: i32 = 10;

/// Moves so many messages, by the environment variables that lead to the stub.
pub(crate) fn main(messages: u64) {
    // One thread, as the tool has.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let aws = Aws::from_environment(Environment::of(std::env::vars())).unwrap();
        let base = std::env::vars().find(|(name, _)| name == "SENDOFF_QUEUE_URL_BASE").unwrap().1;
        let target = format!("{base}{}", Stocked::CONSUMER);
        let batches = messages.div_ceil(BATCH.unsigned_abs().into());
        let sqs = aws.sqs();
        stream::iter(0..batches).for_each_concurrent(CONCURRENCY, |_| replay(sqs, &target)).await;
    });
}

async fn replay(sqs: &aws_sdk_sqs::Client, target: &str) {
    let source = format!("{target}-dlq");
    let call = sqs.receive_message().queue_url(&source).max_number_of_messages(BATCH).visibility_timeout(300);
    let call = call.message_attribute_names("All").message_system_attribute_names(System::SentTimestamp);
    let call = call.message_system_attribute_names(System::ApproximateReceiveCount);
    let received = call.send().await.unwrap().messages.unwrap_or_default();
    let (mut sends, mut deletes) = (Vec::new(), Vec::new());
    for (n, message) in received.into_iter().enumerate() {
        let mut attributes = message.message_attributes.unwrap_or_default();
        attributes.remove("failure");
        let count = MessageAttributeValue::builder().data_type("String").string_value("1").build().unwrap();
        attributes.insert("replay".to_owned(), count);
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(message.body.unwrap());
        sends.push(entry.set_message_attributes(Some(attributes)).build().unwrap());
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        deletes.push(entry.receipt_handle(message.receipt_handle.unwrap()).build().unwrap());
    }
    let answer = sqs.send_message_batch().queue_url(target).set_entries(Some(sends)).send().await.unwrap();
    assert!(answer.failed.is_empty());
    let answer = sqs.delete_message_batch().queue_url(&source).set_entries(Some(deletes)).send().await.unwrap();
    assert!(answer.failed.is_empty());
}
