//! The doctor over the data of our own template, deployed to the emulator. It has neither functions nor alarms of ours there, so
//! those are made here.

use std::{path::Path, sync::Arc};

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{EventSourcePosition, FunctionCode, Runtime, ScalingConfig},
};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use sendoff_aws::{Aws, Resources, provision::Stack};
use sendoff_host::{Exit, SystemClock};
use sendoff_tests::servers::Emulator;
use serde_json::Value;

use super::call::{call, variables};
use crate::calls::Ran;

struct Deployed {
    aws: Aws,
    resources: Resources,
    home: tempfile::TempDir,
}

impl Deployed {
    async fn new(name: &str) -> Self {
        let aws = Aws::from_environment(Emulator::shared().environment()).unwrap();
        let stack = Stack::new(aws.clone(), name, Arc::new(SystemClock));
        let resources = stack.create().await.expect("the stack is made");
        Self { aws, resources, home: tempfile::tempdir().unwrap() }
    }

    async fn doctor(&self, arguments: &[&str]) -> Ran {
        let home: &Path = self.home.path();
        let variables = variables(Emulator::shared().variables(), &self.resources, home);
        call(home, &variables, false, &[&["doctor", "--output", "json"], arguments].concat()).await
    }

    /// What is found, without what the emulator, or this test, has no part of.
    async fn found(&self, queue: &str) -> Vec<String> {
        let report = self.doctor(&[queue]).await.json();
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    }

    async fn set(&self, queue: &str, attribute: Attribute, value: &str) {
        let set = self.aws.sqs().set_queue_attributes().queue_url(self.resources.queue_url(queue));
        set.attributes(attribute, value).send().await.expect("it is set");
    }

