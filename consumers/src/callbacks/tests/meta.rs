use std::time::Duration;

use axum::http::{Method, StatusCode};
use ring::hmac;
use sendoff_producers::model::{Channel, SuppressionReason};
use serde_json::{Value, json};

use super::{APP_SECRET, DELIVERY, NUMBER_ID, Stage};
use crate::{DeliveryStatus, Status, StepState};

const PATH: &str = "/callbacks/meta";

fn hex(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn post(stage: &Stage, body: impl Into<String>) -> StatusCode {
    let body = body.into();
    let signature = format!("sha256={}", hex(APP_SECRET, body.as_bytes()));
    let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature.as_str())];
    stage.call(Method::POST, PATH, &headers, body).0
}

/// A notification with these statuses and messages, each in an entry of its own.
fn notification(statuses: &[Value], messages: &[Value]) -> String {
    let entry = |part: Value| json!({ "id": "1", "changes": [{ "field": "messages", "value": part }] });
    let statuses =
        statuses.iter().map(|status| entry(json!({ "messaging_product": "whatsapp", "statuses": [status] })));
    let messages = messages.iter().map(|message| entry(json!({ "messages": [message] })));
    let entries: Vec<_> = statuses.chain(messages).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries }).to_string()
}

fn status(word: &str) -> Value {
    json!({
        "id": "wamid.1", "status": word, "timestamp": "1795521600", "recipient_id": "4930123456",
        "biz_opaque_callback_data": DELIVERY,
    })
}

fn message(text: &str, second: u64) -> Value {
    json!({
        "from": "4930123456", "id": "wamid.2", "timestamp": second.to_string(), "type": "text",
        "text": { "body": text },
    })
}

#[test]
fn the_endpoint_proves_itself_to_who_knows_the_verify_token() {
    let stage = Stage::new();
    let ask = |query: &str| stage.call(Method::GET, &format!("{PATH}?{query}"), &[], "");
    let (status, headers, body) =
        ask("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=the%20verify%20token");
    assert_eq!((status, body.as_str()), (StatusCode::OK, "1158201444"));
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    for query in [
        "",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=the%20verify%20tokem",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=the%20verify%20token",
    ] {
        assert_eq!(ask(query).0, StatusCode::FORBIDDEN, "{query}");
    }
    for challenge in ["%3Cscript%3E%20", "a%0d%0ab"] {
        let query = format!("hub.mode=subscribe&hub.challenge={challenge}&hub.verify_token=the%20verify%20token");
        assert_eq!(ask(&query).0, StatusCode::BAD_REQUEST, "{challenge}");
    }
}

#[test]
fn news_of_a_message_are_kept_and_settle_its_doubt() {
    for (word, known, state) in [
        ("sent", DeliveryStatus::Sent, StepState::Done),
        ("delivered", DeliveryStatus::Delivered, StepState::Done),
        ("read", DeliveryStatus::Read, StepState::Done),
        ("failed", DeliveryStatus::Undelivered, StepState::Failed),
    ] {
        let stage = Stage::new();
        let id = stage.doubt();
        assert_eq!(post(&stage, notification(&[status(word)], &[])), StatusCode::OK);
        let record = stage.known(&id).unwrap();
        assert_eq!((record.status, record.provider.as_str()), (known, "meta"));
        assert_eq!(record.provider_id.as_deref(), Some("wamid.1"));
        assert_eq!(stage.step(&id).state, state, "{word}");
    }
}

#[test]
fn why_a_message_failed_is_kept() {
    let stage = Stage::new();
    let (id, mut failed) = (stage.doubt(), status("failed"));
    failed["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable", "message": "to +4930123456" }]);
    assert_eq!(post(&stage, notification(&[failed], &[])), StatusCode::OK);
    assert_eq!(stage.known(&id).unwrap().reason.as_deref(), Some("131026 Message undeliverable"));
}

