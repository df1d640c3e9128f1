//! Event source mappings of the queues and of the stream of changes, and their functions.

use aws_sdk_lambda::{
    Client,
    types::{EventSourceMappingConfiguration, FunctionResponseType},
};
use sendoff_aws::{Aws, CallError, Store};

use crate::doctor::model::{Function, Mapping, Model, Part, StreamLimits};

fn client(aws: &Aws) -> Client {
    let config = aws_sdk_lambda::config::Builder::from(aws.config());
    let config = match aws.endpoint_of("LAMBDA") {
        Some(url) => config.endpoint_url(url),
        None => config,
    };
    Client::from_conf(config.build())
}

pub(super) async fn look(store: &Store, model: &mut Model) {
    let lambda = client(store.aws());
    let found = match list(&lambda).await {
        Ok(found) => found,
        Err(error) => {
            model.blind(Part::Mappings, None, &error);
            return model.blind(Part::Functions, None, error);
        }
    };
    let resources = store.resources();
    let table = format!(":table/{}/stream/", resources.table);
    let ours = |mapping: &Mapping| {
        // A queue that could not be described is one of ours all the same.
        model.queue(&mapping.source).is_some()
            || model.is_hidden(Part::Queues, &mapping.source)
            || resources.stream_arn.as_deref() == Some(&*mapping.source)
            || mapping.source.contains(&table)
    };
    model.mappings = found.into_iter().filter_map(mapping).filter(ours).collect();
    model.mappings.sort_by(|a, b| (&a.source, &a.id).cmp(&(&b.source, &b.id)));
    let mut names: Vec<String> = model.mappings.iter().map(|mapping| mapping.function.clone()).collect();
    names.sort_unstable();
    names.dedup();
    for (arn, function) in super::each(names, async |arn: String| (arn.clone(), function(&lambda, arn).await)).await {
        match function {
            Ok(function) => model.functions.push(function),
            Err(error) => model.blind(Part::Functions, Some(arn), error),
        }
    }
}

async fn list(lambda: &Client) -> Result<Vec<EventSourceMappingConfiguration>, CallError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = lambda.list_event_source_mappings().set_marker(next).send().await;
        let page = page.map_err(|error| CallError::of("lambda:ListEventSourceMappings", "*", &error))?;
        found.extend(page.event_source_mappings.unwrap_or_default());
        next = page.next_marker.filter(|marker| !marker.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn mapping(told: EventSourceMappingConfiguration) -> Option<Mapping> {
    let source = told.event_source_arn?;
    let is_stream = !source.contains(":sqs:");
    // -1 means without a limit.
    let limit = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let limits = StreamLimits {
        retries: limit(told.maximum_retry_attempts),
        age: limit(told.maximum_record_age_in_seconds),
        halved: told.bisect_batch_on_function_error == Some(true),
    };
    let state = told.state.as_deref().unwrap_or("Enabled");
    let said = told.last_processing_result.filter(|said| said.starts_with("PROBLEM")).or(told.state_transition_reason);
    let response_types = told.function_response_types.unwrap_or_default();
    Some(Mapping {
        id: told.uuid.unwrap_or_default(),
        function: unqualified(told.function_arn.as_deref().unwrap_or_default()),
        enabled: !matches!(state, "Disabled" | "Disabling"),
        said,
        window: told.maximum_batching_window_in_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
        partial: response_types.contains(&FunctionResponseType::ReportBatchItemFailures),
        most_at_once: limit(told.scaling_config.and_then(|scaling| scaling.maximum_concurrency)),
        stream: is_stream.then_some(limits),
        on_failure: told.destination_config.and_then(|to| to.on_failure?.destination).filter(|to| !to.is_empty()),
        source,
    })
}

/// The ARN of the function itself: `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, and a version or an alias after it.
fn unqualified(arn: &str) -> String {
    arn.splitn(8, ':').take(7).collect::<Vec<_>>().join(":")
}

async fn function(lambda: &Client, arn: String) -> Result<Function, CallError> {
    let told = lambda.get_function_configuration().function_name(&arn).send().await;
    let told = told.map_err(|error| CallError::of("lambda:GetFunctionConfiguration", &arn, &error))?;
    let limit = lambda.get_function_concurrency().function_name(&arn).send().await;
    let limit = limit.map_err(|error| CallError::of("lambda:GetFunctionConcurrency", &arn, &error))?;
    Ok(Function {
        name: told.function_name.unwrap_or_default(),
        // The service's default.
        timeout: told.timeout.and_then(|s| u64::try_from(s).ok()).unwrap_or(3),
        reserved: limit.reserved_concurrent_executions.and_then(|most| u32::try_from(most).ok()),
        arn,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{DestinationConfig, OnFailure, ScalingConfig};

    use super::*;

    #[test]
    fn a_mapping_of_a_stream_is_read_with_its_limits_and_minus_one_is_none() {
        let on_failure = OnFailure::builder().destination("arn:aws:s3:::failures").build();
        let told = EventSourceMappingConfiguration::builder()
            .uuid("1")
            .event_source_arn("arn:aws:dynamodb:eu-central-1:1:table/t/stream/1")
            .function_arn("arn:aws:lambda:eu-central-1:1:function:relay:live")
            .state("Enabled")
            .maximum_retry_attempts(-1)
            .maximum_record_age_in_seconds(43_200)
            .destination_config(DestinationConfig::builder().on_failure(on_failure).build());
        let read = mapping(told.build()).unwrap();
        assert_eq!(read.stream, Some(StreamLimits { retries: None, age: Some(43_200), halved: false }));
        assert_eq!(read.function, "arn:aws:lambda:eu-central-1:1:function:relay");
        assert_eq!(read.on_failure.as_deref(), Some("arn:aws:s3:::failures"));
        assert!(read.enabled && !read.partial);
    }

    #[test]
    fn a_mapping_of_a_queue_has_no_such_limits_and_tells_why_it_is_off() {
        let told = EventSourceMappingConfiguration::builder()
            .event_source_arn("arn:aws:sqs:eu-central-1:1:sendoff-email")
            .state("Disabled")
            .state_transition_reason("USER_INITIATED")
            .function_response_types(FunctionResponseType::ReportBatchItemFailures)
            .scaling_config(ScalingConfig::builder().maximum_concurrency(10).build());
        let read = mapping(told.build()).unwrap();
        assert_eq!((read.stream, read.enabled, read.partial, read.most_at_once), (None, false, true, Some(10)));
        assert_eq!(read.said.as_deref(), Some("USER_INITIATED"));
        assert!(mapping(EventSourceMappingConfiguration::builder().build()).is_none());
    }
}
