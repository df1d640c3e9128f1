//! The providers inside the process, by our own providers and by requests that the real ones refuse.

use std::sync::Arc;

use reqwest::{Method, header::HeaderName};
use secrecy::ExposeSecret as _;
use sendoff_consumers::{
    Doubt, Found, SendOutcome, Stop, Stopper,
    channels::{
        Provider,
        http::{HttpClient, HttpRequest, HttpSettings},
        push::{FcmPush, Push, ServiceAccount},
        sms::{Sms, TwilioSms},
        twilio::TwilioSettings,
        webhook::{Guard, SystemLookup, Webhook, WebhookProvider},
        whatsapp::{MetaSettings, MetaWhatsapp, Whatsapp, WhatsappContent, WhatsappTemplate},
    },
};
use sendoff_events::{Clock as _, Personal};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::sink::{HttpSink, Messages, ShelfError, SinkAccounts, SinkChannel, WEBHOOK_SECRET};

const KEY: &str = "sms/01938d1e-7b2c-7000-8000-000000000000/ada";

struct Scene {
    data: TempDir,
    accounts: SinkAccounts,
    stopper: Stopper,
    running: JoinHandle<Result<(), String>>,
}

impl Scene {
    async fn begin() -> Self {
        let data = TempDir::new().unwrap();
        let sink = HttpSink::bind(Messages::of(data.path()), Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let sink = sink.await.unwrap();
        let (stopper, stop) = Stop::pair();
        let accounts = sink.accounts().clone();
        Self { data, accounts, stopper, running: tokio::spawn(sink.run(stop)) }
    }

    fn messages(&self) -> Messages {
        Messages::of(self.data.path())
    }

    fn only(&self, channel: SinkChannel) -> crate::sink::ReceivedMessage {
        let all = self.messages().list(None).unwrap();
        assert_eq!((all.len(), all[0].channel), (1, channel), "{all:?}");
        all[0].clone()
    }

    fn twilio(&self) -> TwilioSms {
        let SinkAccounts { base_url, twilio_account, twilio_token, .. } = &self.accounts;
        let callback = Some("https://notify.example.org/callbacks/twilio".to_owned());
        let from = "+447700900000".parse().unwrap();
        let settings = TwilioSettings::new(twilio_account.parse().unwrap(), twilio_token.clone(), from);
        let settings = TwilioSettings { base_url: base_url.clone(), callback, only_sender: true, ..settings };
        TwilioSms::new(settings, http(), Arc::new(SystemClock)).unwrap()
    }

    /// A request with this authorization; gives the status and the body.
    async fn post(&self, path: &str, authorization: &str, kind: &str, body: &str) -> (u16, Value) {
        let request = HttpRequest::new(Method::POST, format!("{}{path}", self.accounts.base_url)).body(body.to_owned());
        let request = request.header(HeaderName::from_static("authorization"), authorization, true).unwrap();
        let request = request.header(HeaderName::from_static("content-type"), kind, false).unwrap();
        let answer = http().send(request).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn end(self) {
        self.stopper.stop();
        self.running.await.unwrap().unwrap();
    }
}

fn http() -> HttpClient {
    HttpClient::new(&HttpSettings::default()).unwrap()
}

#[track_caller]
fn sent(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::Sent { provider_id: Some(id), .. } => id,
        other => panic!("not sent: {other:?}"),
    }
}

#[tokio::test]
async fn a_text_message_through_twilio_is_kept_whole_and_found_again() {
    let scene = Scene::begin().await;
    let twilio = scene.twilio();
    let to = Personal::new("+447700900101".parse().unwrap());
    let sms = Sms { to, text: "Grüße & mehr\n🦀".into(), idempotency_key: KEY.into() };
    let since = SystemClock.now();
    let sid = sent(twilio.send(&sms, None).await);
    let kept = scene.only(SinkChannel::Sms);
    assert_eq!((&*kept.to, &*kept.text, &*kept.provider), ("+447700900101", "Grüße & mehr\n🦀", "twilio"));
    assert_eq!((kept.provider_id, kept.delivery.as_deref()), (sid.clone(), Some(KEY)));
    assert_eq!(scene.messages().read(&kept.id[..30]).unwrap().text, kept.text);
    assert!(matches!(scene.messages().read("../x"), Err(ShelfError::NotFound { .. })));
    let doubt = Doubt { idempotency_key: KEY.into(), provider: Some("twilio".into()), since, moved: false };
    // The list that Twilio would be asked for after a doubt.
    let found = twilio.find(&sms, &doubt).await;
    assert!(matches!(&found, Found::Sent { provider_id: Some(id), .. } if *id == sid), "{found:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_whatsapp_template_through_meta_is_kept_with_what_stands_in_its_places() {
    let scene = Scene::begin().await;
    let SinkAccounts { base_url, meta_phone_number_id, meta_token, .. } = &scene.accounts;
    let settings = MetaSettings::new(meta_phone_number_id, meta_token.clone());
    let meta = MetaWhatsapp::new(MetaSettings { base_url: base_url.clone(), ..settings }, http()).unwrap();
    let template = WhatsappTemplate {
        name: "app_assigned".into(),
        language: "en".into(),
        content_sid: None,
        parameters: vec!["Ada".into(), "Expenses".into()],
        text: "Hello".into(),
    };
    let message = Whatsapp {
        to: Personal::new("+447700900101".parse().unwrap()),
        content: WhatsappContent::Template(template),
        idempotency_key: KEY.into(),
    };
    let wamid = sent(meta.send(&message, None).await);
    let kept = scene.only(SinkChannel::Whatsapp);
    assert_eq!((&*kept.to, &*kept.text), ("+447700900101", "template app_assigned (en): Ada | Expenses"));
    assert_eq!((kept.provider_id, kept.delivery.as_deref()), (wamid, Some(KEY)));
    scene.end().await;
}

#[tokio::test]
async fn a_notification_through_fcm_is_kept_and_a_device_that_has_gone_is_told_so() {
    let scene = Scene::begin().await;
    let account = ServiceAccount::parse(&scene.accounts.fcm_service_account).unwrap();
    let fcm = FcmPush::new(account, &scene.accounts.base_url, http(), Arc::new(SystemClock)).unwrap();
    let push = |token: &str| Push {
        token: Personal::new(token.into()),
        title: "Expenses".into(),
        body: "is ready".into(),
        data: [("app".to_owned(), "expenses".to_owned())].into(),
        idempotency_key: KEY.into(),
    };
    let name = sent(fcm.send(&push("ada-phone"), None).await);
    let kept = scene.only(SinkChannel::Push);
    assert_eq!((&*kept.to, &*kept.text, kept.provider_id), ("ada-phone", "Expenses: is ready", name));
    let gone = fcm.send(&push("unregistered-phone"), None).await;
    assert!(matches!(gone, SendOutcome::NotSent(sendoff_consumers::NotSent::Gone { .. })), "{gone:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_webhook_call_is_kept_if_it_is_signed_with_the_secret() {
    let scene = Scene::begin().await;
    let address = scene.accounts.base_url.strip_prefix("http://").unwrap().parse().unwrap();
    let provider =
        WebhookProvider::new(Guard::new([address]), Arc::new(SystemLookup), &HttpSettings::default()).unwrap();
    let call = |secret: &str, path: &str| Webhook {
        url: format!("{}/webhooks/{path}", scene.accounts.base_url),
        body: json!({ "type": "app.assigned.v1" }).to_string().into(),
        secrets: vec![secret.to_owned().into()],
        idempotency_key: KEY.into(),
        at: SystemClock.now(),
    };
    sent(provider.send(&call(WEBHOOK_SECRET, "crm/ledger"), None).await);
    let kept = scene.only(SinkChannel::Webhook);
    assert_eq!((&*kept.to, &*kept.text), ("/webhooks/crm/ledger", "app.assigned.v1"));
    for (secret, path) in
        [("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "crm/ledger"), (WEBHOOK_SECRET, "gone/ledger")]
    {
        let refused = provider.send(&call(secret, path), None).await;
        assert!(matches!(refused, SendOutcome::NotSent(_)), "{refused:?}");
    }
    scene.only(SinkChannel::Webhook);
    scene.end().await;
}

#[tokio::test]
async fn what_twilio_refuses_is_refused_with_its_code_and_nothing_is_kept() {
    use base64::Engine as _;
    let scene = Scene::begin().await;
    let SinkAccounts { twilio_account: account, twilio_token: token, .. } = &scene.accounts;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{account}:{}", token.expose_secret()));
    let (path, right) = (format!("/2010-04-01/Accounts/{account}/Messages.json"), format!("Basic {basic}"));
    let form = "application/x-www-form-urlencoded";
    let good = "To=%2B447700900101&From=%2B447700900000&Body=Hi";
    for (authorization, kind, body, status, code) in [
        ("Basic eDp5", form, good, 401, 20003),
        ("", form, good, 401, 20003),
        (&right, "application/json", good, 415, 12300),
        (&right, form, "From=%2B447700900000&Body=Hi", 400, 21604),
        (&right, form, "To=123&From=%2B447700900000&Body=Hi", 400, 21211),
        (&right, form, "To=%2B447700900101&Body=Hi", 400, 21603),
        (&right, form, "To=%2B447700900101&From=%2B447700900000", 400, 21602),
        (&right, form, "To=%2B447700900101&From=%21%21&Body=Hi", 400, 21212),
        (&right, form, "To=whatsapp:%2B447700900101&From=%2B447700900000&Body=Hi", 400, 63007),
        (&right, form, "To=%2B447700900101&MessagingServiceSid=MG1&Body=Hi", 400, 21701),
        (&right, form, "To=%2B447700900101&From=%2B447700900000&ContentSid=HX1", 400, 21655),
        (&right, form, "To=%2B447700900101&From=%2B447700900000&Body=Hi&StatusCallback=nowhere", 400, 21609),
        (&right, form, "To=%2B447700900101&From=%2B447700900000&Body=Hi&Boddy=x", 400, 20001),
        (&right, form, "To=%2B447700900101&From=%2B447700900000&Body=Hi&Body=x", 400, 20001),
    ] {
        let (found, told) = scene.post(&path, authorization, kind, body).await;
        assert_eq!((found, &told["code"]), (status, &json!(code)), "{body}: {told}");
    }
    let long = format!("To=%2B447700900101&From=%2B447700900000&Body={}", "x".repeat(1601));
    assert_eq!(scene.post(&path, &right, form, &long).await.1["code"], 21617);
    assert_eq!(scene.messages().list(None).unwrap(), []);
    scene.end().await;
}

#[tokio::test]
async fn what_meta_and_google_refuse_is_refused_in_their_words_and_nothing_is_kept() {
    let scene = Scene::begin().await;
    let meta = format!("/v24.0/{}/messages", scene.accounts.meta_phone_number_id);
    let bearer = format!("Bearer {}", scene.accounts.meta_token.expose_secret());
    let json_type = "application/json";
    let text =
        |to: &str| json!({ "messaging_product": "whatsapp", "to": to, "type": "text", "text": { "body": "Hi" } });
    let mut unknown = text("447700900101");
    unknown["texxt"] = json!(1);
    for (path, authorization, body, status, code) in [
        (&*meta, "Bearer x", text("447700900101"), 401, 190),
        ("/v24.0/1/messages", &bearer, text("447700900101"), 400, 100),
        ("/24/1/messages", &bearer, text("447700900101"), 400, 2500),
        (&meta, &bearer, text("somebody"), 400, 100),
        (&meta, &bearer, unknown, 400, 100),
        (&meta, &bearer, json!({ "messaging_product": "whatsapp", "to": "447700900101", "type": "text" }), 400, 100),
    ] {
        let (found, told) = scene.post(path, authorization, json_type, &body.to_string()).await;
        assert_eq!((found, &told["error"]["code"]), (status, &json!(code)), "{body}: {told}");
    }
    let fcm = "/v1/projects/sendoff-sink/messages:send";
    let (status, told) = scene.post(fcm, "Bearer x", json_type, "{}").await;
    assert_eq!((status, &told["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let form = "application/x-www-form-urlencoded";
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
    assert_eq!(scene.post("/token", "", form, grant).await.1["error"], "invalid_grant");
    assert_eq!(scene.post("/token", "", form, "grant_type=password").await.1["error"], "unsupported_grant_type");
    let endless = "x".repeat(3 << 20);
    let huge = scene.post(&meta, &bearer, json_type, &endless).await;
    assert_eq!(huge.0, 413);
    assert_eq!(scene.messages().list(None).unwrap(), []);
    scene.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_kept_can_be_read_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::begin().await;
    let to = Personal::new("+447700900101".parse().unwrap());
    sent(scene.twilio().send(&Sms { to, text: "Hi".into(), idempotency_key: KEY.into() }, None).await);
    let folder = scene.data.path().join("messages");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&file), file.extension().unwrap().to_str()), (0o600, Some("json")));
    scene.end().await;
}