#[test]
fn many_news_in_one_notification_in_any_order_are_all_taken() {
    let stage = Stage::new();
    let id = stage.doubt();
    let other = stage.job(
        &DELIVERY.replace("/ada", "0/bob").replace("-0000000000000/", "-000000000001/"),
        Status::Done,
        StepState::Done,
    );
    let mut second = status("read");
    second["biz_opaque_callback_data"] = json!(other.to_string());
    let mut many: Vec<_> = ["read", "sent", "delivered"].iter().cycle().take(300).map(|word| status(word)).collect();
    many.push(second);
    assert_eq!(post(&stage, notification(&many, &[])), StatusCode::OK);
    assert_eq!(stage.known(&id).unwrap().status, DeliveryStatus::Read);
    assert_eq!(stage.known(&other).unwrap().status, DeliveryStatus::Read);
}

#[test]
fn news_that_can_not_be_read_or_are_not_ours_do_not_take_others_with_them() {
    let stage = Stage::new();
    let id = stage.doubt();
    let mut foreign = status("delivered");
    foreign["biz_opaque_callback_data"] = json!("their own words");
    let parts = [
        json!(null),
        json!({ "status": 7 }),
        json!({ "id": "wamid.9", "status": "delivered" }),
        foreign,
        status("on the moon"),
        status("sent"),
    ];
    assert_eq!(post(&stage, notification(&parts, &[json!("x"), json!({})])), StatusCode::OK);
    assert_eq!(stage.known(&id).unwrap().status, DeliveryStatus::Sent);
}

#[test]
fn whoever_writes_stop_is_suppressed_until_they_write_start() {
    let stage = Stage::new();
    let suppressed = || stage.suppression(Channel::Whatsapp, "+4930123456");
    assert_eq!(post(&stage, notification(&[], &[message("don't stop", 100)])), StatusCode::OK);
    assert_eq!(suppressed(), None);
    post(&stage, notification(&[], &[message("Stop", 200)]));
    assert_eq!(suppressed().unwrap().source, "meta");
    assert_eq!(stage.suppression(Channel::Sms, "+4930123456"), None);
    post(&stage, notification(&[], &[message("START", 150)]));
    assert!(suppressed().is_some(), "an older START that comes late is over");
    post(&stage, notification(&[], &[message("START", 300)]));
    assert_eq!(suppressed(), None);
    let pressed = json!({ "from": "4930123456", "type": "button", "button": { "text": "STOP", "payload": "x" } });
    post(&stage, notification(&[], &[message("START", 310), pressed]));
    assert!(suppressed().is_some(), "the last wish counts");
}

/// Whether Ada gets messages after these, that come one by one.
fn silenced_by(wishes: &[(&str, u64)]) -> bool {
    let stage = Stage::new();
    for (text, second) in wishes {
        assert_eq!(post(&stage, notification(&[], &[message(text, *second)])), StatusCode::OK);
    }
    stage.suppression(Channel::Whatsapp, "+4930123456").is_some()
}

#[test]
fn the_latest_wish_counts_in_whatever_order_they_come() {
    for (wishes, silenced) in [
        (&[("STOP", 100), ("STOP", 300), ("START", 200)][..], true),
        (&[("STOP", 100), ("START", 200), ("STOP", 100)], false),
        (&[("STOP", 100), ("START", 200), ("STOP", 150)], false),
        (&[("START", 200), ("STOP", 100)], false),
        (&[("START", 200), ("STOP", 300), ("START", 200)], true),
        (&[("STOP", 300), ("STOP", 100), ("START", 200)], true),
        (&[("START", 200), ("STOP", 200)], true),
        (&[("STOP", 200), ("START", 200)], true),
    ] {
        assert_eq!(silenced_by(wishes), silenced, "{wishes:?}");
    }
}

