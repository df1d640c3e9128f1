//! Letters of our own, written as the queue on AWS writes them.

use sendoff_consumers::{Attributes, Class, DeadLetterKind, FAILURE_ATTRIBUTE, Failure};
use sendoff_dlq_tools::letter::{Letter, Shape, ledger_key, original, read};
use sendoff_events::{Blobs as _, Pointer, Timestamp};
use serde_json::json;

use super::{Bodies, letter, queue_of};

const ENVELOPE: &str = include_str!("../../../events/samples/app.assigned.v1.json");

fn failure(more: serde_json::Value) -> String {
    let failure = Failure {
        reason: "bad-template".into(),
        class: Class::Rejected,
        fingerprint: "bad-template-0badcafe".into(),
        consumer: "email".into(),
        attempts: 3,
        first_at: Timestamp::UNIX_EPOCH,
        last_at: Timestamp::UNIX_EPOCH,
        error: "no".into(),
    };
    let mut told = serde_json::to_value(failure).unwrap();
    told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    told.to_string()
}

async fn read_own(body: &str, attributes: Attributes, blobs: &Bodies) -> Letter {
    read(
        letter("m-1", body.to_owned(), attributes),
        &queue_of("email-dlq", DeadLetterKind::Consumer("email".into())),
        blobs,
    )
    .await
}

fn attributes<const N: usize>(all: [(&str, &str); N]) -> Attributes {
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn pointer(key: &str) -> String {
    Pointer { bucket: "blobs".into(), key: key.parse().unwrap() }.to_body()
}

#[tokio::test]
async fn the_queue_says_whose_a_letter_is_and_a_failure_only_claims_it() {
    let told = failure(json!({ "consumer": "sms" }));
    let letter = read_own(ENVELOPE, attributes([(FAILURE_ATTRIBUTE, &told)]), &Bodies::default()).await;
    assert_eq!((letter.facts.consumer.as_deref(), letter.facts.claims.as_deref()), (Some("email"), Some("sms")));
    assert!(ledger_key(&letter.facts).unwrap().to_string().contains("email"));
    let own = read_own(ENVELOPE, attributes([(FAILURE_ATTRIBUTE, &failure(json!({})))]), &Bodies::default()).await;
    assert_eq!(own.facts.claims, None);
}

#[tokio::test]
async fn ten_attributes_that_were_folded_come_out_as_they_were() {
    let ten: Attributes = (0..10).map(|n| (format!("a{n}"), format!("\"v{n}\""))).collect();
    let told = failure(json!({ "sent_at": "2026-11-24T09:00:00Z", "message_id": "m-0", "attributes": ten }));
    let beside = attributes([(FAILURE_ATTRIBUTE, &told), ("AWSTraceHeader", "Root=1")]);
    let letter = read_own(ENVELOPE, beside, &Bodies::default()).await;
    assert_eq!(letter.facts.first_sent_at, "2026-11-24T09:00:00Z".parse().unwrap());
    let mut expected = ten;
    expected.insert("AWSTraceHeader".into(), "Root=1".into());
    let sent = original(&letter.message, &letter.facts, letter.payload.as_ref()).unwrap();
    assert_eq!((sent.attributes, &*sent.body), (expected, ENVELOPE.as_bytes()));
}

#[tokio::test]
async fn a_body_that_was_put_aside_is_sent_inline_again() {
    let blobs = Bodies::default();
    blobs.put(&"dead-letters/ab".parse().unwrap(), ENVELOPE.into()).await.unwrap();
    let told = failure(json!({ "sent_at": "2026-11-24T09:00:00Z" }));
    let beside = attributes([(FAILURE_ATTRIBUTE, &told), ("type", "t"), ("ExtendedPayloadSize", "9")]);
    let letter = read_own(&pointer("dead-letters/ab"), beside, &blobs).await;
    assert_eq!(letter.facts.claim_check.as_deref(), Some("blobs/dead-letters/ab"));
    assert!(ledger_key(&letter.facts).is_some());
    let sent = original(&letter.message, &letter.facts, letter.payload.as_ref()).unwrap();
    assert_eq!((&*sent.body, sent.attributes), (ENVELOPE.as_bytes(), attributes([("type", "t")])));
}

#[tokio::test]
async fn a_claim_check_that_was_put_aside_is_followed_to_the_event() {
    let blobs = Bodies::default();
    blobs.put(&"2026/x".parse().unwrap(), ENVELOPE.into()).await.unwrap();
    blobs.put(&"dead-letters/ab".parse().unwrap(), pointer("2026/x").into()).await.unwrap();
    let beside = attributes([(FAILURE_ATTRIBUTE, &failure(json!({})))]);
    let letter = read_own(&pointer("dead-letters/ab"), beside, &blobs).await;
    assert_eq!((letter.content(), letter.facts.unreadable.as_deref()), (ENVELOPE.as_bytes(), None));
}

#[tokio::test]
async fn only_the_bucket_of_the_deployment_is_fetched_from() {
    let blobs = Bodies::default();
    let elsewhere = Pointer { bucket: "someone-elses".into(), key: "k".parse().unwrap() }.to_body();
    let beside = || attributes([(FAILURE_ATTRIBUTE, &failure(json!({})))]);
    for (body, why) in [
        (&*elsewhere, "bad-pointer"),
        (&pointer("gone"), "blob-missing"),
        (
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"blobs","s3Key":"../x"}]"#,
            "bad-pointer",
        ),
    ] {
        let letter = read_own(body, beside(), &blobs).await;
        assert_eq!(letter.facts.unreadable.as_deref(), Some(why), "{body}");
        assert!(original(&letter.message, &letter.facts, None).is_err(), "no consumer could read it either");
    }
    let mut large = ENVELOPE.to_owned();
    large.push_str(&" ".repeat(1 << 20));
    blobs.put(&"large".parse().unwrap(), large.into()).await.unwrap();
    let letter = read_own(&pointer("large"), beside(), &blobs).await;
    assert_eq!(letter.facts.unreadable.as_deref(), Some("body-too-large"));
}

#[tokio::test]
async fn a_body_that_nobody_can_read_is_sent_as_it_stands() {
    for body in ["Hello!", "{}", "[1]", "{\"Type\":\"Notification\"}"] {
        let beside = attributes([(FAILURE_ATTRIBUTE, &failure(json!({})))]);
        let letter = read_own(body, beside, &Bodies::default()).await;
        assert!(letter.facts.unreadable.is_some() && letter.facts.shape == Shape::Own);
        let sent = original(&letter.message, &letter.facts, letter.payload.as_ref()).unwrap();
        assert_eq!((&*sent.body, sent.attributes), (body.as_bytes(), Attributes::new()));
    }
}

#[tokio::test]
async fn what_an_event_looks_like_otherwise_is_no_matter() {
    // All marks of a wrapper, and an envelope all the same: its consumer read it as one.
    let mut both: serde_json::Value = serde_json::from_str(ENVELOPE).unwrap();
    both["Type"] = "Notification".into();
    both["TopicArn"] = "arn:aws:sns:eu-central-1:123456789012:t".into();
    both["Message"] = "something else".into();
    let body = both.to_string();
    let letter = read_own(&body, Attributes::new(), &Bodies::default()).await;
    assert_eq!((letter.payload, letter.facts.unreadable), (None, None));
}
