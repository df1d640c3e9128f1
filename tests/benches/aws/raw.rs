//! The same calls as ours, by the SDK alone: clients of the same settings, the same entries, and no more care than finding out
//! that all went well.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName as System};
use sendoff_aws::Store;
use sendoff_events::Outgoing;

/// The SDK's clients, by hand.
pub(crate) struct Raw<'a> {
    store: &'a Store,
    /// Repeats what may be repeated.
    repeating: aws_sdk_sqs::Client,
    url: String,
}

impl<'a> Raw<'a> {
    pub(crate) fn new(store: &'a Store, queue: &str) -> Self {
        let repeating = aws_sdk_sqs::Client::new(store.aws().config());
        Self { store, repeating, url: store.resources().queue_url(queue) }
    }

    pub(crate) async fn publish(&self, events: &[Outgoing]) {
        let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let entry = |(n, event): (usize, &Outgoing)| {
            let attributes = HashMap::from([
                ("type".to_owned(), text(&event.event_type().to_string()).unwrap()),
                ("tenant".to_owned(), text(event.tenant().as_str()).unwrap()),
            ]);
            PublishBatchRequestEntry::builder()
                .id(n.to_string())
                .message(std::str::from_utf8(event.body()).unwrap())
                .set_message_attributes(Some(attributes))
                .message_group_id(event.tenant().as_str())
                .build()
                .unwrap()
        };
        let entries = events.iter().enumerate().map(entry).collect();
        let topic = &self.store.resources().topic_arn;
        let call = self.store.aws().sns().publish_batch().topic_arn(topic);
        let answer = call.set_publish_batch_request_entries(Some(entries)).send().await.unwrap();
        assert_eq!(answer.successful().len(), events.len());
    }

    pub(crate) async fn receive(
        &self,
        most: usize,
        wait: Duration,
        lease: Duration,
    ) -> Vec<aws_sdk_sqs::types::Message> {
        let seconds = |of: Duration| i32::try_from(of.as_secs()).unwrap();
        let call = self.store.aws().sqs().receive_message().queue_url(&self.url);
        let call = call.max_number_of_messages(i32::try_from(most).unwrap());
        let call = call.wait_time_seconds(seconds(wait)).visibility_timeout(seconds(lease));
        let call = call.message_attribute_names("All");
        let call = call.message_system_attribute_names(System::ApproximateReceiveCount);
        let call = call.message_system_attribute_names(System::SentTimestamp);
        let call = call.message_system_attribute_names(System::AwsTraceHeader);
        call.send().await.unwrap().messages.unwrap_or_default()
    }

    pub(crate) async fn ack(&self, receipts: &[String]) {
        let entry = |(n, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt).build().unwrap()
        };
        let entries = receipts.iter().enumerate().map(entry).collect();
        let call = self.repeating.delete_message_batch().queue_url(&self.url);
        let answer = call.set_entries(Some(entries)).send().await.unwrap();
        assert_eq!(answer.successful.len(), receipts.len());
    }

    /// Claims the inbox records of a batch, and settles them: what a handler does in between is nothing.
    pub(crate) async fn handle(&self, messages: &[aws_sdk_sqs::types::Message]) {
        let ids: Vec<&str> = messages.iter().map(|message| message.message_id.as_deref().unwrap()).collect();
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let number = |value: u64| AttributeValue::N(value.to_string());
        let (now, hash) = (1_773_342_238_000, "0".repeat(64));
        let table = &self.store.resources().inbox_table;
        let claim = format!(
            "INSERT INTO \"{table}\" VALUE {{'id':?,'status':?,'validation':?,'fence':?,'revision':?,'state':?,'lease_until':?,\
             'attempts':?,'replay':?,'first_at':?,'updated_at':?,'in_progress_expiration':?}}"
        );
        let claims = ids.iter().map(|id| {
            let texts = [text(id), text("INPROGRESS"), text(&hash), number(7), number(1), text("claimed")];
            let numbers = [now, 1, 0, now, now, now].map(number);
            (claim.clone(), texts.into_iter().chain(numbers).collect())
        });
        self.execute(claims.collect()).await;
        let done = format!(
            "UPDATE \"{table}\" REMOVE \"in_progress_expiration\" SET \"status\"=? SET \"state\"=? SET \"revision\"=? \
             SET \"updated_at\"=? SET \"expires_at\"=? SET \"expiration\"=? SET \"data\"=? WHERE \"id\"=? AND \"fence\"=? \
             AND \"revision\"<?"
        );
        let done = ids.iter().map(|id| {
            let values =
                [text("COMPLETED"), text("done"), number(2), number(now), number(now), number(now), text("null")];
            (done.clone(), values.into_iter().chain([text(id), number(7), number(2)]).collect())
        });
        self.execute(done.collect()).await;
    }

    async fn execute(&self, statements: Vec<(String, Vec<AttributeValue>)>) {
        let statement = |(text, parameters)| {
            BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters)).build().unwrap()
        };
        let count = statements.len();
        let statements = statements.into_iter().map(statement).collect();
        let call = self.store.aws().dynamodb().batch_execute_statement().set_statements(Some(statements));
        let answer = call.send().await.unwrap();
        assert_eq!(answer.responses().len(), count);
    }
}
