//! The function that providers and recipients call.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use sendoff_tests::{lambda::LambdaFunction, servers::TwilioStub};
use serde_json::{Value, json};

use crate::{
    endpoint::Endpoint,
    given::{function, request},
    store::Tables,
};

const KEY: &str = "whatsapp/01938d1e-7b2c-7000-8000-000000000000";
const DELIVERY: &str = "whatsapp/01938d1e-7b2c-7000-8000-000000000000/ada";
const APP_SECRET: &str = "the-secret-of-the-app";

struct Rig {
    tables: Arc<Tables>,
    aws: Endpoint,
    callbacks: LambdaFunction,
}

async fn rig() -> Rig {
    let tables = Arc::new(Tables::default());
    tables.put("inbox", in_doubt());
    let kept = Arc::clone(&tables);
    let aws = Endpoint::start(move |call| match call.name.as_str() {
        "GetSecretValue" => {
            let asked = call.body["SecretId"].as_str().unwrap_or_default();
            let secret = match asked.rsplit(':').next() {
                Some("twilio") => TwilioStub::TOKEN,
                Some("meta-app") => APP_SECRET,
                _ => "0123456789abcdef",
            };
            Some((200, json!({ "Name": "any", "SecretString": secret })))
        }
        _ => kept.answer(call),
    })
    .await;
    let callbacks = function("callbacks", &aws).await;
    Rig { tables, aws, callbacks }
}

impl Rig {
    /// What the function answers to a body that comes in base64, as API Gateway sends what isn't text.
    async fn posted(&mut self, path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let mut event = request("POST", path, None);
        event["rawQueryString"] = query.into();
        for (name, value) in headers {
            event["headers"][*name] = (*value).into();
        }
        event["body"] = STANDARD.encode(body).into();
        event["isBase64Encoded"] = true.into();
        self.callbacks.invoke(&event).await.unwrap()["statusCode"].clone()
    }

    /// Whether anything was written, by the names of the calls.
    fn has_written(&self) -> bool {
        let is_write = |name: &str| ["Put", "Update", "Transact"].iter().any(|word| name.contains(word));
        self.aws.names().iter().any(|name| is_write(name))
    }

    /// What is kept of the message's delivery.
    fn delivery(&self) -> Vec<Value> {
        let kept = self.tables.of("inbox").into_iter();
        kept.filter(|item| item["id"]["S"] == format!("delivery#{DELIVERY}")).collect()
    }

    /// Where the message stands, and whether its record is still listed among the doubts.
    fn stands(&self) -> (String, bool) {
        let inbox = self.tables.of("inbox");
        let record = inbox.iter().find(|item| item["id"]["S"] == KEY).unwrap();
        let steps: Value = serde_json::from_str(record["steps"]["S"].as_str().unwrap()).unwrap();
        (steps["ada"]["state"].as_str().unwrap().to_owned(), record.get("doubt").is_some())
    }
}

/// The record of a message of which nobody knows whether it was sent.
fn in_doubt() -> Value {
    let at = json!({ "N": "1773342238000" });
    let step = json!({ "state": "in-doubt", "doubted": true, "at": "2026-03-12T19:03:58Z" });
    json!({
        "id": { "S": KEY }, "status": { "S": "INPROGRESS" }, "state": { "S": "in-doubt" },
        "validation": { "S": "0".repeat(64) }, "fence": { "N": "1" }, "revision": { "N": "1" },
        "attempts": { "N": "1" }, "replay": { "N": "0" }, "lease_until": at, "first_at": at, "updated_at": at,
        "steps": { "S": json!({ "ada": step }).to_string() }, "doubt": { "S": "whatsapp" }, "doubt_since": at,
    })
}

fn mac(algorithm: hmac::Algorithm, key: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes())
}

