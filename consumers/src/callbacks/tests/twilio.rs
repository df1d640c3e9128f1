use std::time::Duration;

use axum::http::{Method, StatusCode};
use ring::{digest, hmac};
use sendoff_producers::model::{Channel, SuppressionReason};

use super::{Answer, DELIVERY, Stage, TOKEN, mac};
use crate::{DeliveryStatus, Status, StepState};

pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

const BASE: &str = "https://notify.example.org";

/// A request of Twilio's, before anybody touched it.
struct Request {
    /// The address that it signed.
    url: String,
    path: String,
    secret: &'static str,
    signed: Vec<(&'static str, &'static str)>,
    sent: Vec<(&'static str, &'static str)>,
}

impl Request {
    fn status(word: &'static str) -> Self {
        let path = format!("/callbacks/twilio?delivery={}", DELIVERY.replace('/', "%2F"));
        let parameters =
            vec![("MessageSid", "SM1"), ("MessageStatus", word), ("To", "+4930123456"), ("From", "+15550100")];
        Self { url: format!("{BASE}{path}"), path, secret: TOKEN, signed: parameters.clone(), sent: parameters }
    }

    fn and(mut self, name: &'static str, value: &'static str) -> Self {
        self.signed.push((name, value));
        self.sent.push((name, value));
        self
    }

    fn signature(&self) -> String {
        let mut pairs = self.signed.clone();
        pairs.sort_unstable();
        let text: String = pairs.into_iter().flat_map(|(name, value)| [name, value]).collect();
        mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret, format!("{}{text}", self.url).as_bytes())
    }

    fn send(&self, stage: &Stage) -> Answer {
        let signature = self.signature();
        stage.call(Method::POST, &self.path, &[("content-type", FORM), ("x-twilio-signature", &signature)], self.body())
    }

    fn body(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.sent).finish()
    }
}

/// Twilio tells that the message has this status.
pub(super) fn tell(stage: &Stage, word: &'static str) -> StatusCode {
    tell_of(stage, "SM1", word)
}

/// Twilio tells that its message of this name has this status.
pub(super) fn tell_of(stage: &Stage, sid: &'static str, word: &'static str) -> StatusCode {
    let mut request = Request::status(word);
    for parameters in [&mut request.signed, &mut request.sent] {
        parameters[0].1 = sid;
    }
    request.send(stage).0
}

#[test]
fn news_of_a_message_are_kept_and_settle_its_doubt() {
    let stage = Stage::new();
    let id = stage.doubt();
    assert_eq!(tell(&stage, "queued"), StatusCode::NO_CONTENT);
    let known = stage.known(&id).unwrap();
    assert_eq!((known.status, known.provider.as_str()), (DeliveryStatus::Accepted, "twilio"));
    assert_eq!(known.provider_id.as_deref(), Some("SM1"));
    let step = stage.step(&id);
    assert_eq!((step.state, step.doubted, step.provider_id.as_deref()), (StepState::Done, false, Some("SM1")));
    assert_eq!(step.reason.as_deref(), Some("twilio tells: accepted"));
    assert_eq!(stage.record(&id).status, Status::Claimed, "the rest of its job goes on");
}

#[test]
fn a_message_that_twilio_gave_up_has_failed_with_its_code() {
    let stage = Stage::new();
    let id = stage.doubt();
    let request = Request::status("undelivered").and("ErrorCode", "30003").and("ErrorMessage", "no +4930123456 here");
    assert_eq!(request.send(&stage).0, StatusCode::NO_CONTENT);
    let known = stage.known(&id).unwrap();
    assert_eq!(known.reason.as_deref(), Some("30003 no <phone> here"));
    assert_eq!(stage.step(&id).state, StepState::Failed);
    assert_eq!(
        stage.suppression(Channel::Sms, "+4930123456"),
        None,
        "a phone that is off isn't one whose owner objects"
    );
    let stage = Stage::new();
    let id = stage.doubt();
    assert_eq!(Request::status("failed").and("ErrorCode", "30003").send(&stage).0, StatusCode::NO_CONTENT);
    assert_eq!(stage.known(&id).unwrap().reason.as_deref(), Some("30003 the recipient's phone can't be reached"));
}

