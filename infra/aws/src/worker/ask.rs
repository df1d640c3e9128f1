//! One harmless call to each thing that the worker works with: it shows that the thing is there, that it can be reached, and
//! that the role may use it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::{CallError, Store};

/// A key that no item has.
const NOBODY: &str = "worker/start";

/// Whether a queue's messages can be counted.
pub(super) async fn queue(store: &Store, url: String) -> Result<(), CallError> {
    let call = store.aws.sqs().get_queue_attributes().queue_url(&url);
    let answer = call.attribute_names(QueueAttributeName::ApproximateNumberOfMessages).send().await;
    answer.map(|_| ()).map_err(|e| CallError::of("sqs:GetQueueAttributes", url, &e))
}

/// Whether the table of records can be read.
pub(super) async fn records(store: &Store) -> Result<(), CallError> {
    item(store, &store.resources.table, &["pk", "sk"]).await
}

/// Whether the table of what was handled can be read.
pub(super) async fn inbox(store: &Store) -> Result<(), CallError> {
    item(store, &store.resources.inbox_table, &["id"]).await
}

async fn item(store: &Store, table: &str, key: &[&str]) -> Result<(), CallError> {
    let key: HashMap<_, _> = key.iter().map(|name| ((*name).to_owned(), AttributeValue::S(NOBODY.into()))).collect();
    let answer = store.aws.dynamodb().get_item().table_name(table).set_key(Some(key)).send().await;
    answer.map(|_| ()).map_err(|e| CallError::of("dynamodb:GetItem", table, &e))
}

/// Whether the topic is there. Publishing can't be tried without publishing.
pub(super) async fn topic(store: &Store) -> Result<(), CallError> {
    let topic = store.resources.topic_arn.as_str();
    let answer = store.aws.sns().get_topic_attributes().topic_arn(topic).send().await;
    answer.map(|_| ()).map_err(|e| CallError::of("sns:GetTopicAttributes", topic, &e))
}

/// Whether the bucket is there.
pub(super) async fn bucket(store: &Store) -> Result<(), CallError> {
    let bucket = store.resources.bucket.as_str();
    let answer = store.aws.s3().head_bucket().bucket(bucket).send().await;
    // The call is HeadBucket; the permission has another name.
    answer.map(|_| ()).map_err(|e| CallError::of("s3:ListBucket", bucket, &e))
}

/// Whether state machines can be looked at. That no workflow's machine is called so is an answer.
pub(super) async fn runs(store: &Store) -> Result<(), CallError> {
    let machine = store.machine_arn(&format!("{}-worker-start", store.resources.runs_prefix));
    match store.aws.sfn().describe_state_machine().state_machine_arn(&machine).send().await {
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(|told| told.is_state_machine_does_not_exist()) => Ok(()),
        Err(e) => Err(CallError::of("states:DescribeStateMachine", machine, &e)),
    }
}

/// Whether the stream of changes can be read.
pub(super) async fn stream(store: &Store, stream: &str) -> Result<(), CallError> {
    let answer = store.aws.streams().describe_stream().stream_arn(stream).limit(1).send().await;
    answer.map(|_| ()).map_err(|e| CallError::of("dynamodb:DescribeStream", stream, &e))
}
