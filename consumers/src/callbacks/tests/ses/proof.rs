//! How SNS proves that a message is its own.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{CERTIFICATE, KEY, event, in_doubt, post, sign, signed, unsigned};
use crate::callbacks::tests::{Stage, TOPIC};

#[test]
fn both_versions_of_the_signature_are_taken() {
    let stage = Stage::new();
    let id = in_doubt(&stage);
    let version1: Value = serde_json::from_str(include_str!("../../ses/testdata/version1.json")).unwrap();
    assert_eq!(post(&stage, &version1), StatusCode::OK);
    assert!(stage.known(&id).is_some());
    for wrong in ["0", "2", "3", ""] {
        let mut message = version1.clone();
        message["SignatureVersion"] = json!(wrong);
        assert_eq!(post(&stage, &message), StatusCode::FORBIDDEN, "{wrong}");
    }
    let mut subject = unsigned(&event("Delivery"));
    subject["Subject"] = json!("Amazon SES");
    sign(&mut subject, KEY);
    assert_eq!(post(&stage, &subject), StatusCode::OK, "with a subject");
    assert_eq!(*stage.elsewhere.asked.lock().unwrap(), [CERTIFICATE], "its certificate is remembered");
}

/// Posts what is refused, and changes nothing.
fn refused(name: &str, message: &Value, fetched: usize) {
    let stage = Stage::new();
    in_doubt(&stage);
    let before = stage.everything();
    assert_eq!(post(&stage, message), StatusCode::FORBIDDEN, "{name}");
    assert_eq!(stage.everything(), before, "{name}");
    assert_eq!(stage.elsewhere.asked.lock().unwrap().len(), fetched, "{name}");
}

#[test]
fn a_message_that_was_changed_is_forged() {
    let message = signed(&event("Delivery"));
    for (member, value) in [
        ("Message", event("Bounce").to_string()),
        ("MessageId", "m-2".into()),
        ("Subject", "added".into()),
        ("Timestamp", "2026-11-24T11:59:01.000Z".into()),
        ("Type", "UnsubscribeConfirmation".into()),
        ("Signature", "AAAA".into()),
        ("Signature", "?".into()),
    ] {
        let mut message = message.clone();
        message[member] = json!(value);
        refused(member, &message, 1);
    }
    let mut foreign = unsigned(&event("Delivery"));
    sign(&mut foreign, include_bytes!("../../ses/testdata/other.key.pem"));
    refused("another key", &foreign, 1);
}

#[test]
fn a_certificate_from_elsewhere_is_never_fetched() {
    for url in [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0123abcd.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "https://evil.example/SimpleNotificationService-0123abcd.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-0123abcd.pem",
        "https://sns.us-east-1.amazonaws.com/other.pem",
        "",
    ] {
        let mut message = unsigned(&event("Delivery"));
        message["SigningCertURL"] = json!(url);
        sign(&mut message, KEY);
        refused(url, &message, 0);
    }
}

#[test]
fn a_topic_that_is_not_on_the_list_is_not_listened_to() {
    let mut message = unsigned(&event("Delivery"));
    message["TopicArn"] = json!("arn:aws:sns:us-east-1:999999999999:ses-events");
    sign(&mut message, KEY);
    refused("foreign topic", &message, 0);
}

#[test]
fn a_message_from_long_ago_or_from_the_future_is_refused() {
    for at in ["2026-11-24T10:59:59.000Z", "2026-11-24T12:15:01.000Z", "yesterday", ""] {
        let mut message = unsigned(&event("Delivery"));
        message["Timestamp"] = json!(at);
        sign(&mut message, KEY);
        refused(at, &message, 0);
    }
    let stage = Stage::new();
    let message = signed(&event("Delivery"));
    assert_eq!(post(&stage, &message), StatusCode::OK);
    stage.world.clock.forward(Duration::from_secs(3600));
    assert_eq!(post(&stage, &message), StatusCode::FORBIDDEN, "replayed an hour later");
}

fn confirmation(subscribe_url: &str) -> Value {
    let mut message = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m-2", "TopicArn": TOPIC, "Token": "2336412f37",
        "Message": "You have chosen to subscribe.", "Timestamp": "2026-11-24T11:59:00.000Z",
        "SubscribeURL": subscribe_url, "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
    });
    sign(&mut message, KEY);
    message
}

fn subscribe_url() -> String {
    format!("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37")
}

#[test]
fn a_subscription_to_one_of_our_topics_is_confirmed() {
    let stage = Stage::new();
    assert_eq!(post(&stage, &confirmation(&subscribe_url())), StatusCode::OK);
    assert_eq!(*stage.elsewhere.asked.lock().unwrap(), [CERTIFICATE.to_owned(), subscribe_url()]);
}

#[test]
fn an_address_that_does_not_confirm_at_sns_is_never_followed() {
    for url in [
        subscribe_url().replace("https", "http"),
        subscribe_url().replace("amazonaws.com", "amazonaws.com.evil.example"),
        subscribe_url().replace("ses-events", "others"),
        "https://169.254.169.254/latest/meta-data".into(),
        String::new(),
    ] {
        refused(&url, &confirmation(&url), 1);
    }
    let mut unsigned = confirmation(&subscribe_url());
    unsigned["Token"] = json!("another");
    refused("not signed", &unsigned, 1);
    let mut foreign = confirmation(&subscribe_url());
    foreign["TopicArn"] = json!("arn:aws:sns:us-east-1:999999999999:t");
    sign(&mut foreign, KEY);
    refused("foreign topic", &foreign, 0);
}

#[test]
fn the_end_of_a_subscription_is_acknowledged_and_not_undone() {
    let stage = Stage::new();
    let mut message = confirmation(&subscribe_url());
    message["Type"] = json!("UnsubscribeConfirmation");
    sign(&mut message, KEY);
    assert_eq!(post(&stage, &message), StatusCode::OK);
    assert_eq!(*stage.elsewhere.asked.lock().unwrap(), [CERTIFICATE]);
}

#[test]
fn while_the_certificate_can_not_be_had_sns_is_asked_to_come_again() {
    let stage = Stage::new();
    let id = in_doubt(&stage);
    let message = signed(&event("Delivery"));
    *stage.elsewhere.certificate.lock().unwrap() = Some(Err("connection refused".into()));
    assert_eq!(post(&stage, &message), StatusCode::SERVICE_UNAVAILABLE);
    for wrong in [&b""[..], b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        *stage.elsewhere.certificate.lock().unwrap() = Some(Ok(wrong.into()));
        assert_eq!(post(&stage, &message), StatusCode::FORBIDDEN);
    }
    let other = include_bytes!("../../ses/testdata/other.cert.pem");
    *stage.elsewhere.certificate.lock().unwrap() = None;
    assert_eq!(post(&stage, &message), StatusCode::OK);
    *stage.elsewhere.certificate.lock().unwrap() = Some(Ok(other[..].into()));
    assert_eq!(post(&stage, &message), StatusCode::OK, "what was fetched once is kept");
    assert!(stage.known(&id).is_some());
}