#[test]
fn somebody_who_has_opted_out_at_twilio_is_suppressed() {
    let stage = Stage::new();
    stage.doubt();
    assert_eq!(Request::status("failed").and("ErrorCode", "21610").send(&stage).0, StatusCode::NO_CONTENT);
    let suppression = stage.suppression(Channel::Sms, "+4930123456").unwrap();
    assert_eq!((suppression.reason, suppression.source.as_str()), (SuppressionReason::Stopped, "twilio"));
    assert_eq!(stage.suppression(Channel::Whatsapp, "+4930123456"), None);
}

#[test]
fn an_opt_out_at_twilio_counts_while_its_message_is_in_use_and_once_only() {
    let stage = Stage::new();
    let id = stage.doubt();
    stage.world.inbox.0.lock().unwrap().get_mut(&id.key).unwrap().lease_until = stage.now() + Duration::from_secs(40);
    let failed = Request::status("failed").and("ErrorCode", "21610");
    assert_eq!(failed.send(&stage).0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(stage.suppression(Channel::Sms, "+4930123456").is_some());
    super::inbound::answers(&stage, "+4930123456", "START");
    failed.send(&stage);
    assert_eq!(stage.suppression(Channel::Sms, "+4930123456"), None, "a replay silences nobody again");
}

/// Sends a request that is refused, and that changes nothing.
fn refused(name: &str, change: impl FnOnce(&mut Request)) {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    let mut request = Request::status("delivered");
    change(&mut request);
    let (status, _, body) = request.send(&stage);
    assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, ""), "{name}");
    assert_eq!(stage.everything(), before, "{name}");
}

#[test]
fn a_signature_by_another_secret_is_forged() {
    refused("another", |request| request.secret = "the auth tokem");
    refused("none", |request| request.secret = "");
}

#[test]
fn a_parameter_that_was_changed_added_or_taken_away_is_forged() {
    refused("changed", |request| request.sent[1].1 = "read");
    refused("added", |request| request.sent.push(("ErrorCode", "21610")));
    refused("taken", |request| {
        request.sent.pop();
    });
    refused("all", |request| request.sent.clear());
}

#[test]
fn an_address_that_was_changed_is_forged() {
    refused("another delivery", |request| request.path = request.path.replace("ada", "eve"));
    refused("another query", |request| request.path.push_str("&x=1"));
    refused("another endpoint", |request| request.path = "/callbacks/twilio/inbound".into());
    refused("another host", |request| request.url = request.url.replace("notify", "evil"));
    refused("another scheme", |request| request.url = request.url.replace("https", "http"));
}

#[test]
fn a_request_without_a_signature_is_forged() {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    let request = Request::status("delivered");
    for signature in [None, Some(""), Some("?"), Some("AAAA")] {
        let signature = signature.map(|signature| ("x-twilio-signature", signature));
        let headers: Vec<_> = [("content-type", FORM)].into_iter().chain(signature).collect();
        assert_eq!(stage.call(Method::POST, &request.path, &headers, request.body()).0, StatusCode::FORBIDDEN);
    }
    assert_eq!(stage.everything(), before);
}

#[test]
fn the_host_header_changes_nothing() {
    let stage = Stage::new();
    let (id, request) = (stage.doubt(), Request::status("delivered"));
    let signature = request.signature();
    let headers = [
        ("content-type", FORM),
        ("x-twilio-signature", signature.as_str()),
        ("host", "10.0.0.7:8080"),
        ("x-forwarded-host", "evil.example"),
    ];
    assert_eq!(stage.call(Method::POST, &request.path, &headers, request.body()).0, StatusCode::NO_CONTENT);
    assert!(stage.known(&id).is_some());
}

#[test]
fn the_address_may_be_signed_with_or_without_its_port() {
    for url in ["https://notify.example.org:443", "https://notify.example.org"] {
        let stage = Stage::new();
        let (id, mut request) = (stage.doubt(), Request::status("delivered"));
        request.url = request.url.replace(BASE, url);
        assert_eq!(request.send(&stage).0, StatusCode::NO_CONTENT, "{url}");
        assert!(stage.known(&id).is_some(), "{url}");
    }
    refused("another port", |request| request.url = request.url.replace(BASE, "https://notify.example.org:8443"));
}