#[test]
fn whoever_writes_stop_is_known_by_the_number_that_is_written_to() {
    for (id, dialled) in [
        ("5215512345678", "+525512345678"),
        ("5491123456789", "+541123456789"),
        ("541123456789", "+5491123456789"),
        ("553187654321", "+5531987654321"),
    ] {
        let stage = Stage::new();
        let says = |text: &str, second| {
            let mut wish = message(text, second);
            wish["from"] = json!(id);
            assert_eq!(post(&stage, notification(&[], &[wish])), StatusCode::OK);
        };
        says("STOP", 100);
        assert!(stage.suppression(Channel::Whatsapp, dialled).is_some(), "{id}");
        says("START", 200);
        assert_eq!(stage.suppression(Channel::Whatsapp, dialled), None, "{id}");
        let mut failed = status("failed");
        failed["recipient_id"] = json!(id);
        failed["errors"] = json!([{ "code": 131_050, "title": "User has stopped receiving marketing messages" }]);
        post(&stage, notification(&[failed], &[]));
        assert!(stage.suppression(Channel::Whatsapp, dialled).is_some(), "{id}");
    }
}

#[test]
fn a_wish_from_the_future_does_not_outlast_those_that_come_later() {
    let stage = Stage::new();
    post(&stage, notification(&[], &[message("STOP", 4_000_000_000)]));
    assert_eq!(stage.suppression(Channel::Whatsapp, "+4930123456").unwrap().at, "2026-11-24T12:00:00Z");
    stage.world.clock.forward(Duration::from_secs(60));
    post(&stage, notification(&[], &[message("START", 1_795_521_630)]));
    assert_eq!(stage.suppression(Channel::Whatsapp, "+4930123456"), None);
}

#[test]
fn somebody_who_has_opted_out_at_meta_is_suppressed() {
    let stage = Stage::new();
    let id = stage.doubt();
    let mut failed = status("failed");
    failed["timestamp"] = json!("1795521000");
    failed["errors"] = json!([{ "code": 131_050, "title": "User has stopped receiving marketing messages" }]);
    assert_eq!(post(&stage, notification(std::slice::from_ref(&failed), &[])), StatusCode::OK);
    assert_eq!(stage.step(&id).state, StepState::Failed);
    let suppression = stage.suppression(Channel::Whatsapp, "+4930123456").unwrap();
    assert_eq!((suppression.reason, suppression.source.as_str()), (SuppressionReason::Stopped, "meta"));
    assert_eq!(suppression.at, "2026-11-24T11:50:00Z", "when it failed");
    assert_eq!(stage.suppression(Channel::Sms, "+4930123456"), None);
    post(&stage, notification(&[], &[message("START", 1_795_521_001)]));
    post(&stage, notification(&[failed.clone()], &[]));
    assert_eq!(stage.suppression(Channel::Whatsapp, "+4930123456"), None, "old news silence nobody again");
    // In a form that isn't known, it is news all the same.
    let strange = Stage::new();
    let id = strange.doubt();
    let mut failure = failed.clone();
    (failure["timestamp"], failure["recipient_id"]) = (json!(1_795_521_000), json!(4_930_123_456_u64));
    post(&strange, notification(&[failure], &[]));
    assert_eq!(strange.step(&id).state, StepState::Failed);
    // A message that isn't ours, or that nobody named, and a failure of another kind.
    let other = Stage::new();
    failed["biz_opaque_callback_data"] = json!(null);
    failed["errors"][0]["code"] = json!(131_026);
    post(&other, notification(std::slice::from_ref(&failed), &[]));
    assert_eq!(other.suppression(Channel::Whatsapp, "+4930123456"), None);
    failed["errors"][0]["code"] = json!(131_050);
    post(&other, notification(&[failed], &[]));
    assert!(other.suppression(Channel::Whatsapp, "+4930123456").is_some());
}