    async fn alarm(&self, queue: &str, metric: &str) {
        let config = aws_sdk_cloudwatch::config::Builder::from(self.aws.config());
        let client = aws_sdk_cloudwatch::Client::from_conf(config.build());
        let url = self.resources.queue_url(queue);
        let name = url.rsplit('/').next().unwrap();
        let put = client.put_metric_alarm().alarm_name(format!("{name}-{metric}")).namespace("AWS/SQS");
        let dimension = Dimension::builder().name("QueueName").value(name).build();
        let put = put.metric_name(metric).dimensions(dimension).statistic(Statistic::Maximum).period(60);
        let put = put.evaluation_periods(1).threshold(0.0).alarm_actions("arn:aws:sns:us-east-1:000000000000:oncall");
        put.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.expect("it is put");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_template_lacks_nothing_but_what_stands_elsewhere() {
    let deployed = Deployed::new("doctor-clean").await;
    for queue in ["email-dlq", "email-undelivered"] {
        deployed.alarm(queue, "ApproximateNumberOfMessagesVisible").await;
    }
    // What concerns the whole deployment shows for each queue, and the emulator keeps no TTL.
    assert_eq!(deployed.found("email").await, ["inbox-ttl-off"]);
    let whole = deployed.doctor(&[]).await;
    let report = whole.json();
    let others: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["rule"] != "no-alarm" && f["rule"] != "inbox-ttl-off")
        .collect();
    assert_eq!(others, Vec::<&Value>::new(), "the emulator keeps no TTL, and the alarms are left out");
    assert_eq!(report["not_checked"], serde_json::json!([]), "{whole:?}");
    assert_eq!(whole.exit, Exit::Partly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_wrong_in_a_deployment_is_found() {
    let deployed = Deployed::new("doctor-broken").await;
    deployed.alarm("email-dlq", "NumberOfMessagesSent").await;
    deployed.alarm("email-undelivered", "ApproximateNumberOfMessagesVisible").await;
    deployed.set("email-dlq", Attribute::MessageRetentionPeriod, "345600").await;
    deployed.set("email", Attribute::Policy, "").await;
    let report = deployed.doctor(&["email"]).await;
    let rules = deployed.found("email").await;
    for rule in ["alarm-on-wrong-metric", "dead-letters-kept-short", "retention-gap", "topic-may-not-send"] {
        assert!(rules.iter().any(|found| found == rule), "{rule}: {report:?}");
    }
    assert_eq!(report.exit, Exit::Failed);
    // The subscription loses its queue for what can't be delivered.
    let listed = deployed.aws.sns().list_subscriptions_by_topic().topic_arn(&deployed.resources.topic_arn).send().await;
    let listed = listed.unwrap().subscriptions.unwrap();
    let sms = listed.iter().find(|s| s.endpoint().is_some_and(|arn| arn.ends_with("-sms"))).unwrap();
    for (name, value) in
        [("RedrivePolicy", ""), ("FilterPolicy", r#"{"type":["app.asigned.v1"]}"#), ("RawMessageDelivery", "false")]
    {
        let set = deployed.aws.sns().set_subscription_attributes().subscription_arn(sms.subscription_arn().unwrap());
        set.attribute_name(name).attribute_value(value).send().await.expect("it is set");
    }
    let rules = deployed.found("sms-dlq").await;
    for rule in ["no-subscription-dead-letters", "filter-lets-nothing-through", "not-raw"] {
        assert!(rules.iter().any(|found| found == rule), "{rule}: {rules:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_that_loses_messages_is_found_on_a_queue_and_on_the_stream() {
    let deployed = Deployed::new("doctor-lambda").await;
    let config = aws_sdk_lambda::config::Builder::from(deployed.aws.config());
    let lambda = aws_sdk_lambda::Client::from_conf(config.build());
    // The shortest archive that there is: nothing ever runs it.
    let archive = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    let code = FunctionCode::builder().zip_file(Blob::new(archive)).build();
    let made = lambda.create_function().function_name("doctor-lambda-email").runtime(Runtime::Providedal2023);
    let made = made.role("arn:aws:iam::000000000000:role/lambda").handler("bootstrap").code(code).timeout(600);
    let function = made.send().await.expect("the function is made").function_arn.unwrap();
    lambda
        .put_function_concurrency()
        .function_name("doctor-lambda-email")
        .reserved_concurrent_executions(5)
        .send()
        .await
        .expect("it is reserved");
    let queue = format!("arn:aws:sqs:us-east-1:{}:doctor-lambda-email", Emulator::ACCOUNT);
    let scaling = ScalingConfig::builder().maximum_concurrency(10).build();
    let map = lambda.create_event_source_mapping().function_name(&function).event_source_arn(queue);
    map.scaling_config(scaling).send().await.expect("the queue is mapped");
    let stream = deployed.resources.stream_arn.clone().unwrap();
    let map = lambda.create_event_source_mapping().function_name(&function).event_source_arn(stream);
    map.starting_position(EventSourcePosition::TrimHorizon).send().await.expect("the stream is mapped");
    let rules = deployed.found("email").await;
    for rule in ["lease-too-short", "no-partial-batches", "concurrency-above-reserved"] {
        assert!(rules.iter().any(|found| found == rule), "{rule}: {rules:?}");
    }
    let report = deployed.doctor(&[]).await.json();
    let of_stream = report["findings"].as_array().unwrap().iter();
    let of_stream = of_stream.filter(|f| f["place"].as_str().unwrap().contains("/stream/"));
    let rules: Vec<_> = of_stream.map(|finding| finding["rule"].as_str().unwrap()).collect();
    for rule in ["stream-retries-endlessly", "stream-failures-vanish", "no-partial-batches"] {
        assert!(rules.contains(&rule), "{rule}: {report}");
    }
}

#[tokio::test]
async fn what_can_not_be_reached_is_told_as_not_checked() {
    let home = tempfile::tempdir().unwrap();
    let resources = Resources {
        table: "records".into(),
        inbox_table: "inbox".into(),
        stream_arn: Some("arn:aws:dynamodb:us-east-1:000000000000:table/records/stream/1".into()),
        topic_arn: "arn:aws:sns:us-east-1:000000000000:events".into(),
        // Nobody listens there.
        queue_url_base: "http://127.0.0.1:9/000000000000/sendoff-".into(),
        bucket: "payloads".into(),
        runs_role_arn: "arn:aws:iam::000000000000:role/runs".into(),
        runs_prefix: "runs".into(),
        functions: Resources::no_functions(),
        schedule_group: "schedules".into(),
        schedule_role_arn: "arn:aws:iam::000000000000:role/schedules".into(),
        topic_limit: Resources::TOPIC_LIMIT,
    };
    let nobody = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_REGION", Emulator::REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let nobody = nobody.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let variables = variables(nobody, &resources, home.path());
    let called = call(home.path(), &variables, false, &["doctor", "--output", "json"]).await;
    let report = called.json();
    assert_eq!((called.exit, &report["findings"]), (Exit::Partly, &serde_json::json!([])), "{called:?}");
    let parts: Vec<_> = report["not_checked"].as_array().unwrap().iter().map(|n| n["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["queues", "subscriptions", "mappings", "functions", "alarms", "inbox-ttl", "payloads"]);
    assert!(called.out.contains("check the network"), "{called:?}");
}
