//! What the peers refuse, and that our providers understand why.

use reqwest::Method;
use sendoff_consumers::channels::{
    Provider,
    http::HttpRequest,
    whatsapp::{MetaSettings, MetaWhatsapp, WhatsappContent},
};
use sendoff_tests::servers::{MetaStub, TwilioStub};

use super::given::{TO, Twilio, http, kind, meta, sms, template, text, whatsapp};

#[tokio::test]
async fn a_refusal_by_twilio_is_told_by_its_code() {
    for (status, code, expected) in [
        (400, 21610, "gone"),
        (400, 21211, "permanent"),
        (400, 21408, "permanent"),
        (400, 21614, "permanent"),
        (400, 63016, "permanent"),
        (400, 63017, "throttled"),
        (429, 63018, "throttled"),
        (400, 21611, "throttled"),
        (400, 21704, "unavailable"),
        (403, 30002, "unavailable"),
    ] {
        let twilio = Twilio::start().await;
        twilio.stub.peer().refuse(TO, status, code);
        let outcome = twilio.sms().send(&sms(1), None).await;
        assert_eq!(kind(&outcome), expected, "{code}: {outcome:?}");
        assert!(format!("{outcome:?}").contains(&code.to_string()) && !format!("{outcome:?}").contains("447700"));
        assert!(twilio.stub.peer().messages().is_empty());
    }
}

#[tokio::test]
async fn a_refusal_by_meta_is_told_by_its_code() {
    for (status, code, expected) in [
        (400, 131_050, "gone"),
        (400, 131_026, "permanent"),
        (400, 131_047, "permanent"),
        (400, 130_429, "throttled"),
        (400, 131_056, "throttled"),
        (400, 80_007, "throttled"),
        (403, 131_031, "unavailable"),
        (500, 131_000, "unknown"),
    ] {
        let stub = MetaStub::start().await;
        stub.peer().refuse(&TO[1..], status, code);
        let outcome = meta(&stub, false).send(&whatsapp(text()), None).await;
        assert_eq!(kind(&outcome), expected, "{code}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("447700"), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_our_account_pauses_instead_of_failing_messages() {
    let mut twilio = Twilio::start().await;
    let good = twilio.settings.clone();
    twilio.settings.auth_token = "wrong".into();
    assert_eq!(kind(&twilio.sms().send(&sms(1), None).await), "unavailable", "the token");
    twilio.settings = good.clone();
    twilio.settings.account_sid = "ACffffffffffffffffffffffffffffffff".parse().unwrap();
    assert_eq!(kind(&twilio.sms().send(&sms(1), None).await), "unavailable", "the account");
    for sender in ["+4930999999", "54321", "Nobody", "MGffffffffffffffffffffffffffffffff"] {
        twilio.settings = good.clone();
        twilio.settings.from = sender.parse().unwrap();
        assert_eq!(kind(&twilio.sms().send(&sms(1), None).await), "unavailable", "{sender}");
    }
    let stub = MetaStub::start().await;
    for (id, token) in [("1", MetaStub::TOKEN), (MetaStub::PHONE_NUMBER_ID, "wrong")] {
        let mut settings = MetaSettings::new(id, token.into());
        settings.base_url = stub.url();
        let provider = MetaWhatsapp::new(settings, http(std::time::Duration::from_secs(30))).unwrap();
        let outcome = provider.send(&whatsapp(text()), None).await;
        assert_eq!(kind(&outcome), "unavailable", "{outcome:?}");
    }
    assert!(twilio.stub.peer().messages().is_empty() && stub.peer().messages().is_empty());
}

#[tokio::test]
async fn every_kind_of_sender_is_taken() {
    let mut twilio = Twilio::start().await;
    for sender in [TwilioStub::NUMBER, TwilioStub::SERVICE, "12345", "Acme"] {
        twilio.settings.from = sender.parse().unwrap();
        assert_eq!(kind(&twilio.sms().send(&sms(1), None).await), "sent", "{sender}");
    }
    twilio.settings.from = TwilioStub::SERVICE.parse().unwrap();
    assert_eq!(kind(&twilio.whatsapp().send(&whatsapp(template()), None).await), "sent");
}

#[tokio::test]
async fn a_template_that_does_not_fit_is_refused_for_good() {
    let WhatsappContent::Template(mut template) = template() else { unreachable!() };
    template.parameters.push("too many".into());
    let (twilio, stub) = (Twilio::start().await, MetaStub::start().await);
    let message = whatsapp(WhatsappContent::Template(template));
    assert_eq!(kind(&twilio.whatsapp().send(&message, None).await), "permanent");
    assert_eq!(kind(&meta(&stub, false).send(&message, None).await), "permanent");
}

/// The stub of Twilio is at least as strict as Twilio.
#[tokio::test]
async fn the_stub_of_twilio_refuses_every_mistake_by_twilios_code() {
    let twilio = Twilio::start().await;
    let good = "To=%2B447700900123&From=%2B4930123456&Body=x";
    let long = format!("To=%2B447700900123&From=%2B4930123456&Body={}", "x".repeat(1601));
    let content = format!("To=%2B447700900123&From=%2B4930123456&ContentSid={}", TwilioStub::CONTENT);
    for (form, status, code) in [
        (good.to_owned(), 201, 0),
        (format!("{good}&Nonsense=1"), 400, 20001),
        (format!("{good}&Body=y"), 400, 20001),
        ("From=%2B4930123456&Body=x".into(), 400, 21604),
        ("To=%2B447700900123&Body=x".into(), 400, 21603),
        ("To=447700900123&From=%2B4930123456&Body=x".into(), 400, 21211),
        ("To=%2B44&From=%2B4930123456&Body=x".into(), 400, 21211),
        ("To=%2B4930123456&From=%2B4930123456&Body=x".into(), 400, 21266),
        ("To=%2B447700900123&From=%2B4930999999&Body=x".into(), 400, 21606),
        ("To=%2B447700900123&From=Nobody&Body=x".into(), 400, 21212),
        ("To=whatsapp%3A%2B447700900123&From=%2B4930123456&Body=x".into(), 400, 63007),
        ("To=%2B447700900123&MessagingServiceSid=MG1&Body=x".into(), 404, 21701),
        ("To=%2B447700900123&From=%2B4930123456".into(), 400, 21619),
        (long, 400, 21617),
        (format!("{good}&StatusCallback=nowhere"), 400, 21609),
        (format!("{good}&StatusCallback=https%3A%2F%2Fa_b.example.org"), 400, 21609),
        (format!("{good}&ValidityPeriod=0"), 400, 20001),
        (format!("{good}&ValidityPeriod=36001"), 400, 20001),
        (format!("{good}&ContentVariables=%7B%7D"), 400, 21654),
        (format!("{good}&ContentSid={}", TwilioStub::CONTENT), 400, 20001),
        ("To=%2B447700900123&From=%2B4930123456&ContentSid=HX1".into(), 400, 21655),
        (format!("{content}&ContentVariables=x"), 400, 21656),
        (format!("{content}&ContentVariables=%7B%221%22%3A1%7D"), 400, 21656),
        (format!("{content}&ContentVariables=%7B%221%22%3A%22a%22%7D"), 400, 21656),
    ] {
        let (found, answered) = post(&twilio, &form, "application/x-www-form-urlencoded", TwilioStub::TOKEN).await;
        assert_eq!((found, answered), (status, code), "{form}");
    }
    for (kind, token, expected) in [
        ("application/json", TwilioStub::TOKEN, (415, 20415)),
        ("application/x-www-form-urlencoded", "wrong", (401, 20003)),
    ] {
        assert_eq!(post(&twilio, good, kind, token).await, expected, "{kind}, {token}");
    }
    assert_eq!(twilio.stub.peer().messages().len(), 1, "only the good one was taken");
}

/// The status and the code of the answer; 0 for none.
async fn post(twilio: &Twilio, form: &str, kind: &str, token: &str) -> (u16, u64) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let credentials = STANDARD.encode(format!("{}:{token}", TwilioStub::ACCOUNT));
    let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", twilio.stub.url(), TwilioStub::ACCOUNT);
    let request = HttpRequest::new(Method::POST, url)
        .header(reqwest::header::AUTHORIZATION, &format!("Basic {credentials}"), true)
        .and_then(|request| request.header(reqwest::header::CONTENT_TYPE, kind, false))
        .unwrap();
    let answer = http(std::time::Duration::from_secs(30)).send(request.body(form.to_owned())).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status.as_u16(), body["code"].as_u64().unwrap_or_default())
}

