//! Webhooks: what is said of a call, and what the endpoint did with it. The rules for addresses are tested beside them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Method, header::HeaderName};
use secrecy::SecretString;
use sendoff_consumers::{
    NotSent, SendOutcome,
    channels::{
        Provider as _,
        http::{HttpClient, HttpRequest, HttpSettings},
        webhook::{Guard, SigningSecret, SystemLookup, Webhook, WebhookProvider},
    },
};
use sendoff_events::Clock as _;
use sendoff_tests::{
    conformance::WarpClock,
    servers::{Answer, PeerFault, Port, Served, WebhookStub},
};
use serde_json::json;

const PATH: &str = "/in";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

struct World {
    clock: WarpClock,
    stub: Served<WebhookStub>,
}

impl World {
    async fn start() -> Self {
        let clock = WarpClock::new();
        let stub = WebhookStub::start(Arc::new(clock.clone())).await;
        stub.peer().set_secret(PATH, SECRET);
        Self { clock, stub }
    }

    fn provider(&self) -> WebhookProvider {
        self.provider_with(Duration::from_secs(30))
    }

    fn provider_with(&self, timeout: Duration) -> WebhookProvider {
        provider(&self.stub.url(), timeout)
    }

    fn call(&self, event: u32) -> Webhook {
        Webhook {
            url: format!("{}{PATH}", self.stub.url()),
            body: Bytes::from(json!({ "type": "app.assigned", "data": { "app": "crm \u{1f680}" } }).to_string()),
            secrets: vec![SecretString::from(SECRET)],
            idempotency_key: format!("webhook/{event}/crm.main"),
            at: self.clock.now(),
        }
    }
}

/// A provider that may call the server at `url`.
fn provider(url: &str, timeout: Duration) -> WebhookProvider {
    let guard = Guard::new([url.strip_prefix("http://").unwrap().parse().unwrap()]);
    let settings = HttpSettings { timeout, ..HttpSettings::default() };
    WebhookProvider::new(guard, Arc::new(SystemLookup), &settings).unwrap()
}

