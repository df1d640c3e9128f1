//! What only SQS has: how long messages wait there is a metric of CloudWatch.

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use sendoff_host::Exit;

use crate::keeping::on_aws::House;

const PLAN: [&str; 10] =
    ["plan", "email", "--output", "json", "--max-backlog-age", "10m", "--patience", "0s", "--canary", "0"];

/// SQS measures that the oldest message of `email` has waited for so long.
async fn measured(house: &House, seconds: f64) {
    let store = house.backend.store();
    let config = aws_sdk_cloudwatch::config::Builder::from(store.aws().config());
    let url = store.resources().queue_url("email");
    let queue = Dimension::builder().name("QueueName").value(url.rsplit('/').next().unwrap()).build();
    let age = MetricDatum::builder().metric_name("ApproximateAgeOfOldestMessage").dimensions(queue).value(seconds);
    let client = aws_sdk_cloudwatch::Client::from_conf(config.build());
    client.put_metric_data().namespace("AWS/SQS").metric_data(age.build()).send().await.unwrap();
}

#[tokio::test]
async fn a_run_waits_while_messages_wait_too_long_as_cloudwatch_measures_it() {
    let house = House::with(3).await;
    let made = house.dlq(&PLAN).await.expect(Exit::Done).json();
    let (plan, hash) = (made["plan"].as_str().unwrap(), made["hash"].as_str().unwrap());
    measured(&house, 601.0).await;
    let ran = house.dlq(&["run", plan, "--apply", hash]).await.expect(Exit::Partly);
    let told = "`email` has had too much to do for 0 s: its oldest message has waited for 601 s";
    assert!(ran.err.contains(told), "{ran:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 3);
}

#[tokio::test]
async fn a_limit_that_nobody_could_keep_is_refused_and_one_that_nobody_sees_any_more_is_waited_for() {
    let mut house = House::with(3).await;
    let made = house.dlq(&PLAN).await.expect(Exit::Done).json();
    let (plan, hash) = (made["plan"].as_str().unwrap(), made["hash"].as_str().unwrap());
    // Nobody listens there.
    house.variables.insert("AWS_ENDPOINT_URL_CLOUDWATCH".into(), "http://127.0.0.1:1".into());
    let refused = house.dlq(&PLAN).await.expect(Exit::Unreachable);
    let told = "--max-backlog-age: how long messages wait in `email` can't be seen";
    assert!(refused.err.contains(told) && refused.err.contains("--max-backlog N"), "{refused:?}");
    let ran = house.dlq(&["run", plan, "--apply", hash]).await.expect(Exit::Partly);
    assert!(ran.err.contains("how long messages wait in `email` couldn't be seen"), "{ran:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 3, "none was sent blindly");
}
