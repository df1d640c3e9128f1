//! The endpoints over ports in memory, as they are called from outside.

mod approvals;
mod inbound;
mod meta;
mod news;
mod ses;
mod twilio;
mod unsubscribe;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::executor::block_on;
use ring::hmac;
use sendoff_events::{BoxFuture, Timestamp};
use sendoff_producers::model::{Channel, Suppression, load, suppression_key};
use tower::ServiceExt as _;

use super::{CallbackState, Fetch, MetaCallbacks, Secrets, SesCallbacks, TwilioCallbacks, router};
use crate::{
    Claim, Claimed, Deliveries, DeliveriesError, DeliveryId, DeliveryNews, DeliveryRecord, InboxRecord, Status, Step,
    StepState,
    handlers::doubles::{MemoryWorkflows, World},
    links::Links,
    merge, transition,
};

const TOKEN: &str = "the auth token";
const APP_SECRET: &str = "the app secret";
const VERIFY_TOKEN: &str = "the verify token";
const NUMBER_ID: &str = "106540352242922";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ses-events";

/// The message that callbacks are about.
const DELIVERY: &str = "sms/01938d1e-7b2c-7000-8000-000000000000/ada";

/// What is fetched from elsewhere.
#[derive(Default)]
struct Elsewhere {
    asked: Mutex<Vec<String>>,
    /// What the certificate's address answers with, in place of the certificate.
    certificate: Mutex<Option<Result<Bytes, String>>>,
}

impl Fetch for Elsewhere {
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Bytes, String>> {
        self.asked.lock().unwrap().push(url.to_owned());
        let certificate = Bytes::from_static(include_bytes!("../ses/testdata/sns.cert.pem"));
        let told = self.certificate.lock().unwrap().clone().unwrap_or(Ok(certificate));
        Box::pin(async { told })
    }
}

/// Delivery records that can be out of reach.
#[derive(Default)]
struct FlakyDeliveries {
    known: Mutex<BTreeMap<DeliveryId, DeliveryRecord>>,
    down: AtomicBool,
}

impl Deliveries for FlakyDeliveries {
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(DeliveriesError("down".into()));
            }
            let mut known = self.known.lock().unwrap();
            let merged = merge(known.get(id), news, since);
            let changed = merged.is_some();
            if let Some(merged) = merged {
                known.insert(id.clone(), merged);
            }
            Ok(changed)
        })
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        Box::pin(async move { Ok(self.known.lock().unwrap().get(id).cloned()) })
    }
}

/// An answer: its status, its headers, its body.
type Answer = (StatusCode, HeaderMap, String);

struct Stage {
    world: World,
    deliveries: Arc<FlakyDeliveries>,
    workflows: Arc<MemoryWorkflows>,
    elsewhere: Arc<Elsewhere>,
    links: Links,
    router: Router,
}

impl Stage {
    /// All endpoints are set up.
    fn new() -> Self {
        Self::with(|state| state)
    }

    fn with(adjust: impl FnOnce(CallbackState) -> CallbackState) -> Self {
        let (world, deliveries) = (World::new(), Arc::new(FlakyDeliveries::default()));
        let (workflows, elsewhere) = (Arc::<MemoryWorkflows>::default(), Arc::new(Elsewhere::default()));
        let links = Links::new("https://notify.example.org", &"0123456789abcdef".into()).unwrap();
        let state = CallbackState {
            records: world.records.clone(),
            inbox: world.inbox.clone(),
            deliveries: deliveries.clone(),
            workflows: workflows.clone(),
            clock: world.clock.clone(),
            rng: world.rng.clone(),
            links: Some(links.clone()),
            twilio: Some(TwilioCallbacks {
                auth_tokens: Secrets::fixed([TOKEN.into(), "the second auth token".into()]),
                public_url: "https://notify.example.org".parse().unwrap(),
            }),
            meta: Some(MetaCallbacks {
                app_secret: Secrets::fixed([APP_SECRET.into()]),
                verify_token: Secrets::fixed([VERIFY_TOKEN.into()]),
                phone_number_id: Some(NUMBER_ID.into()),
            }),
            ses: Some(SesCallbacks::new([TOPIC], elsewhere.clone()).unwrap()),
        };
        let router = router(adjust(state));
        Self { world, deliveries, workflows, elsewhere, links, router }
    }

