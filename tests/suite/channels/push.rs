//! Push through FCM: what is said of a notification, and what the peer did with it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::SecretString;
use sendoff_consumers::{
    NotSent, SendOutcome,
    channels::{
        Provider as _,
        http::{HttpClient, HttpRequest, HttpSettings},
        push::{FcmPush, Push, ServiceAccount},
    },
};
use sendoff_events::{Clock as _, Personal};
use sendoff_tests::{
    conformance::WarpClock,
    servers::{FcmDevice, FcmStub, PeerFault, Port, Served},
};
use serde_json::{Value, json};

const DEVICE: &str = "device-1:APA91b";

struct World {
    clock: WarpClock,
    stub: Served<FcmStub>,
}

impl World {
    async fn start() -> Self {
        let clock = WarpClock::new();
        let stub = FcmStub::start(Arc::new(clock.clone())).await;
        stub.peer().set_device(DEVICE, FcmDevice::Registered);
        Self { clock, stub }
    }

    fn provider(&self) -> FcmPush {
        self.provider_with(Duration::from_secs(30), &self.stub.url(), &self.stub.url())
    }

    /// A provider that gives up soon.
    fn impatient(&self) -> FcmPush {
        self.provider_with(Duration::from_millis(1500), &self.stub.url(), &self.stub.url())
    }

    fn provider_with(&self, timeout: Duration, base: &str, tokens: &str) -> FcmPush {
        let account = ServiceAccount::parse(&SecretString::from(FcmStub::service_account(tokens))).unwrap();
        let http = HttpClient::new(&HttpSettings { timeout, ..HttpSettings::default() }).unwrap();
        FcmPush::new(account, base, http, Arc::new(self.clock.clone())).unwrap()
    }

    fn notified(&self) -> usize {
        self.stub.peer().notified().len()
    }
}

fn push(event: u32) -> Push {
    Push {
        token: Personal::new(DEVICE.into()),
        title: "A new app".into(),
        body: "You have a new app: CRM \u{1f680}".into(),
        data: BTreeMap::from([("app".to_owned(), "crm".to_owned())]),
        idempotency_key: format!("push/{event}/ada.lovelace-0"),
    }
}