#[tokio::test]
async fn nobody_is_believed_without_a_proof_and_nothing_is_written() {
    let mut rig = rig().await;
    for (method, path, status) in [
        ("POST", "/callbacks/twilio", 403),
        ("POST", "/callbacks/meta", 403),
        ("GET", "/callbacks/meta", 403),
        // No topic is named, so it isn't set up.
        ("POST", "/callbacks/ses", 404),
        ("POST", "/unsubscribe/forged.token", 404),
        ("GET", "/v1/users", 404),
    ] {
        let answer = rig.callbacks.invoke(&request(method, path, None)).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{method} {path}: {answer} {}", rig.callbacks.output());
    }
    assert!(!rig.has_written(), "{:?}", rig.aws.names());
}

#[tokio::test]
async fn what_twilio_has_signed_is_kept_whatever_the_gateway_makes_of_body_and_query() {
    let mut rig = rig().await;
    let query = format!("delivery={}", DELIVERY.replace('/', "%2F"));
    // In the order of their names, as they are signed.
    let pairs = [
        ("From", "whatsapp:+15550100"),
        ("MessageSid", "SM1"),
        ("MessageStatus", "delivered"),
        ("To", "whatsapp:+4917612345678"),
    ];
    let signed: String = pairs.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let url = format!("https://api.example.org/callbacks/twilio?{query}");
    let signature = mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TwilioStub::TOKEN, &format!("{url}{signed}"));
    let signature = STANDARD.encode(signature);
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-twilio-signature", &*signature)];

    let tampered = form.replace("delivered", "read");
    assert_eq!(rig.posted("/callbacks/twilio", &query, &headers, &tampered).await, 403);
    assert_eq!(rig.stands(), ("in-doubt".to_owned(), true));
    assert!(rig.delivery().is_empty() && !rig.has_written(), "{:?}", rig.aws.names());

    let status = rig.posted("/callbacks/twilio", &query, &headers, &form).await;
    assert_eq!(status, 204, "{}", rig.callbacks.output());
    let [kept] = &rig.delivery()[..] else { panic!("{:?}", rig.tables.of("inbox")) };
    let text = kept.to_string();
    assert_eq!(rig.stands(), ("done".to_owned(), false), "the doubt is settled");
    assert!(text.contains("delivered") && text.contains("SM1") && text.contains("twilio"), "{text}");
    assert!(!rig.callbacks.output().contains("4917612345678"), "a phone number is in the log");
}

#[tokio::test]
async fn what_meta_has_signed_is_kept() {
    let mut rig = rig().await;
    let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{
        "field": "messages",
        "value": { "messaging_product": "whatsapp", "statuses": [{
            "id": "wamid.1", "status": "read", "timestamp": "1795521600", "recipient_id": "4917612345678",
            "biz_opaque_callback_data": DELIVERY,
        }] },
    }] }] })
    .to_string();
    let tag = mac(hmac::HMAC_SHA256, APP_SECRET, &body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={hex}");
    let headers = [("content-type", "application/json"), ("x-hub-signature-256", &*signature)];

    let tampered = body.replace("\"read\"", "\"failed\"");
    assert_eq!(rig.posted("/callbacks/meta", "", &headers, &tampered).await, 403);
    assert_eq!(rig.stands(), ("in-doubt".to_owned(), true));
    assert!(rig.delivery().is_empty() && !rig.has_written(), "{:?}", rig.aws.names());

    let status = rig.posted("/callbacks/meta", "", &headers, &body).await;
    assert_eq!(status, 200, "{}", rig.callbacks.output());
    let [kept] = &rig.delivery()[..] else { panic!("{:?}", rig.tables.of("inbox")) };
    let text = kept.to_string();
    assert_eq!(rig.stands(), ("done".to_owned(), false), "the doubt is settled");
    assert!(text.contains("read") && text.contains("wamid.1") && text.contains("meta"), "{text}");
    assert!(!rig.callbacks.output().contains("4917612345678"), "a phone number is in the log");
}