fn reason(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::NotSent(NotSent::Permanent { reason }) => format!("permanent: {reason}"),
        SendOutcome::NotSent(NotSent::Gone { reason }) => format!("gone: {reason}"),
        SendOutcome::NotSent(NotSent::Transient { reason }) => format!("transient: {reason}"),
        SendOutcome::NotSent(NotSent::Throttled { after, reason }) => format!("throttled {after:?}: {reason}"),
        SendOutcome::Unknown { provider: Some(name), reason } if name == "webhook" => format!("unknown: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_signed_dated_and_acted_on_once_however_often_it_is_repeated() {
    let world = World::start().await;
    let provider = world.provider();
    let outcome = provider.send(&world.call(1), None).await;
    let calls = world.stub.peer().calls();
    let id = Some(calls[0].id.clone());
    assert_eq!(outcome, SendOutcome::Sent { provider: Some("webhook".into()), provider_id: id });
    assert_eq!(calls[0].body["data"]["app"], "crm \u{1f680}");
    // An hour later: the same id, another time.
    world.clock.advance(Duration::from_secs(3600));
    provider.send(&world.call(1), None).await;
    provider.send(&world.call(2), None).await;
    let calls = world.stub.peer().calls();
    assert!(calls[1].at >= calls[0].at + 3600 && calls[1].id == calls[0].id && calls[2].id != calls[0].id, "{calls:?}");
    assert_eq!(world.stub.peer().acted_on().len(), 2);
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_it_and_its_successor_fit() {
    let world = World::start().await;
    let provider = world.provider();
    for (ours, theirs, fits) in
        [(&[OTHER, SECRET][..], SECRET, true), (&[OTHER, SECRET], OTHER, true), (&[OTHER], SECRET, false)]
    {
        world.stub.peer().set_secret(PATH, theirs);
        let secrets = ours.iter().map(|secret| SecretString::from(*secret)).collect();
        let outcome = provider.send(&Webhook { secrets, ..world.call(1) }, None).await;
        assert_eq!(matches!(outcome, SendOutcome::Sent { .. }), fits, "{outcome:?}");
    }
}

#[tokio::test]
async fn every_fault_is_told_for_what_it_is_and_a_repetition_is_acted_on_once() {
    for fault in PeerFault::ALL {
        let world = World::start().await;
        world.stub.script().next_for(PATH, [fault]);
        let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
        let outcome = world.provider_with(if hangs { Duration::from_millis(1500) } else { Duration::from_secs(30) });
        let outcome = outcome.send(&world.call(1), None).await;
        assert_eq!(world.stub.peer().calls().len(), usize::from(fault.acts()), "{fault:?}");
        assert_eq!(world.stub.asked().len(), 1, "{fault:?}: asked exactly once");
        let told = match outcome {
            SendOutcome::Sent { provider_id: Some(_), .. } => "sent".to_owned(),
            other => reason(other),
        };
        let expected = match fault {
            PeerFault::Throttled { retry_after: None } => "throttled None: the endpoint answered 429",
            PeerFault::Throttled { retry_after: Some(_) } => "throttled Some(7s): the endpoint answered 429",
            PeerFault::FailedBefore(500) | PeerFault::FailedAfter(500) => "unknown: the endpoint answered 500",
            PeerFault::FailedBefore(_) | PeerFault::FailedAfter(_) => "unknown: the endpoint answered 503",
            PeerFault::HangBefore | PeerFault::HangAfter | PeerFault::ResetBefore | PeerFault::ResetAfter => {
                "unknown: "
            }
            PeerFault::Torn | PeerFault::Garbled | PeerFault::Slow(_) => "sent",
        };
        assert!(told.starts_with(expected), "{fault:?}: {told}");
        // What is unknown is repeated, and the endpoint sees by the id that it has acted already.
        world.provider().send(&world.call(1), None).await;
        assert_eq!(world.stub.peer().acted_on().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_is_kept_of_what_an_endpoint_answers_but_its_status_and_length() {
    let world = World::start().await;
    let provider = world.provider();
    let long = format!("\u{1b}[31mada@example.org\r\n{}", "x".repeat(100_000)).into_bytes();
    for (status, body, told) in [
        (410, b"bye".to_vec(), "gone: the endpoint answered 410 with 3 bytes"),
        (404, Vec::new(), "transient: the endpoint answered 404"),
        (425, Vec::new(), "transient: the endpoint answered 425"),
        (408, Vec::new(), "unknown: the endpoint answered 408"),
        (307, Vec::new(), "permanent: the endpoint redirects, and redirects are not followed"),
        (400, b"\xff\xfe\x00".to_vec(), "transient: the endpoint answered 400 with 3 bytes"),
        (400, long, "transient: the endpoint answered 400 with "),
    ] {
        world.stub.peer().set_answer(PATH, Answer { status, headers: Vec::new(), body });
        let reason = reason(provider.send(&world.call(1), None).await);
        assert!(reason.starts_with(told), "{reason}");
        assert!(reason.len() < 100 && !reason.contains("xx") && !reason.contains("ada"), "{reason:?}");
    }
    assert_eq!(world.stub.peer().calls().len(), 0);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_a_passing_trouble_of_its_own() {
    let world = World::start().await;
    let port = Port::free();
    let nowhere = format!("http://127.0.0.1:{port}");
    let call = Webhook { url: nowhere.clone(), ..world.call(1) };
    let told = reason(provider(&nowhere, Duration::from_secs(30)).send(&call, None).await);
    assert!(told.starts_with("transient: "), "{told}");
}

#[tokio::test]
async fn a_call_that_cannot_be_signed_is_not_made() {
    let world = World::start().await;
    let provider = world.provider();
    for (secrets, told) in [
        (vec![], "permanent: the endpoint has no secret to sign calls with"),
        (vec![SecretString::from("hunter2")], "permanent: a webhook's secret is `whsec_` and 24 to 64 bytes in base64"),
    ] {
        let reason = reason(provider.send(&Webhook { secrets, ..world.call(1) }, None).await);
        assert!(reason.starts_with(told) && !reason.contains("hunter2"), "{reason}");
    }
    assert_eq!(world.stub.asked().len(), 0);
}

#[tokio::test]
async fn the_endpoint_refuses_what_the_specification_forbids() {
    // Otherwise the tests above would prove little.
    let world = World::start().await;
    let client = HttpClient::new(&HttpSettings::default()).unwrap();
    let signed = SigningSecret::parse(&SecretString::from(SECRET)).unwrap();
    let now = world.clock.now();
    let old = now - Duration::from_secs(301);
    let good = signed.sign("msg_1", now, b"{}");
    for (id, at, signature, body, status) in [
        ("msg_1", now.as_second().to_string(), good.clone(), "{}", 204),
        ("msg_1", now.as_second().to_string(), format!("v1,AAAA {good}"), "{}", 204),
        ("msg_2", now.as_second().to_string(), good.clone(), "{}", 401),
        ("msg_1", (now.as_second() + 1).to_string(), good.clone(), "{}", 401),
        ("msg_1", now.as_second().to_string(), good.clone(), "{ }", 401),
        ("msg_1", now.as_second().to_string(), good.replace("v1,", "v2,"), "{}", 401),
        ("msg_1", now.as_second().to_string(), good.replace(',', ", "), "{}", 401),
        ("msg_1", old.as_second().to_string(), signed.sign("msg_1", old, b"{}"), "{}", 400),
        ("msg_1", now.to_string(), good.clone(), "{}", 400),
        ("msg.1", now.as_second().to_string(), signed.sign("msg.1", now, b"{}"), "{}", 400),
        ("", now.as_second().to_string(), signed.sign("", now, b"{}"), "{}", 400),
        ("msg_1", now.as_second().to_string(), signed.sign("msg_1", now, b"{"), "{", 400),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", &*at),
            ("webhook-signature", &*signature),
        ];
        let request = HttpRequest::new(Method::POST, format!("{}{PATH}", world.stub.url())).body(body);
        let request = headers.into_iter().fold(request, |request, (name, value)| {
            request.header(HeaderName::from_static(name), value, false).unwrap()
        });
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{id} {at} {signature} {body}");
    }
}
