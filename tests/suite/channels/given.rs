//! Providers, messages and doubts.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Doubt, NotSent, SendOutcome,
    channels::{
        http::{HttpClient, HttpSettings},
        sms::{Sms, TwilioSms},
        twilio::TwilioSettings,
        whatsapp::{MetaSettings, MetaWhatsapp, TwilioWhatsapp, Whatsapp, WhatsappContent, WhatsappTemplate},
    },
};
use sendoff_events::{Clock, Personal};
use sendoff_tests::{
    conformance::WarpClock,
    servers::{MetaStub, Served, TwilioStub},
};

pub(super) const TO: &str = "+447700900123";
pub(super) const CALLBACK: &str = "https://notify.example.org/callbacks/twilio";

/// Long enough for any answer, also on a busy machine.
const PATIENT: Duration = Duration::from_secs(30);

/// For peers that never answer; long enough for a request to be read on a busy machine.
const IMPATIENT: Duration = Duration::from_millis(1500);

pub(super) fn http(timeout: Duration) -> HttpClient {
    HttpClient::new(&HttpSettings { timeout, ..HttpSettings::default() }).unwrap()
}

/// The key of the event of this number.
pub(super) fn key(event: u8) -> String {
    format!("sms/01938d1e-7b2c-7000-8000-0000000000{event:02}/ada")
}

pub(super) fn sms(event: u8) -> Sms {
    Sms { to: Personal::new(TO.parse().unwrap()), text: "You have a new app: CRM".into(), idempotency_key: key(event) }
}

pub(super) fn whatsapp(content: WhatsappContent) -> Whatsapp {
    Whatsapp { to: Personal::new(TO.parse().unwrap()), content, idempotency_key: key(1) }
}

pub(super) fn text() -> WhatsappContent {
    WhatsappContent::Text("You have a new app: CRM".into())
}

pub(super) fn template() -> WhatsappContent {
    WhatsappContent::Template(WhatsappTemplate {
        name: MetaStub::TEMPLATE.into(),
        language: "en".into(),
        content_sid: Some(TwilioStub::CONTENT.into()),
        parameters: vec!["Ada".into(), "CRM".into()],
        text: "Hello Ada, you have a new app: CRM".into(),
    })
}

/// A stub of Twilio, and who sends to it.
pub(super) struct Twilio {
    pub(super) stub: Served<TwilioStub>,
    pub(super) clock: WarpClock,
    pub(super) settings: TwilioSettings,
}

impl Twilio {
    pub(super) async fn start() -> Self {
        let clock = WarpClock::new();
        let stub = TwilioStub::start(Arc::new(clock.clone())).await;
        let sender = TwilioStub::NUMBER.parse().unwrap();
        let mut settings = TwilioSettings::new(TwilioStub::ACCOUNT.parse().unwrap(), TwilioStub::TOKEN.into(), sender);
        settings.base_url = stub.url();
        settings.callback = Some(CALLBACK.into());
        settings.only_sender = true;
        Self { stub, clock, settings }
    }

    pub(super) fn sms(&self) -> TwilioSms {
        self.sms_with(PATIENT)
    }

    /// A provider that gives up soon.
    pub(super) fn impatient(&self) -> TwilioSms {
        self.sms_with(IMPATIENT)
    }

    fn sms_with(&self, timeout: Duration) -> TwilioSms {
        TwilioSms::new(self.settings.clone(), http(timeout), Arc::new(self.clock.clone())).unwrap()
    }

    pub(super) fn whatsapp(&self) -> TwilioWhatsapp {
        self.whatsapp_with(false)
    }

    pub(super) fn whatsapp_with(&self, impatient: bool) -> TwilioWhatsapp {
        let http = http(if impatient { IMPATIENT } else { PATIENT });
        TwilioWhatsapp::new(self.settings.clone(), http, Arc::new(self.clock.clone())).unwrap()
    }

    /// The doubt about the message of this event, as of now.
    pub(super) fn doubt(&self, event: u8) -> Doubt {
        Doubt { idempotency_key: key(event), provider: Some("twilio".into()), since: self.clock.now(), moved: false }
    }
}

/// A provider at a stub of Meta.
pub(super) fn meta(stub: &Served<MetaStub>, impatient: bool) -> MetaWhatsapp {
    let mut settings = MetaSettings::new(MetaStub::PHONE_NUMBER_ID, MetaStub::TOKEN.into());
    settings.base_url = stub.url();
    MetaWhatsapp::new(settings, http(if impatient { IMPATIENT } else { PATIENT })).unwrap()
}

/// The outcome in a word.
pub(super) fn kind(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Sent { .. } => "sent",
        SendOutcome::Skipped { .. } => "skipped",
        SendOutcome::NotSent(NotSent::Permanent { .. }) => "permanent",
        SendOutcome::NotSent(NotSent::Gone { .. }) => "gone",
        SendOutcome::NotSent(NotSent::Transient { .. }) => "transient",
        SendOutcome::NotSent(NotSent::Throttled { .. }) => "throttled",
        SendOutcome::NotSent(NotSent::NotYet { .. }) => "not yet",
        SendOutcome::NotSent(NotSent::Unavailable { .. }) => "unavailable",
        SendOutcome::Unknown { .. } => "unknown",
    }
}
