use std::{sync::atomic::Ordering, time::Duration};

use axum::http::{Method, StatusCode};
use ring::hmac;
use sendoff_producers::model::{Channel, SuppressionReason, suppression_key};
use serde_json::json;

use super::{Answer, Stage, TOKEN, mac, twilio::FORM};

const PATH: &str = "/callbacks/twilio/inbound";
const ADA: &str = "+4930123456";

fn answer_with(stage: &Stage, secret: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut pairs = parameters.to_vec();
    pairs.sort_unstable();
    let text: String = pairs.into_iter().flat_map(|(name, value)| [name, value]).collect();
    let text = format!("https://notify.example.org{PATH}{text}");
    let signature = mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, text.as_bytes());
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    stage.call(Method::POST, PATH, &[("content-type", FORM), ("x-twilio-signature", &signature)], body)
}

pub(super) fn answers(stage: &Stage, from: &str, body: &str) {
    let (status, headers, text) = answer_with(stage, TOKEN, &[("From", from), ("Body", body), ("To", "+15550100")]);
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/xml; charset=utf-8");
    assert_eq!(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>", "we say nothing");
}

#[test]
fn stop_puts_the_number_on_the_list_of_its_channel_and_start_takes_it_off() {
    let stage = Stage::new();
    answers(&stage, ADA, " Stop\n");
    let suppression = stage.suppression(Channel::Sms, ADA).unwrap();
    assert_eq!(suppression.reason, SuppressionReason::Stopped);
    assert_eq!((suppression.source.as_str(), suppression.at.as_str()), ("twilio", "2026-11-24T12:00:00Z"));
    assert_eq!(stage.suppression(Channel::Whatsapp, ADA), None);
    let once = stage.everything();
    answers(&stage, ADA, "STOPALL");
    assert_eq!(stage.everything(), once, "said twice is the same as once");
    answers(&stage, &format!("whatsapp:{ADA}"), "unsubscribe");
    assert!(stage.suppression(Channel::Whatsapp, ADA).is_some());
    answers(&stage, ADA, "start");
    assert_eq!(stage.suppression(Channel::Sms, ADA), None);
    assert!(stage.suppression(Channel::Whatsapp, ADA).is_some());
    answers(&stage, ADA, "UNSTOP");
    assert_eq!(stage.suppression(Channel::Sms, ADA), None);
}

#[test]
fn whoever_writes_stop_by_whatsapp_is_known_by_the_number_that_is_written_to() {
    let stage = Stage::new();
    answers(&stage, "whatsapp:+5215512345678", "STOP");
    assert!(stage.suppression(Channel::Whatsapp, "+525512345678").is_some());
    answers(&stage, "+5215512345678", "STOP");
    assert_eq!(stage.suppression(Channel::Sms, "+525512345678"), None, "text messages go by the number alone");
}

#[test]
fn what_twilio_itself_took_for_an_opt_out_is_one_in_every_language() {
    let stage = Stage::new();
    answer_with(&stage, TOKEN, &[("From", ADA), ("Body", "ARRÊT"), ("OptOutType", "STOP")]);
    assert!(stage.suppression(Channel::Sms, ADA).is_some());
    answer_with(&stage, TOKEN, &[("From", ADA), ("Body", "AIDE"), ("OptOutType", "HELP")]);
    assert!(stage.suppression(Channel::Sms, ADA).is_some());
    answer_with(&stage, TOKEN, &[("From", ADA), ("Body", "OUI"), ("OptOutType", "START")]);
    assert_eq!(stage.suppression(Channel::Sms, ADA), None);
}

#[test]
fn any_other_message_is_acknowledged_and_does_nothing() {
    let stage = Stage::new();
    for (from, body) in
        [(ADA, "please stop it"), (ADA, ""), (ADA, "HELP"), ("12345", "STOP"), ("AMAZON", "STOP"), ("", "STOP")]
    {
        answers(&stage, from, body);
    }
    answer_with(&stage, TOKEN, &[("Body", "STOP")]);
    assert_eq!(stage.world.records.all(), []);
}

#[test]
fn start_lifts_no_suppression_that_stop_had_not_set() {
    let stage = Stage::new();
    let key = suppression_key(Channel::Sms, ADA);
    stage.world.records.put(key, json!({ "reason": "complained", "at": "2026-01-01T00:00:00Z", "source": "carrier" }));
    answers(&stage, ADA, "START");
    assert_eq!(stage.suppression(Channel::Sms, ADA).unwrap().reason, SuppressionReason::Complained);
}

#[test]
fn a_forged_stop_silences_nobody() {
    let stage = Stage::new();
    assert_eq!(answer_with(&stage, "guessed", &[("From", ADA), ("Body", "STOP")]).0, StatusCode::FORBIDDEN);
    let headers = [("content-type", FORM)];
    assert_eq!(stage.call(Method::POST, PATH, &headers, "From=%2B4930123456&Body=STOP").0, StatusCode::FORBIDDEN);
    assert_eq!(stage.world.records.all(), []);
}

#[test]
fn while_the_records_are_down_a_stop_is_not_acknowledged() {
    let stage = Stage::new();
    stage.world.records.down.store(true, Ordering::Relaxed);
    let stop = [("From", ADA), ("Body", "STOP")];
    assert_eq!(answer_with(&stage, TOKEN, &stop).0, StatusCode::SERVICE_UNAVAILABLE);
    stage.world.records.down.store(false, Ordering::Relaxed);
    assert_eq!(answer_with(&stage, TOKEN, &stop).0, StatusCode::OK);
    assert!(stage.suppression(Channel::Sms, ADA).is_some());
}

/// The message `sid` from Ada.
fn says(stage: &Stage, sid: &str, body: &str) {
    let parameters = [("MessageSid", sid), ("From", ADA), ("Body", body)];
    assert_eq!(answer_with(stage, TOKEN, &parameters).0, StatusCode::OK);
    stage.world.clock.forward(Duration::from_secs(60));
}

#[test]
fn a_start_that_is_replayed_after_a_stop_lifts_nothing() {
    let stage = Stage::new();
    says(&stage, "SM1", "START");
    says(&stage, "SM2", "STOP");
    says(&stage, "SM1", "START");
    assert!(stage.suppression(Channel::Sms, ADA).is_some());
    let before = stage.everything();
    says(&stage, "SM2", "STOP");
    assert_eq!(stage.everything(), before, "nor does the replay of a STOP change anything");
    says(&stage, "SM3", "START");
    assert_eq!(stage.suppression(Channel::Sms, ADA), None);
    says(&stage, "SM2", "STOP");
    assert_eq!(stage.suppression(Channel::Sms, ADA), None, "or silence somebody again");
}

#[test]
fn a_stop_that_is_said_again_counts_from_then() {
    let stage = Stage::new();
    says(&stage, "SM1", "STOP");
    says(&stage, "SM2", "STOP");
    assert_eq!(stage.suppression(Channel::Sms, ADA).unwrap().at, "2026-11-24T12:01:00Z");
}

#[test]
fn only_the_last_sixteen_requests_are_remembered() {
    let stage = Stage::new();
    for number in 0..40 {
        says(&stage, &format!("SM{number}"), if number % 2 == 0 { "START" } else { "STOP" });
    }
    let seen = |stage: &Stage| stage.world.records.all()[0].1["seen"].clone();
    let last: Vec<_> = (24..40).map(|number| format!("SM{number}")).collect();
    assert_eq!(seen(&stage), json!(last));
    says(&stage, "SM24", "START");
    assert!(stage.suppression(Channel::Sms, ADA).is_some());
    says(&stage, &"S".repeat(60_000), "STOP");
    assert!(seen(&stage)[15].as_str().unwrap().len() <= 64, "what they are called can't fill the record");
}
