//! The channels over HTTP: strict stubs of their providers that fail as they are told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream};
use sendoff_consumers::channels::{
    Provider,
    http::{HttpClient, HttpSettings},
    push::{FcmPush, Push, ServiceAccount},
    sms::{Sms, TwilioSms},
    twilio::TwilioSettings,
    webhook::{Guard, SystemLookup, Webhook, WebhookProvider},
    whatsapp::{MetaSettings, MetaWhatsapp, TwilioWhatsapp, Whatsapp, WhatsappContent, WhatsappTemplate},
};
use sendoff_events::{Clock as _, Personal};

use super::{Cell, End, Lasts, OnDoubt, drive::drive};
use crate::{
    conformance::WarpClock,
    servers::{FcmDevice, FcmStub, MetaStub, PeerFault, Script, TwilioStub, WebhookStub},
};

const TO: &str = "+447700900123";

/// How many cells run at once: each waits for its peer most of the time.
const AT_ONCE: usize = 24;

/// One case: which fault, for how long, and what is done about a doubt.
#[derive(Clone, Copy)]
struct Case {
    fault: Option<PeerFault>,
    lasts: Lasts,
    on_doubt: OnDoubt,
}

impl Case {
    /// Tells the peer.
    fn tell(&self, script: &Script) {
        match (self.fault, self.lasts) {
            (None, _) => {}
            (Some(fault), Lasts::Once) => script.next([fault]),
            (Some(fault), Lasts::Always) => script.always(Some(fault)),
        }
    }

    /// The same, of requests for `subject` only.
    fn tell_for(&self, script: &Script, subject: &str) {
        match (self.fault, self.lasts) {
            (None, _) => {}
            (Some(fault), Lasts::Once) => script.next_for(subject, [fault]),
            (Some(fault), Lasts::Always) => script.always_for(subject, Some(fault)),
        }
    }

    /// A client that gives up on a peer that never answers, and has patience with any other on a busy machine.
    fn http(&self) -> HttpClient {
        HttpClient::new(&self.http_settings()).expect("a client")
    }

    fn http_settings(&self) -> HttpSettings {
        let hangs = matches!(self.fault, Some(PeerFault::HangBefore | PeerFault::HangAfter));
        let timeout = if hangs { Duration::from_millis(1500) } else { Duration::from_secs(30) };
        HttpSettings { timeout, ..HttpSettings::default() }
    }
}

/// Runs one case: how often the peer took the message, and its end.
type Run = fn(Case) -> BoxFuture<'static, (usize, End)>;

