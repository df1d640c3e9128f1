//! How long messages have waited. SQS doesn't say that itself: it is a metric of CloudWatch, once a minute and some minutes late.

use std::time::Duration;

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use sendoff_consumers::DeadLettersError;
use sendoff_events::Timestamp;

use super::SqsDeadLetters;
use crate::{CallError, Cause};

/// Of how long ago a measurement may be. A queue that nobody used for six hours has none.
const LATE: Duration = Duration::from_secs(15 * 60);
/// From one measurement to the next, in seconds.
const PERIOD: i32 = 60;
const CALL: &str = "cloudwatch:GetMetricStatistics";

impl SqsDeadLetters {
    /// How long the oldest message of a queue had waited when that was last measured.
    pub(super) async fn oldest_of(&self, name: &str) -> Result<Option<Duration>, DeadLettersError> {
        let url = self.url(name);
        let queue = url.rsplit('/').next().unwrap_or_default();
        let now = self.store.clock.now();
        let since = now.checked_sub(LATE).unwrap_or(Timestamp::MIN);
        let call = self.metrics().get_metric_statistics().namespace("AWS/SQS");
        let call = call.metric_name("ApproximateAgeOfOldestMessage").statistics(Statistic::Maximum).period(PERIOD);
        let call = call.dimensions(Dimension::builder().name("QueueName").value(queue).build());
        let call = call.start_time(DateTime::from_secs(since.as_second()));
        // The end is left out of what is asked for.
        let answer = call.end_time(DateTime::from_secs(now.as_second() + 1)).send().await;
        let answer = answer.map_err(|error| unseen(&CallError::of(CALL, queue, &error)))?;
        let last =
            answer.datapoints.unwrap_or_default().into_iter().max_by_key(|point| point.timestamp.map(|at| at.secs()));
        Ok(last.and_then(|last| last.maximum).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    fn metrics(&self) -> Client {
        let aws = &self.store.aws;
        let config = aws_sdk_cloudwatch::config::Builder::from(aws.config());
        Client::from_conf(match aws.endpoint_of("CLOUDWATCH") {
            Some(url) => config.endpoint_url(url).build(),
            None => config.build(),
        })
    }
}

/// What is forbidden stays so: who asks has to be told what to allow.
fn unseen(error: &CallError) -> DeadLettersError {
    match error.cause {
        Cause::Denied | Cause::Refused => DeadLettersError::Refused(error.to_string()),
        _ => DeadLettersError::Unavailable(error.to_string()),
    }
}
