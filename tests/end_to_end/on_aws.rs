//! `sendoff demo --backend aws`: over an emulator, and where AWS refuses.

use std::{path::Path, process::Command};

use sendoff_aws::Aws;
use sendoff_tests::servers::{Emulator, Port};
use serde_json::{Value, json};

use crate::{
    cloudformation::CloudFormation,
    demo::{KEYS, outcomes},
    program::{Ended, Streaming, finish, sendoff, wait_for},
};

/// The demo, with an environment that leads to `endpoint`.
fn demo(data: &Path, endpoint: &str) -> Command {
    let mut command = sendoff(data);
    command.args(["demo", "--backend", "aws"]);
    command.envs([("AWS_ENDPOINT_URL", endpoint), ("AWS_REGION", Emulator::REGION)]);
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
    command
}

/// The name of the stack that the demo has made.
fn stack(ended: &Ended) -> String {
    let told = ended.err.split('`').find(|part| part.starts_with("sendoff-demo-"));
    told.unwrap_or_else(|| panic!("no stack is named in\n{}", ended.err)).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_on_aws_tells_what_the_embedded_one_does_and_leaves_nothing_behind() {
    let emulator = Emulator::shared();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = demo(folder.path(), &emulator.endpoint());
    let ended = finish(command.args(["--output", "json"]));
    let report = ended.json(0);
    let embedded = finish(sendoff(other.path()).args(["demo", "--output", "json"])).json(0);
    assert_eq!(report.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
    // The stack holds data alone, so nobody is there to do the steps of a run, and no workflow is published.
    let mut told = outcomes(&embedded);
    told.retain(|(event, ..)| !event.starts_with("workflow."));
    assert_eq!(outcomes(&report), told);
    let by_events =
        |mail: &&Value| mail["subject"].as_str().is_some_and(|subject| !subject.contains("days of holidays"));
    let mails = |report: &Value| -> Vec<Value> {
        report["mails"].as_array().unwrap().iter().filter(by_events).cloned().collect()
    };
    assert_eq!(mails(&report), mails(&embedded));
    assert_eq!(report["lost"], 0);

    let aws = Aws::from_environment(emulator.environment()).unwrap();
    let left = aws.cloudformation().describe_stacks().stack_name(stack(&ended)).send().await;
    assert!(left.is_err(), "{left:?}");
}

#[test]
fn poisoned_submissions_end_in_the_dead_letter_queue_of_the_consumer_and_the_table_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ended = finish(demo(folder.path(), &Emulator::shared().endpoint()).args(["--poison", "1"]));
    let table = ended.with(0);
    for told in [
        "bjorn@example.org  Neuer Eintrag in Holidays von Björn",
        "+447700900101  template app_assigned (en): Ada | admin | Expenses",
        "holidays  admin  user unassigned     bjorn",
        "dead-lettered: bad-template",
        "email     bad-template  1",
        "16 requests, 9 events, 41 outcomes: 40 done, 1 dead-lettered, 0 in doubt; 4 mails and 8 other messages received; lost \
         0",
    ] {
        assert!(table.contains(told), "{told}\nnot in\n{table}");
    }
}

#[test]
fn several_poisoned_submissions_are_counted_by_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo(folder.path(), &Emulator::shared().endpoint());
    let report = finish(command.args(["--poison", "12", "--output", "json"])).json(0);
    assert_eq!(report["dead_letters"], json!([{ "consumer": "email", "reason": "bad-template", "count": 12 }]));
    let done =
        outcomes(&report).iter().filter(|(_, consumer, o)| consumer == "workflow-kickoff" && o == "done").count();
    assert_eq!((done, &report["lost"]), (15, &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_to_be_kept_stays_and_is_named() {
    let emulator = Emulator::shared();
    let folder = tempfile::tempdir().unwrap();
    let ended = finish(demo(folder.path(), &emulator.endpoint()).arg("--keep"));
    ended.with(0);
    let aws = Aws::from_environment(emulator.environment()).unwrap();
    let name = stack(&ended);
    assert!(ended.err.contains(&format!("the stack `{name}` stays")), "{}", ended.err);
    let kept = aws.cloudformation().describe_stacks().stack_name(&name).send().await.unwrap();
    assert_eq!(kept.stacks().len(), 1);
    aws.cloudformation().delete_stack().stack_name(name).send().await.unwrap();
}

#[test]
fn without_credentials_it_says_where_they_may_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo(folder.path(), "http://127.0.0.1:9");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    // Nobody is to be asked for a role of this machine.
    let ended = finish(command.env("AWS_EC2_METADATA_DISABLED", "true"));
    ended.with(7);
    assert!(ended.err.contains("no AWS credentials are found: set AWS_ACCESS_KEY_ID"), "{}", ended.err);
}

#[test]
fn without_a_region_it_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo(folder.path(), "http://127.0.0.1:9");
    let ended = finish(command.env_remove("AWS_REGION").env("AWS_EC2_METADATA_DISABLED", "true"));
    ended.with(2);
    assert!(ended.err.contains("no AWS region is named: set AWS_REGION"), "{}", ended.err);
}

#[test]
fn an_endpoint_that_is_down_is_told_with_the_call_and_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let port = Port::free();
    let ended = finish(&mut demo(folder.path(), &format!("http://127.0.0.1:{port}")));
    ended.with(7);
    let told = format!("cloudformation:CreateStack on `{}` failed:", stack(&ended));
    assert!(ended.err.contains(&told) && ended.err.contains("check the network, AWS_ENDPOINT_URL"), "{}", ended.err);
    assert!(!ended.err.contains("deleting") && !ended.err.contains("hunter2"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_permission_and_a_wrong_region_are_told_with_the_call_and_the_stack() {
    for (code, message) in [
        ("AccessDenied", "User: demo is not authorized to perform: cloudformation:CreateStack"),
        ("SignatureDoesNotMatch", "Credential should be scoped to a valid region."),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let service = CloudFormation::that_refuses(code, message).await;
        let ended = finish(&mut demo(folder.path(), &service.url()));
        ended.with(7);
        let told = format!("cloudformation:CreateStack on `{}` failed: {code}: {message}", stack(&ended));
        assert!(ended.err.contains(&told), "{told}\nnot in\n{}", ended.err);
        assert!(ended.err.contains("check the credentials and the region"), "{}", ended.err);
        assert_eq!(service.deletions(), 0, "nothing was made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_cannot_be_made_is_named_and_what_was_made_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let service = CloudFormation::that_fails_at("EmailQueue", "the quota of queues is reached").await;
    let ended = finish(&mut demo(folder.path(), &service.url()));
    ended.with(1);
    let told = "`EmailQueue` failed: the quota of queues is reached";
    assert!(ended.err.contains("AWS::SQS::Queue") && ended.err.contains(told), "{}", ended.err);
    assert_eq!(service.deletions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_is_broken_off_deletes_its_stack() {
    let folder = tempfile::tempdir().unwrap();
    let service = CloudFormation::that_never_ends().await;
    let running = Streaming::start(&mut demo(folder.path(), &service.url()));
    wait_for("the stack is being made", || (service.creations() > 0).then_some(()));
    running.signal("INT");
    wait_for("the stack is deleted", || (service.deletions() > 0).then_some(()));
    wait_for("it is told", || running.err().contains("Ctrl-C: the demo was broken off").then_some(()));
}

#[test]
fn only_a_stack_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ended = finish(sendoff(folder.path()).args(["demo", "--keep"]));
    ended.with(2);
    assert!(ended.err.contains("--keep is for `--backend aws`"), "{}", ended.err);
}