/// Every cell of these channels.
pub(super) async fn cells() -> Vec<Cell> {
    let channels: [(&'static str, Run); 6] = [
        ("sms (twilio)", |case| Box::pin(twilio_sms(case))),
        ("whatsapp (twilio), a template", |case| Box::pin(twilio_whatsapp(case))),
        ("whatsapp (meta), a template", |case| Box::pin(meta(case, true))),
        ("whatsapp (meta), free text", |case| Box::pin(meta(case, false))),
        ("push (fcm)", |case| Box::pin(push(case))),
        ("webhook", |case| Box::pin(webhook(case))),
    ];
    let faults: Vec<Option<PeerFault>> = [None].into_iter().chain(PeerFault::ALL.map(Some)).collect();
    let mut running = Vec::new();
    for (channel, run) in channels {
        for &fault in &faults {
            for lasts in [Lasts::Once, Lasts::Always] {
                for on_doubt in [OnDoubt::Hold, OnDoubt::Resend] {
                    if fault.is_none() && lasts == Lasts::Always {
                        continue;
                    }
                    running.push(async move {
                        let (taken, end) = run(Case { fault, lasts, on_doubt }).await;
                        let fault = fault.map_or_else(|| "none".to_owned(), PeerFault::name);
                        Cell { channel, fault, lasts, on_doubt, taken, end }
                    });
                }
            }
        }
    }
    stream::iter(running).buffered(AT_ONCE).collect().await
}

fn twilio_settings(base_url: String) -> TwilioSettings {
    let from = TwilioStub::NUMBER.parse().expect("a sender");
    let account = TwilioStub::ACCOUNT.parse().expect("an account");
    TwilioSettings {
        base_url,
        callback: Some("https://notify.example.org/callbacks/twilio".into()),
        only_sender: true,
        ..TwilioSettings::new(account, TwilioStub::TOKEN.into(), from)
    }
}

async fn twilio_sms(case: Case) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = TwilioStub::start(Arc::new(clock.clone())).await;
    case.tell(stub.script());
    let provider = TwilioSms::new(twilio_settings(stub.url()), case.http(), Arc::new(clock.clone()));
    let make = |idempotency_key| Sms { to: to(), text: "You have a new app: CRM".into(), idempotency_key };
    let end = drive(provider_of(provider), Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

async fn twilio_whatsapp(case: Case) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = TwilioStub::start(Arc::new(clock.clone())).await;
    case.tell(stub.script());
    let provider = TwilioWhatsapp::new(twilio_settings(stub.url()), case.http(), Arc::new(clock.clone()));
    let end = drive(provider_of(provider), Arc::new(|key| whatsapp(key, true)), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

async fn meta(case: Case, template: bool) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = MetaStub::start().await;
    case.tell(stub.script());
    let mut settings = MetaSettings::new(MetaStub::PHONE_NUMBER_ID, MetaStub::TOKEN.into());
    settings.base_url = stub.url();
    let provider = provider_of(MetaWhatsapp::new(settings, case.http()));
    let end = drive(provider, Arc::new(move |key| whatsapp(key, template)), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

async fn push(case: Case) -> (usize, End) {
    const DEVICE: &str = "device-1:APA91b";
    let clock = WarpClock::new();
    let stub = FcmStub::start(Arc::new(clock.clone())).await;
    stub.peer().set_device(DEVICE, FcmDevice::Registered);
    // The request for an access token is no message.
    case.tell_for(stub.script(), DEVICE);
    let account = ServiceAccount::parse(&FcmStub::service_account(&stub.url()).into()).expect("an account");
    let provider = FcmPush::new(account, &stub.url(), case.http(), Arc::new(clock.clone()));
    let make = |idempotency_key| Push {
        token: Personal::new(DEVICE.into()),
        title: "CRM".into(),
        body: "It is ready for you".into(),
        data: BTreeMap::new(),
        idempotency_key,
    };
    let end = drive(provider_of(provider), Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().notified().len(), end)
}

async fn webhook(case: Case) -> (usize, End) {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let clock = WarpClock::new();
    let stub = WebhookStub::start(Arc::new(clock.clone())).await;
    stub.peer().set_secret("/in", SECRET);
    case.tell(stub.script());
    let url = stub.url();
    let guard = Guard::new([url.trim_start_matches("http://").parse().expect("its address")]);
    let provider = WebhookProvider::new(guard, Arc::new(SystemLookup), &case.http_settings());
    let now = clock.clone();
    let make = move |idempotency_key| Webhook {
        url: format!("{url}/in"),
        body: "{}".into(),
        secrets: vec![SECRET.into()],
        idempotency_key,
        at: now.now(),
    };
    let end = drive(provider_of(provider), Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().calls().len(), end)
}

fn to() -> Personal<sendoff_consumers::channels::PhoneNumber> {
    Personal::new(TO.parse().expect("a phone number"))
}

fn whatsapp(idempotency_key: String, template: bool) -> Whatsapp {
    let text = "Hello Ada, you have a new app: CRM".to_owned();
    let content = if template {
        WhatsappContent::Template(WhatsappTemplate {
            name: MetaStub::TEMPLATE.into(),
            language: "en".into(),
            content_sid: Some(TwilioStub::CONTENT.into()),
            parameters: vec!["Ada".into(), "CRM".into()],
            text,
        })
    } else {
        WhatsappContent::Text(text)
    };
    Whatsapp { to: to(), content, idempotency_key }
}

fn provider_of<M, P, E>(made: Result<P, E>) -> Arc<dyn Provider<M>>
where
    P: Provider<M> + 'static,
    E: std::fmt::Debug,
{
    Arc::new(made.expect("a provider"))
}
