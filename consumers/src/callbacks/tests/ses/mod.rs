//! What SES tells.

mod fetch;
mod proof;

use std::sync::atomic::Ordering;

use axum::http::{Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use sendoff_producers::model::{Channel, SuppressionReason};
use serde_json::{Value, json};

use super::{Stage, TOPIC};
use crate::{DeliveryId, DeliveryStatus, Status, StepState};

const MAIL: &str = "email/01938d1e-7b2c-7000-8000-000000000000/ada";
const CERTIFICATE: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abcd.pem";

/// What SNS signs, as its documentation says it.
fn sign(message: &mut Value, key: &[u8]) {
    let members: &[&str] = match message["Type"].as_str() {
        Some("Notification") => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let text: String =
        members.iter().filter_map(|name| Some(format!("{name}\n{}\n", message.get(name)?.as_str()?))).collect();
    let key = RsaKeyPair::from_pkcs8(PrivatePkcs8KeyDer::from_pem_slice(key).unwrap().secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    message["Signature"] = json!(STANDARD.encode(signature));
}

const KEY: &[u8] = include_bytes!("../../ses/testdata/sns.key.pem");

fn unsigned(event: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": event.to_string(),
        "Timestamp": "2026-11-24T11:59:00.000Z", "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
    })
}

fn signed(event: &Value) -> Value {
    let mut message = unsigned(event);
    sign(&mut message, KEY);
    message
}

fn post(stage: &Stage, message: &Value) -> StatusCode {
    stage.call(Method::POST, "/callbacks/ses", &[("content-type", "text/plain; charset=UTF-8")], message.to_string()).0
}

fn mail() -> Value {
    json!({
        "messageId": "0100-1",
        "headers": [{ "name": "Subject", "value": "x" }, { "name": "x-idempotency-key", "value": MAIL }],
    })
}

fn event(kind: &str) -> Value {
    json!({ "eventType": kind, "mail": mail() })
}

fn bounce(kind: &str) -> Value {
    json!({
        "notificationType": "Bounce", "mail": mail(),
        "bounce": { "bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [
            { "emailAddress": "Ada@Example.org", "diagnosticCode": "smtp; 550 5.1.1 <ada@example.org> unknown" },
        ] },
    })
}

fn in_doubt(stage: &Stage) -> DeliveryId {
    stage.job(MAIL, Status::Claimed, StepState::InDoubt)
}

#[test]
fn each_event_says_how_far_the_mail_has_come() {
    let mut delayed = event("DeliveryDelay");
    delayed["deliveryDelay"] = json!({ "delayType": "MailboxFull" });
    for (event, known, state) in [
        (event("Send"), Some(DeliveryStatus::Accepted), StepState::Done),
        (delayed, Some(DeliveryStatus::Accepted), StepState::Done),
        (event("Delivery"), Some(DeliveryStatus::Sent), StepState::Done),
        (json!({ "notificationType": "Delivery", "mail": mail() }), Some(DeliveryStatus::Sent), StepState::Done),
        (bounce("Permanent"), Some(DeliveryStatus::Undelivered), StepState::Failed),
        (bounce("Transient"), Some(DeliveryStatus::Sent), StepState::Done),
        (bounce("Undetermined"), Some(DeliveryStatus::Sent), StepState::Done),
        (event("Reject"), Some(DeliveryStatus::Undelivered), StepState::Failed),
        (event("Open"), Some(DeliveryStatus::Read), StepState::Done),
        (event("Complaint"), Some(DeliveryStatus::Complained), StepState::Done),
        (event("Subscription"), None, StepState::InDoubt),
    ] {
        let stage = Stage::new();
        let id = in_doubt(&stage);
        assert_eq!(post(&stage, &signed(&event)), StatusCode::OK);
        assert_eq!(stage.known(&id).map(|known| known.status), known, "{event}");
        assert_eq!(stage.step(&id).state, state, "{event}");
    }
}