    fn call(&self, method: Method, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = answer.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    /// Puts a job with one step before the inbox.
    fn job(&self, delivery: &str, status: Status, state: StepState) -> DeliveryId {
        let id: DeliveryId = delivery.parse().unwrap();
        let now = self.now();
        let claim = Claim {
            key: id.key.clone(),
            fence: 1,
            payload_hash: [7; 32],
            replay: 0,
            now,
            lease_until: now,
            reconcile: false,
        };
        let (Claimed::Won(mut record), _) = transition::claim(None, &claim) else { panic!("it is free") };
        let doubted = state == StepState::InDoubt;
        let step =
            Step { state, doubted, at: now, provider: None, provider_id: None, reason: None, mark: None, result: None };
        record.status = status;
        record.steps.insert(id.step.clone(), step);
        self.world.inbox.0.lock().unwrap().insert(id.key.clone(), record);
        id
    }

    /// The message that may or may not have been sent.
    fn doubt(&self) -> DeliveryId {
        self.job(DELIVERY, Status::InDoubt, StepState::InDoubt)
    }

    fn now(&self) -> Timestamp {
        *self.world.clock.0.lock().unwrap()
    }

    fn known(&self, id: &DeliveryId) -> Option<DeliveryRecord> {
        self.deliveries.known.lock().unwrap().get(id).cloned()
    }

    fn record(&self, id: &DeliveryId) -> InboxRecord {
        self.world.inbox.0.lock().unwrap()[&id.key].clone()
    }

    fn step(&self, id: &DeliveryId) -> Step {
        self.record(id).steps[&id.step].clone()
    }

    /// What keeps messages from an address now.
    fn suppression(&self, channel: Channel, address: &str) -> Option<Suppression> {
        let key = suppression_key(channel, address);
        let stored = block_on(load::<Suppression>(&*self.world.records, &key)).unwrap();
        stored.map(|(suppression, _)| suppression).filter(Suppression::holds)
    }

    /// All that a callback may change.
    fn everything(&self) -> String {
        let inbox = self.world.inbox.0.lock().unwrap();
        format!("{:?} {:?} {:?}", *inbox, *self.deliveries.known.lock().unwrap(), self.world.records.all())
    }
}

/// The base64 of an HMAC.
fn mac(algorithm: hmac::Algorithm, secret: &str, text: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), text))
}

#[test]
fn an_endpoint_that_is_not_set_up_is_not_there() {
    let stage = Stage::with(|state| CallbackState { links: None, twilio: None, meta: None, ses: None, ..state });
    for (method, path) in [
        (Method::POST, "/callbacks/twilio"),
        (Method::POST, "/callbacks/twilio/inbound"),
        (Method::GET, "/callbacks/meta"),
        (Method::POST, "/callbacks/meta"),
        (Method::POST, "/callbacks/ses"),
        (Method::GET, "/unsubscribe/token"),
        (Method::POST, "/unsubscribe/token"),
    ] {
        assert_eq!(stage.call(method, path, &[], "x=1").0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn a_secret_that_can_not_be_fetched_or_is_empty_lets_nobody_in() {
    for secrets in [
        Secrets::lazy(|| Box::pin(async { Err("denied".into()) })),
        Secrets::fixed([]),
        Secrets::fixed(["".into(), " ".into()]),
    ] {
        let stage = Stage::with(|state| CallbackState {
            twilio: Some(TwilioCallbacks { auth_tokens: secrets.clone(), ..state.twilio.unwrap() }),
            meta: Some(MetaCallbacks {
                app_secret: secrets.clone(),
                verify_token: secrets.clone(),
                phone_number_id: None,
            }),
            ..state
        });
        let id = stage.doubt();
        for secret in ["", " "] {
            let url = format!("https://notify.example.org/callbacks/twilio?delivery={DELIVERY}");
            let signature =
                mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, format!("{url}MessageStatussent").as_bytes());
            let headers = [("content-type", twilio::FORM), ("x-twilio-signature", signature.as_str())];
            let uri = format!("/callbacks/twilio?delivery={DELIVERY}");
            let (status, headers, _) = stage.call(Method::POST, &uri, &headers, "MessageStatus=sent");
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(headers["retry-after"], "10");
            assert_eq!(stage.known(&id), None);
        }
        let uri = "/callbacks/meta?hub.mode=subscribe&hub.verify_token=&hub.challenge=1";
        assert_eq!(stage.call(Method::GET, uri, &[], "").0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