/// The stub of Meta is at least as strict as Meta.
#[tokio::test]
async fn the_stub_of_meta_refuses_every_mistake_by_metas_code() {
    use serde_json::json;
    let stub = MetaStub::start().await;
    let good = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "447700900123",
        "type": "text", "text": { "preview_url": false, "body": "x" },
    });
    let with = |name: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let template = |name: &str, language: &str, texts: &[&str]| {
        let parameters: Vec<_> = texts.iter().map(|text| json!({ "type": "text", "text": text })).collect();
        json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "447700900123",
            "type": "template",
            "template": {
                "name": name, "language": { "code": language },
                "components": [{ "type": "body", "parameters": parameters }],
            },
        })
        .to_string()
    };
    let url = format!("{}/{}/{}/messages", stub.url(), MetaStub::VERSION, MetaStub::PHONE_NUMBER_ID);
    for (body, status, code) in [
        (good.to_string(), 200, 0),
        ("{".into(), 400, 100),
        (with("nonsense", json!(1)), 400, 100),
        (with("messaging_product", json!("sms")), 400, 131_009),
        (with("to", json!("+44")), 400, 131_009),
        (with("type", json!("template")), 400, 131_008),
        (with("text", json!({ "preview_url": false, "body": "x".repeat(4097) })), 400, 131_009),
        (with("biz_opaque_callback_data", json!("x".repeat(513))), 400, 131_009),
        (template("app_assigned", "en", &["a", "b"]), 200, 0),
        (template("nothing", "en", &["a", "b"]), 404, 132_001),
        (template("app_assigned", "fr", &["a", "b"]), 404, 132_001),
        (template("app_assigned", "en", &["a"]), 400, 132_000),
        (template("app_assigned", "en", &["a", "b\nc"]), 400, 132_018),
    ] {
        let request = HttpRequest::new(Method::POST, &url)
            .header(reqwest::header::AUTHORIZATION, &format!("Bearer {}", MetaStub::TOKEN), true)
            .and_then(|request| request.header(reqwest::header::CONTENT_TYPE, "application/json", false))
            .unwrap();
        let answer = http(std::time::Duration::from_secs(30)).send(request.body(body.clone())).await.unwrap();
        let answered: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let found = (answer.status.as_u16(), answered["error"]["code"].as_u64().unwrap_or_default());
        assert_eq!(found, (status, code), "{body}");
    }
    assert_eq!(stub.peer().messages().len(), 2, "only the good ones were taken");
}