#[test]
fn what_is_said_to_another_number_of_the_app_is_no_wish_that_concerns_us() {
    let stage = Stage::new();
    let suppressed = || stage.suppression(Channel::Whatsapp, "+4930123456").is_some();
    let says = |number: &str, text: &str, second: u64| {
        let metadata = json!({ "display_phone_number": "15550100", "phone_number_id": number });
        let value = json!({ "metadata": metadata, "messages": [message(text, second)] });
        let body = json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] });
        assert_eq!(post(&stage, body.to_string()), StatusCode::OK);
    };
    says("999999", "STOP", 100);
    assert!(!suppressed());
    says(NUMBER_ID, "STOP", 200);
    assert!(suppressed());
    says("999999", "START", 300);
    assert!(suppressed(), "they want the other number's");
    says(NUMBER_ID, "START", 400);
    assert!(!suppressed());
}

#[test]
fn news_of_our_message_count_whichever_number_it_was_sent_from_and_a_refusal_only_if_it_is_ours() {
    let stage = Stage::new();
    let id = stage.doubt();
    let mut failed = status("failed");
    failed["errors"] = json!([{ "code": 131_050, "title": "User has stopped receiving marketing messages" }]);
    let value = json!({ "metadata": { "phone_number_id": "999999" }, "statuses": [failed] });
    let body = json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] });
    assert_eq!(post(&stage, body.to_string()), StatusCode::OK);
    assert_eq!(stage.step(&id).state, StepState::Failed, "the number may have been another one then");
    assert_eq!(stage.suppression(Channel::Whatsapp, "+4930123456"), None);
}

#[test]
fn while_news_can_not_be_settled_the_wishes_beside_them_are_heard() {
    let stage = Stage::new();
    let id = stage.doubt();
    stage.world.inbox.0.lock().unwrap().get_mut(&id.key).unwrap().lease_until = stage.now() + Duration::from_secs(40);
    let news = notification(&[status("sent")], &[message("STOP", 100)]);
    assert_eq!(post(&stage, news), StatusCode::SERVICE_UNAVAILABLE);
    assert!(stage.suppression(Channel::Whatsapp, "+4930123456").is_some());
}

#[test]
fn a_forged_notification_changes_nothing() {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    let body = notification(&[status("delivered")], &[message("STOP", 1)]);
    let right = hex(APP_SECRET, body.as_bytes());
    for (name, signature, body) in [
        ("another secret", Some(format!("sha256={}", hex("guessed", body.as_bytes()))), body.clone()),
        ("an empty secret", Some(format!("sha256={}", hex("", body.as_bytes()))), body.clone()),
        ("another body", Some(format!("sha256={right}")), body.replace("delivered", "read")),
        ("without its name", Some(right.clone()), body.clone()),
        ("SHA-1", Some(format!("sha1={right}")), body.clone()),
        ("cut", Some(format!("sha256={}", &right[..62])), body.clone()),
        ("nothing", Some("sha256=".into()), body.clone()),
        ("missing", None, body.clone()),
    ] {
        let signature = signature.as_deref().map(|signature| ("x-hub-signature-256", signature));
        let headers: Vec<_> = signature.into_iter().collect();
        assert_eq!(stage.call(Method::POST, PATH, &headers, body).0, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(stage.everything(), before);
}

#[test]
fn signed_garbage_and_endless_bodies_change_nothing() {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    for body in ["", "x", "7", "{\"entry\":7}", "{\"entry\":[{\"changes\":{}}]}"] {
        assert_eq!(post(&stage, body), StatusCode::BAD_REQUEST, "{body}");
    }
    for body in ["{}", "[]", "{\"entry\":[]}", "{\"object\":\"page\",\"entry\":[{\"changes\":[{\"field\":\"x\"}]}]}"] {
        assert_eq!(post(&stage, body), StatusCode::OK, "{body}");
    }
    let deep = format!("{{\"entry\":{}", "[".repeat(100_000));
    assert_eq!(post(&stage, deep), StatusCode::BAD_REQUEST);
    assert_eq!(post(&stage, " ".repeat(3 * 1024 * 1024 + 1)), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(stage.everything(), before);
}