fn reason(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::NotSent(NotSent::Permanent { reason }) => format!("permanent: {reason}"),
        SendOutcome::NotSent(NotSent::Gone { reason }) => format!("gone: {reason}"),
        SendOutcome::NotSent(NotSent::Transient { reason }) => format!("transient: {reason}"),
        SendOutcome::NotSent(NotSent::Unavailable { reason, .. }) => format!("unavailable: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_notification_is_shown_as_it_was_written_and_a_repetition_replaces_it() {
    let world = World::start().await;
    let provider = world.provider();
    let outcome = provider.send(&push(1), None).await;
    let id = Some("projects/demo-1/messages/0:1".to_owned());
    assert_eq!(outcome, SendOutcome::Sent { provider: Some("fcm".into()), provider_id: id });
    provider.send(&push(1), None).await;
    provider.send(&push(2), None).await;
    let shown = world.stub.peer().shown(DEVICE);
    assert_eq!((shown.len(), world.notified()), (2, 3));
    assert_eq!((&*shown[0].title, &*shown[0].body), ("A new app", "You have a new app: CRM \u{1f680}"));
    assert_eq!(shown[0].data, push(1).data);
}

#[tokio::test]
async fn every_fault_is_told_for_what_it_is() {
    for fault in PeerFault::ALL {
        let world = World::start().await;
        world.stub.script().next_for(DEVICE, [fault]);
        let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
        let provider = if hangs { world.impatient() } else { world.provider() };
        let outcome = provider.send(&push(1), None).await;
        assert_eq!(world.notified(), usize::from(fault.acts()), "{fault:?}");
        let asked = world.stub.asked().iter().filter(|asked| asked.path != "/token").count();
        assert_eq!(asked, 1, "{fault:?}: asked exactly once");
        match (fault, outcome) {
            (PeerFault::Throttled { retry_after }, SendOutcome::NotSent(NotSent::Throttled { after, .. })) => {
                assert_eq!(after, Some(Duration::from_secs(retry_after.unwrap_or(60))), "{fault:?}");
            }
            (
                PeerFault::Torn | PeerFault::Garbled | PeerFault::Slow(_),
                SendOutcome::Sent { provider: Some(name), provider_id },
            ) => {
                assert_eq!((&*name, provider_id.is_some()), ("fcm", matches!(fault, PeerFault::Slow(_))), "{fault:?}");
            }
            (
                PeerFault::FailedBefore(_)
                | PeerFault::FailedAfter(_)
                | PeerFault::HangBefore
                | PeerFault::HangAfter
                | PeerFault::ResetBefore
                | PeerFault::ResetAfter,
                SendOutcome::Unknown { provider: Some(name), .. },
            ) => assert_eq!(name, "fcm"),
            (_, outcome) => panic!("{fault:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_device_that_is_gone_is_told_from_one_that_is_refused() {
    let world = World::start().await;
    let provider = world.provider();
    for (device, told) in [
        (FcmDevice::Unregistered, "gone: FCM answered 404 UNREGISTERED"),
        (
            FcmDevice::OfAnotherProject,
            "permanent: FCM answered 403 SENDER_ID_MISMATCH SenderId mismatch: the device's token is of another",
        ),
        (FcmDevice::RefusedByApple, "transient: FCM answered 401 THIRD_PARTY_AUTH_ERROR"),
    ] {
        world.stub.peer().set_device(DEVICE, device);
        let reason = reason(provider.send(&push(1), None).await);
        assert!(reason.starts_with(told), "{reason}");
    }
    let nobody = Push { token: Personal::new("nobody".into()), ..push(1) };
    let told = reason(provider.send(&nobody, None).await);
    assert!(told.starts_with("gone: FCM answered 400 INVALID_ARGUMENT"), "{told}");
    assert_eq!((world.notified(), world.stub.peer().grants()), (0, 1));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_sent_and_what_just_fits_is_taken() {
    let world = World::start().await;
    let provider = world.provider();
    let filled = |bytes: usize| {
        let used = "titlebodyapp".len() + "A new app".len() + "crm".len();
        Push { body: "x".repeat(bytes - used), ..push(1) }
    };
    assert!(matches!(provider.send(&filled(4096), None).await, SendOutcome::Sent { .. }));
    let told = reason(provider.send(&filled(4097), None).await);
    assert_eq!(told, "permanent: title, text and data hold 4097 bytes, and FCM takes 4096");
    let reserved = Push { data: BTreeMap::from([("google.x".into(), "y".into())]), ..push(1) };
    let told = reason(provider.send(&reserved, None).await);
    assert!(told.starts_with("permanent: FCM answered 400 INVALID_ARGUMENT Invalid data payload key"), "{told}");
    assert_eq!(world.notified(), 1);
}

#[tokio::test]
async fn many_notifications_at_once_share_one_access_token_until_shortly_before_its_end() {
    let world = World::start().await;
    let provider = world.provider();
    let pushes: Vec<Push> = (0..20).map(push).collect();
    let outcomes = futures::future::join_all(pushes.iter().map(|push| provider.send(push, None))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, SendOutcome::Sent { .. })), "{outcomes:?}");
    assert_eq!(world.stub.peer().grants(), 1);
    world.clock.advance(Duration::from_secs(54 * 60));
    provider.send(&push(21), None).await;
    assert_eq!(world.stub.peer().grants(), 1);
    world.clock.advance(Duration::from_secs(60));
    provider.send(&push(22), None).await;
    assert_eq!((world.stub.peer().grants(), world.notified()), (2, 22));
}

#[tokio::test]
async fn access_tokens_that_were_called_back_are_renewed_once_by_one_for_all() {
    let world = World::start().await;
    let provider = world.provider();
    provider.send(&push(0), None).await;
    world.stub.peer().revoke();
    let pushes: Vec<Push> = (1..9).map(push).collect();
    let outcomes = futures::future::join_all(pushes.iter().map(|push| provider.send(push, None))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, SendOutcome::Sent { .. })), "{outcomes:?}");
    assert_eq!((world.stub.peer().grants(), world.notified()), (2, 9));
}

#[tokio::test]
async fn credentials_that_are_refused_make_the_provider_unavailable_after_one_renewal() {
    let world = World::start().await;
    // Tokens from another peer are none here.
    let other = FcmStub::start(Arc::new(world.clock.clone())).await;
    let provider = world.provider_with(Duration::from_secs(30), &world.stub.url(), &other.url());
    let told = reason(provider.send(&push(1), None).await);
    assert!(told.starts_with("unavailable: FCM answered 401 UNAUTHENTICATED"), "{told}");
    assert_eq!((other.peer().grants(), world.stub.asked().len(), world.notified()), (2, 2, 0));
}

#[tokio::test]
async fn without_an_access_token_nothing_is_sent_and_nothing_is_in_doubt() {
    for fault in PeerFault::ALL {
        if matches!(fault, PeerFault::Slow(_)) {
            continue;
        }
        let world = World::start().await;
        world.stub.script().next_for(FcmStub::TOKEN, [fault]);
        let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
        let provider = if hangs { world.impatient() } else { world.provider() };
        let outcome = provider.send(&push(1), None).await;
        let SendOutcome::NotSent(NotSent::Unavailable { after, reason }) = outcome else {
            panic!("{fault:?}: {outcome:?}")
        };
        let told = if let PeerFault::Throttled { retry_after } = fault { retry_after } else { None };
        assert_eq!(after, told.map(Duration::from_secs), "{fault:?}");
        assert!(reason.starts_with("no token from Google: "), "{fault:?}: {reason}");
        assert_eq!(world.notified(), 0, "{fault:?}");
        // It is asked for anew by the next one.
        let again = if hangs { world.provider() } else { provider };
        assert!(matches!(again.send(&push(1), None).await, SendOutcome::Sent { .. }), "{fault:?}");
    }
}

#[tokio::test]
async fn those_who_wait_for_an_access_token_in_vain_wait_for_one_answer_only() {
    let world = World::start().await;
    world.stub.script().always_for(FcmStub::TOKEN, Some(PeerFault::FailedBefore(503)));
    let provider = world.provider();
    let pushes: Vec<Push> = (0..10).map(push).collect();
    let outcomes = futures::future::join_all(pushes.iter().map(|push| provider.send(push, None))).await;
    for outcome in outcomes {
        assert!(reason(outcome).starts_with("unavailable: "));
    }
    assert_eq!(world.stub.asked().len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_the_reason() {
    let world = World::start().await;
    let account = ServiceAccount::parse(&SecretString::from(FcmStub::service_account(&world.stub.url()))).unwrap();
    let late = WarpClock::new();
    late.advance(Duration::from_secs(3600));
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    let provider = FcmPush::new(account, &world.stub.url(), http, Arc::new(late)).unwrap();
    let told = reason(provider.send(&push(1), None).await);
    assert!(told.contains("invalid_grant Invalid JWT: Token must be a short-lived token"), "{told}");
}

#[tokio::test]
async fn a_peer_that_is_not_there_makes_the_provider_unavailable() {
    let world = World::start().await;
    let port = Port::free();
    let nowhere = format!("http://127.0.0.1:{port}");
    for (base, tokens) in [(&*nowhere, &*world.stub.url()), (&*world.stub.url(), &*nowhere)] {
        let provider = world.provider_with(Duration::from_secs(30), base, tokens);
        let told = reason(provider.send(&push(1), None).await);
        assert!(told.starts_with("unavailable: "), "{told}");
    }
}

#[test]
fn a_base_url_to_which_no_secret_may_go_is_refused() {
    let account = FcmStub::service_account("http://127.0.0.1:1");
    let account = ServiceAccount::parse(&SecretString::from(account)).unwrap();
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    let error = FcmPush::new(account, "http://fcm.example.com", http, Arc::new(WarpClock::new())).unwrap_err();
    assert!(error.to_string().contains("`http://fcm.example.com` is not an https address"), "{error}");
}

impl World {
    /// Posts by hand, and gives the status and the body of the answer.
    async fn post(&self, path: &str, content_type: &str, bearer: Option<&str>, body: String) -> (u16, Value) {
        let http = HttpClient::new(&HttpSettings::default()).unwrap();
        let request = HttpRequest::new(Method::POST, format!("{}{path}", self.stub.url())).body(body);
        let mut request = request.header(CONTENT_TYPE, content_type, false).unwrap();
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, &format!("Bearer {bearer}"), true).unwrap();
        }
        let answer = http.send(request).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
    }

    /// Asks for an access token with these claims, which are changed from good ones.
    async fn grant(&self, change: impl FnOnce(&mut Value, &mut Header)) -> (u16, Value) {
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": "sender@demo-1.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": format!("{}/token", self.stub.url()),
            "iat": now,
            "exp": now + 3600,
        });
        let mut header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::RS256) };
        change(&mut claims, &mut header);
        let account: Value = serde_json::from_str(&FcmStub::service_account("")).unwrap();
        let pem = account["private_key"].as_str().unwrap().as_bytes();
        let key = match header.alg {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem).unwrap(),
            _ => EncodingKey::from_secret(pem),
        };
        let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let body = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        self.post("/token", "application/x-www-form-urlencoded", None, body).await
    }
}

