//! Alarms that watch queues.

use aws_sdk_cloudwatch::{
    Client,
    types::{AlarmType, Metric as Told, MetricAlarm},
};
use sendoff_aws::{CallError, Store};

use crate::doctor::model::{Alarm, Metric, Model, Part};

pub(super) async fn look(store: &Store, model: &mut Model) {
    let aws = store.aws();
    let config = aws_sdk_cloudwatch::config::Builder::from(aws.config());
    let config = match aws.endpoint_of("CLOUDWATCH") {
        Some(url) => config.endpoint_url(url),
        None => config,
    };
    match list(&Client::from_conf(config.build())).await {
        Ok(found) => model.alarms = found.into_iter().map(alarm).filter(|a| !a.metrics.is_empty()).collect(),
        Err(error) => model.blind(Part::Alarms, None, error),
    }
    model.alarms.sort_by(|a, b| a.name.cmp(&b.name));
}

async fn list(client: &Client) -> Result<Vec<MetricAlarm>, CallError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = client.describe_alarms().alarm_types(AlarmType::MetricAlarm).max_records(100).set_next_token(next);
        let page = page.send().await.map_err(|error| CallError::of("cloudwatch:DescribeAlarms", "*", &error))?;
        found.extend(page.metric_alarms.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// An alarm with those of its metrics that are of SQS.
fn alarm(told: MetricAlarm) -> Alarm {
    // It watches one metric, or an expression over several.
    let own = Told::builder()
        .set_namespace(told.namespace)
        .set_metric_name(told.metric_name)
        .set_dimensions(told.dimensions)
        .build();
    let others = told.metrics.unwrap_or_default().into_iter().filter_map(|query| query.metric_stat?.metric);
    let metrics = std::iter::once(own).chain(others).filter_map(metric).filter(|metric| metric.namespace == "AWS/SQS");
    Alarm {
        name: told.alarm_name.unwrap_or_default(),
        metrics: metrics.collect(),
        tells: told.actions_enabled.unwrap_or(true) && told.alarm_actions.is_some_and(|actions| !actions.is_empty()),
    }
}

fn metric(told: Told) -> Option<Metric> {
    let dimensions = told.dimensions.unwrap_or_default().into_iter().filter_map(|d| Some((d.name?, d.value?)));
    Some(Metric { namespace: told.namespace?, name: told.metric_name?, dimensions: dimensions.collect() })
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::{Dimension, MetricDataQuery, MetricStat};

    use super::*;

    #[test]
    fn an_alarm_on_an_expression_watches_what_is_in_it() {
        let dimension = Dimension::builder().name("QueueName").value("sendoff-email-dlq").build();
        let depth = Told::builder().namespace("AWS/SQS").metric_name("ApproximateNumberOfMessagesVisible");
        let stat = MetricStat::builder().metric(depth.dimensions(dimension).build()).period(60).stat("Maximum").build();
        let query = MetricDataQuery::builder().id("m").metric_stat(stat).build();
        let read = alarm(MetricAlarm::builder().alarm_name("a").metrics(query).alarm_actions("arn:t").build());
        assert_eq!(read.metrics[0].dimensions["QueueName"], "sendoff-email-dlq");
        assert!(read.tells);
        let off = MetricAlarm::builder().actions_enabled(false).alarm_actions("arn:t").namespace("AWS/Lambda");
        let read = alarm(off.metric_name("Errors").build());
        assert!(!read.tells && read.metrics.is_empty());
    }
}