#[test]
fn a_hard_bounce_suppresses_the_address_and_a_soft_one_is_remembered() {
    let stage = Stage::new();
    let id = in_doubt(&stage);
    assert_eq!(post(&stage, &signed(&bounce("Transient"))), StatusCode::OK);
    assert_eq!(stage.suppression(Channel::Email, "ada@example.org"), None);
    let known = stage.known(&id).unwrap();
    let reason = known.reason.unwrap();
    assert!(reason.starts_with("Transient bounce (General): smtp; 550 5.1.1 <address>"), "{reason}");
    assert_eq!((known.provider.as_str(), known.provider_id.as_deref()), ("ses", Some("0100-1")));
    assert_eq!(post(&stage, &signed(&bounce("Permanent"))), StatusCode::OK);
    let suppression = stage.suppression(Channel::Email, "ada@example.org").unwrap();
    assert_eq!((suppression.reason, suppression.source.as_str()), (SuppressionReason::Bounced, "ses"));
    let once = stage.everything();
    assert_eq!(post(&stage, &signed(&bounce("Permanent"))), StatusCode::OK);
    assert_eq!(stage.everything(), once, "told twice is the same as once");
}

#[test]
fn a_complaint_suppresses_the_address_for_a_graver_reason_than_a_bounce() {
    let stage = Stage::new();
    let mut complaint = event("Complaint");
    complaint["complaint"] = json!({
        "complainedRecipients": [{ "emailAddress": "Ada <ada@example.org>" }, { "emailAddress": "no address" }],
        "complaintFeedbackType": "not-spam",
    });
    post(&stage, &signed(&complaint));
    assert_eq!(stage.suppression(Channel::Email, "ada@example.org"), None, "it says that it is no spam");
    post(&stage, &signed(&bounce("Permanent")));
    complaint["complaint"]["complaintFeedbackType"] = json!("abuse");
    assert_eq!(post(&stage, &signed(&complaint)), StatusCode::OK);
    let reason = || stage.suppression(Channel::Email, "ada@example.org").unwrap().reason;
    assert_eq!(reason(), SuppressionReason::Complained);
    post(&stage, &signed(&bounce("Permanent")));
    assert_eq!(reason(), SuppressionReason::Complained);
}

#[test]
fn the_delivery_id_may_come_as_a_tag() {
    let stage = Stage::new();
    let id = in_doubt(&stage);
    let event = json!({ "eventType": "Delivery", "mail": { "tags": { "delivery": [MAIL], "ses:x": ["y"] } } });
    assert_eq!(post(&stage, &signed(&event)), StatusCode::OK);
    assert!(stage.known(&id).is_some());
}

#[test]
fn garbage_and_endless_bodies_change_nothing() {
    let stage = Stage::new();
    in_doubt(&stage);
    let before = stage.everything();
    for body in ["", "x", "{}", "[]", "{\"Type\":\"Other\"}", &event("Delivery").to_string()] {
        let answer = stage.call(Method::POST, "/callbacks/ses", &[], body.to_owned());
        assert_eq!(answer.0, StatusCode::BAD_REQUEST, "{body}");
    }
    let endless = " ".repeat(256 * 1024 + 1);
    assert_eq!(stage.call(Method::POST, "/callbacks/ses", &[], endless).0, StatusCode::PAYLOAD_TOO_LARGE);
    for message in [json!("You have successfully subscribed"), json!({ "mail": 7 }), json!({ "eventType": "Delivery" })]
    {
        assert_eq!(post(&stage, &signed(&message)), StatusCode::OK, "SES says more than we know: {message}");
    }
    assert_eq!(stage.everything(), before);
}

#[test]
fn while_the_records_are_down_a_bounce_is_not_acknowledged() {
    let stage = Stage::new();
    stage.world.records.down.store(true, Ordering::Relaxed);
    assert_eq!(post(&stage, &signed(&bounce("Permanent"))), StatusCode::SERVICE_UNAVAILABLE);
    stage.world.records.down.store(false, Ordering::Relaxed);
    assert_eq!(post(&stage, &signed(&bounce("Permanent"))), StatusCode::OK);
    assert!(stage.suppression(Channel::Email, "ada@example.org").is_some());
}