#[tokio::test]
async fn the_peer_grants_access_tokens_as_strictly_as_google() {
    // Otherwise the tests above would prove little.
    let world = World::start().await;
    assert_eq!(world.grant(|_, _| {}).await.0, 200);
    type Change = fn(&mut Value, &mut Header);
    let changes: [Change; 9] = [
        |claims, _| claims["iss"] = json!("somebody@else"),
        |claims, _| claims["scope"] = json!("https://www.googleapis.com/auth/cloud-platform"),
        |claims, _| claims["aud"] = json!("https://oauth2.googleapis.com/token"),
        |claims, _| claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 1),
        |claims, _| claims["exp"] = claims["iat"].clone(),
        |claims, _| claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 600),
        |claims, _| claims["sub"] = json!("ada@example.org"),
        |_, header| header.kid = None,
        |_, header| header.alg = Algorithm::HS256,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let (status, body) = world.grant(change).await;
        assert_eq!(status, 400, "{i}: {body}");
        assert!(body["error"].is_string(), "{i}: {body}");
    }
    for (content_type, body) in [
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", "grant_type=x&assertion=y"),
        ("application/x-www-form-urlencoded", "assertion=y"),
    ] {
        assert_eq!(world.post("/token", content_type, None, body.into()).await.0, 400, "{body}");
    }
    assert_eq!(world.stub.peer().grants(), 1);
}

