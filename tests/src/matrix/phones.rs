//! Messages to a telephone: text messages through Twilio, WhatsApp messages through Twilio, Meta or both.

use std::sync::Arc;

use sendoff_consumers::channels::{
    Failover, Provider,
    sms::{Sms, TwilioSms},
    twilio::TwilioSettings,
    whatsapp::{MetaSettings, MetaWhatsapp, TwilioWhatsapp, Whatsapp, WhatsappContent, WhatsappTemplate},
};
use sendoff_events::Personal;

use super::{
    End,
    drive::{drive, guarded},
    http::Case,
};
use crate::{
    conformance::WarpClock,
    servers::{MetaStub, Served, TwilioStub},
};

const TO: &str = "+447700900123";
/// The same as Twilio names it among WhatsApp messages, and as Meta does.
const TO_AT_TWILIO: &str = "whatsapp:+447700900123";
const TO_AT_META: &str = "447700900123";

/// What there is to ask Twilio for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// Its list of messages, which are all ours.
    Ours,
    /// Its list of messages, some of which others sent.
    Shared,
    /// Nothing: the request for the list meets the fault as well.
    ListFails,
}

/// Which of two providers the fault hits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AtFault {
    First,
    Both,
}

pub(super) async fn sms(case: Case, account: Account) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = TwilioStub::start(Arc::new(clock.clone())).await;
    match account {
        Account::Ours | Account::Shared => case.tell_for(stub.script(), TO),
        Account::ListFails => case.tell(stub.script()),
    }
    let settings = TwilioSettings { only_sender: account != Account::Shared, ..twilio_settings(&stub) };
    let provider = guarded(TwilioSms::new(settings, case.http(), Arc::new(clock.clone())), &clock);
    let make = |idempotency_key| Sms { to: to(), text: "You have a new app: CRM".into(), idempotency_key };
    let end = drive(provider, Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

pub(super) async fn twilio(case: Case) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = TwilioStub::start(Arc::new(clock.clone())).await;
    case.tell_for(stub.script(), TO_AT_TWILIO);
    let provider = through_twilio(case, &stub, &clock);
    let end = drive(provider, Arc::new(|key| whatsapp(key, true)), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

pub(super) async fn meta(case: Case, template: bool) -> (usize, End) {
    let clock = WarpClock::new();
    let stub = MetaStub::start().await;
    case.tell_for(stub.script(), TO_AT_META);
    let provider = through_meta(case, &stub, &clock);
    let end = drive(provider, Arc::new(move |key| whatsapp(key, template)), case.on_doubt, &clock).await.1;
    (stub.peer().messages().len(), end)
}

/// Counts what both took together.
pub(super) async fn failover(case: Case, at_fault: AtFault) -> (usize, End) {
    let clock = WarpClock::new();
    let (first, second) = (TwilioStub::start(Arc::new(clock.clone())).await, MetaStub::start().await);
    case.tell_for(first.script(), TO_AT_TWILIO);
    if at_fault == AtFault::Both {
        case.tell_for(second.script(), TO_AT_META);
    }
    let providers = vec![through_twilio(case, &first, &clock), through_meta(case, &second, &clock)];
    let provider = Arc::new(Failover::new(providers).expect("two providers"));
    let end = drive(provider, Arc::new(|key| whatsapp(key, true)), case.on_doubt, &clock).await.1;
    (first.peer().messages().len() + second.peer().messages().len(), end)
}

fn through_twilio(case: Case, stub: &Served<TwilioStub>, clock: &WarpClock) -> Arc<dyn Provider<Whatsapp>> {
    guarded(TwilioWhatsapp::new(twilio_settings(stub), case.http(), Arc::new(clock.clone())), clock)
}

fn through_meta(case: Case, stub: &Served<MetaStub>, clock: &WarpClock) -> Arc<dyn Provider<Whatsapp>> {
    let settings = MetaSettings::new(MetaStub::PHONE_NUMBER_ID, MetaStub::TOKEN.into());
    guarded(MetaWhatsapp::new(MetaSettings { base_url: stub.url(), ..settings }, case.http()), clock)
}

fn twilio_settings(stub: &Served<TwilioStub>) -> TwilioSettings {
    let from = TwilioStub::NUMBER.parse().expect("a sender");
    let account = TwilioStub::ACCOUNT.parse().expect("an account");
    TwilioSettings {
        base_url: stub.url(),
        callback: Some("https://notify.example.org/callbacks/twilio".into()),
        only_sender: true,
        ..TwilioSettings::new(account, TwilioStub::TOKEN.into(), from)
    }
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