#[test]
fn while_the_auth_token_is_replaced_both_are_taken() {
    let stage = Stage::new();
    let (id, mut request) = (stage.doubt(), Request::status("delivered"));
    request.secret = "the second auth token";
    assert_eq!(request.send(&stage).0, StatusCode::NO_CONTENT);
    assert!(stage.known(&id).is_some());
}

#[test]
fn a_name_that_occurs_twice_is_signed_with_each_of_its_values_once() {
    let stage = Stage::new();
    let (id, mut request) = (stage.doubt(), Request::status("delivered").and("Media", "b").and("Media", "a"));
    request.sent.push(("Media", "b"));
    assert_eq!(request.send(&stage).0, StatusCode::NO_CONTENT);
    assert!(stage.known(&id).is_some());
}

#[test]
fn a_json_body_is_proven_by_its_hash_in_the_address() {
    let body = r#"{"MessageSid":"SM1","MessageStatus":"undelivered","ErrorCode":30005,"To":"+4930123456","x":[1]}"#;
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("/callbacks/twilio?delivery={DELIVERY}&bodySHA256={hash}");
    let signature = mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN, format!("{BASE}{path}").as_bytes());
    let headers = [("content-type", "application/json"), ("x-twilio-signature", signature.as_str())];
    let stage = Stage::new();
    let id = stage.doubt();
    let before = stage.everything();
    let tampered = body.replace("undelivered", "delivered");
    assert_eq!(stage.call(Method::POST, &path, &headers, tampered).0, StatusCode::FORBIDDEN);
    assert_eq!(stage.everything(), before);
    assert_eq!(stage.call(Method::POST, &path, &headers, body).0, StatusCode::NO_CONTENT);
    let known = stage.known(&id).unwrap();
    assert_eq!(known.status, DeliveryStatus::Undelivered);
    assert!(known.reason.unwrap().starts_with("30005"));
}

#[test]
fn a_body_that_is_no_form_and_whose_hash_is_not_in_the_address_is_forged() {
    let stage = Stage::new();
    stage.doubt();
    let path = format!("/callbacks/twilio?delivery={DELIVERY}");
    let signature = mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN, format!("{BASE}{path}").as_bytes());
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let headers = [("content-type", kind), ("x-twilio-signature", signature.as_str())];
        let body = r#"{"MessageStatus":"delivered"}"#;
        assert_eq!(stage.call(Method::POST, &path, &headers, body).0, StatusCode::FORBIDDEN, "{kind}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_whatever_its_signature() {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    let headers = [("content-type", FORM), ("x-twilio-signature", "AAAA")];
    let body = "a=".to_owned() + &"x".repeat(64 * 1024);
    assert_eq!(stage.call(Method::POST, "/callbacks/twilio", &headers, body).0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        stage.call(Method::POST, "/callbacks/twilio", &headers, "a&".repeat(300)).0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(stage.everything(), before);
}

#[test]
fn signed_garbage_is_acknowledged_and_changes_nothing() {
    let stage = Stage::new();
    stage.doubt();
    let before = stage.everything();
    for word in ["", "DELIVERED", "received", "on the moon", "\u{0}\u{ffff}"] {
        assert_eq!(tell(&stage, word), StatusCode::NO_CONTENT, "{word:?}");
    }
    for query in ["", "?", "?delivery=", "?delivery=x", "?delivery=%ff%fe", "?delivery=sms%2Fx%2Fada", "?other=1"] {
        let mut request = Request::status("delivered");
        request.path = format!("/callbacks/twilio{query}");
        request.url = format!("{BASE}{}", request.path);
        assert_eq!(request.send(&stage).0, StatusCode::NO_CONTENT, "{query}");
    }
    assert_eq!(stage.everything(), before);
}

#[test]
fn only_posts_are_taken() {
    let stage = Stage::new();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(stage.call(method, "/callbacks/twilio", &[], "").0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