#[tokio::test]
async fn the_peer_takes_messages_as_strictly_as_fcm() {
    let world = World::start().await;
    let (_, granted) = world.grant(|_, _| {}).await;
    let bearer = granted["access_token"].as_str();
    let path = "/v1/projects/demo-1/messages:send";
    let message = || json!({ "token": DEVICE, "notification": { "title": "a", "body": "b" } });
    let with = |name: &str, value: Value| {
        let mut message = message();
        message[name] = value;
        json!({ "message": message })
    };
    let good = json!({ "message": message() });
    let json = "application/json";
    assert_eq!(world.post(path, json, bearer, good.to_string()).await.0, 200);
    for (content_type, bearer, body, status) in [
        ("text/plain", bearer, good.clone(), 400),
        (json, None, good.clone(), 401),
        (json, Some("ya29.other"), good.clone(), 401),
        (json, bearer, json!({ "message": message(), "dry_run": true }), 400),
        (json, bearer, with("to", json!(DEVICE)), 400),
        (json, bearer, with("token", json!("")), 400),
        (json, bearer, with("token", json!("nobody")), 400),
        (json, bearer, with("notification", json!({ "title": "a" })), 400),
        (json, bearer, with("data", json!({ "n": 1 })), 400),
        (json, bearer, with("data", json!({ "from": "x" })), 400),
        (json, bearer, with("data", json!({ "x": "y".repeat(4096) })), 400),
        (json, bearer, with("apns", json!({ "headers": { "apns-collapse-id": "x".repeat(65) } })), 400),
        (json, bearer, with("apns", json!({ "headers": { "apns-colapse-id": "x" } })), 400),
        (json, bearer, with("android", json!({ "collapseKey": "x" })), 400),
        (json, bearer, with("android", json!({ "notification": { "tag": "x" } })), 400),
    ] {
        let (answered, answer) = world.post(path, content_type, bearer, body.to_string()).await;
        assert_eq!(answered, status, "{body}: {answer}");
        assert_eq!(answer["error"]["code"], status, "{answer}");
    }
    assert_eq!(world.post("/v1/projects/demo-2/messages:send", json, bearer, good.to_string()).await.0, 404);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.post(path, json, bearer, good.to_string()).await.0, 401);
    assert_eq!(world.notified(), 1);
}
