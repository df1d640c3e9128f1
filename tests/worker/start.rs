//! A worker that can't start says why, and ends with the code that tells a mistake from an outage.

use sendoff_tests::servers::Port;

use crate::{
    aws::Aws,
    process::{bare, finish, worker},
};

#[test]
fn without_settings_everything_that_is_missing_is_told_at_once() {
    let ended = finish(bare().env("SENDOFF_TABEL", "records").env("SENDOFF_WORKER_GRACE", "soon"));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    for told in [
        "SENDOFF_TABEL\n      there is no such variable; did you mean `SENDOFF_TABLE`?",
        "SENDOFF_WORKER_GRACE = \"soon\"\n      must be a duration",
        "SENDOFF_TABLE\n      is missing: this program needs it, and infra/aws/template.yaml sets it.",
        "SENDOFF_QUEUE_URL_BASE\n      is missing",
        "SMTP_URL\n      is missing (SMTP_URL_FILE or SMTP_URL_ARN would do)",
        "Every setting is described in docs/CONFIG.md.",
    ] {
        assert!(ended.err.contains(told), "{told}\nnot in\n{}", ended.err);
    }
}

#[test]
fn an_argument_is_a_mistake() {
    let ended = finish(bare().arg("--listen"));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.starts_with("worker: there is no argument `--listen`"), "{}", ended.err);
}

#[test]
fn without_credentials_it_says_where_they_may_come_from() {
    let mut command = worker("http://127.0.0.1:9");
    let ended = finish(command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"));
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    assert!(ended.err.contains("no AWS credentials are found: set AWS_ACCESS_KEY_ID"), "{}", ended.err);
}

#[test]
fn without_a_region_it_asks_for_one() {
    let ended = finish(worker("http://127.0.0.1:9").env_remove("AWS_REGION"));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("no AWS region is named: set AWS_REGION"), "{}", ended.err);
}

#[test]
fn an_endpoint_that_is_down_is_told_with_every_call_and_resource() {
    let port = Port::free();
    let ended = finish(&mut worker(&format!("http://127.0.0.1:{port}")));
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    for (call, resource) in [
        ("dynamodb:GetItem", "sendoff-records"),
        ("dynamodb:GetItem", "sendoff-inbox"),
        ("sqs:GetQueueAttributes", "/sendoff-email-dlq"),
        ("sqs:GetQueueAttributes", "/sendoff-workflow-kickoff"),
        ("sns:GetTopicAttributes", "sendoff-events"),
        ("states:DescribeStateMachine", "sendoff-runs"),
        ("s3:ListBucket", "sendoff-payloads"),
    ] {
        let told = ended.err.lines().any(|line| line.contains(call) && line.contains(resource));
        assert!(told, "{call} on {resource} not in\n{}", ended.err);
    }
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_and_a_denied_permission_are_told_and_nothing_else() {
    let aws = Aws::start(|call, body| match call {
        "GetQueueAttributes" if body.contains("sendoff-email-dlq") => Some((
            400,
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
                .into(),
        )),
        "DescribeStateMachine" => Some((
            400,
            r#"{"__type":"AccessDeniedException","message":"User: worker is not authorized to perform it"}"#.into(),
        )),
        _ => None,
    });
    let url = aws.await.url();
    let ended = tokio::task::spawn_blocking(move || finish(&mut worker(&url))).await.unwrap();
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    let told: Vec<_> = ended.err.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(told.len(), 2, "{}", ended.err);
    assert!(told[0].contains("sqs:GetQueueAttributes") && told[0].contains("/sendoff-email-dlq"), "{}", ended.err);
    assert!(told[1].contains("states:DescribeStateMachine") && told[1].contains("not authorized"), "{}", ended.err);
}
