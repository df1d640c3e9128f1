//! Who sends what: the configured providers, or those inside this process, each behind its circuit and its rate limit.

use std::{collections::BTreeSet, sync::Arc};

use secrecy::SecretString;
use sendoff_consumers::{
    MemoryRates, Rate, Rates,
    channels::{
        Failover, Guarded, Provider,
        http::{HttpClient, HttpSettings},
        push::{FcmPush, Push, ServiceAccount},
        sms::{Sms, TwilioSms},
        twilio::{AccountSid, TwilioSender, TwilioSettings},
        webhook::{Allowed, Guard, SystemLookup, Webhook, WebhookProvider},
        whatsapp::{MetaSettings, MetaWhatsapp, TwilioWhatsapp, Whatsapp},
    },
};
use sendoff_events::{Clock, Rng};
use sendoff_host::config::rules::WhatsappCarrier;
use sendoff_producers::model::Channel;

use super::SystemError;
use crate::{
    config::{Config, WhatsappBy},
    sink::{SINK_SENDER, SinkAccounts},
};

/// What stands in front of every provider.
pub(super) struct Guards {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    rates: Arc<dyn Rates>,
}

impl Guards {
    pub(super) fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng, rates: Arc::new(MemoryRates::new()) }
    }

    /// The provider behind a circuit and, if there is one, a rate limit.
    pub(super) fn guard<M: Send + Sync + 'static>(
        &self,
        provider: Arc<dyn Provider<M>>,
        rate: Option<Rate>,
    ) -> Arc<dyn Provider<M>> {
        Arc::new(self.limited(Guarded::new(provider, self.clock.clone(), self.rng.clone()), rate))
    }

    /// The same under another name.
    pub(super) fn named<M: Send + Sync + 'static>(
        &self,
        provider: Arc<dyn Provider<M>>,
        name: &'static str,
        rate: Option<Rate>,
    ) -> Arc<dyn Provider<M>> {
        let guarded = Guarded::new(provider, self.clock.clone(), self.rng.clone()).named(name);
        Arc::new(self.limited(guarded, rate))
    }

    fn limited<M: Send + Sync + 'static>(&self, guarded: Guarded<M>, rate: Option<Rate>) -> Guarded<M> {
        match rate {
            Some(rate) => guarded.limited(self.rates.clone(), rate),
            None => guarded,
        }
    }
}

/// Who sends what isn't mail. A channel without a provider is off.
pub(super) struct Providers {
    pub(super) sms: Option<Arc<dyn Provider<Sms>>>,
    pub(super) whatsapp: Option<Arc<dyn Provider<Whatsapp>>>,
    pub(super) push: Option<Arc<dyn Provider<Push>>>,
    pub(super) webhook: Arc<dyn Provider<Webhook>>,
}

impl Providers {
    /// The channels that are on. Mail always is.
    pub(super) fn channels(&self) -> BTreeSet<Channel> {
        let on = [
            (Channel::Email, true),
            (Channel::Sms, self.sms.is_some()),
            (Channel::Whatsapp, self.whatsapp.is_some()),
            (Channel::Push, self.push.is_some()),
        ];
        on.into_iter().filter(|(_, is_on)| *is_on).map(|(channel, _)| channel).collect()
    }
}

/// The providers that are configured, or those of the sink.
pub(super) fn all(config: &Config, guards: &Guards, sink: Option<&SinkAccounts>) -> Result<Providers, SystemError> {
    let http = HttpClient::new(&HttpSettings::default())?;
    let settings = &config.settings;
    let (sms, whatsapp, push) = match sink {
        Some(sink) => (Some(sink_twilio(sink)?), sink_whatsapp(config, sink)?, Some(sink.fcm_service_account.clone())),
        None => (config.channels.sms.clone(), config.channels.whatsapp.clone(), config.channels.push.clone()),
    };
    let sms = sms.map(|sms| text_messages(sms, &http, guards, settings.sms_rate)).transpose()?;
    let mut carriers = Vec::new();
    for carrier in whatsapp {
        let carrier: Arc<dyn Provider<Whatsapp>> = match carrier {
            WhatsappBy::Twilio(twilio) => Arc::new(TwilioWhatsapp::new(twilio, http.clone(), guards.clock.clone())?),
            WhatsappBy::Meta(meta) => Arc::new(MetaWhatsapp::new(meta, http.clone())?),
        };
        carriers.push(guards.guard(carrier, settings.whatsapp_rate));
    }
    let whatsapp: Option<Arc<dyn Provider<Whatsapp>>> = match carriers.len() {
        0 | 1 => carriers.pop(),
        _ => Some(Arc::new(Failover::new(carriers)?)),
    };
    let base_url = sink.map_or(&*settings.fcm_base_url, |sink| &*sink.base_url);
    let push = push.map(|account| notifications(&account, base_url, &http, guards, settings.push_rate)).transpose()?;
    Ok(Providers { sms, whatsapp, push, webhook: webhooks(config, sink)? })
}

fn text_messages(
    settings: TwilioSettings,
    http: &HttpClient,
    guards: &Guards,
    rate: Option<Rate>,
) -> Result<Arc<dyn Provider<Sms>>, SystemError> {
    let sender = settings.from.to_string();
    let twilio = Arc::new(TwilioSms::new(settings, http.clone(), guards.clock.clone())?);
    let guarded = Guarded::new(twilio, guards.clock.clone(), guards.rng.clone()).by_sender(move |_| sender.clone());
    Ok(Arc::new(guards.limited(guarded, rate)))
}

fn notifications(
    account: &SecretString,
    base_url: &str,
    http: &HttpClient,
    guards: &Guards,
    rate: Option<Rate>,
) -> Result<Arc<dyn Provider<Push>>, SystemError> {
    let fcm = FcmPush::new(ServiceAccount::parse(account)?, base_url, http.clone(), guards.clock.clone())?;
    Ok(guards.guard(Arc::new(fcm), rate))
}

/// Calls of endpoints. Those of the sink may be called although they are on this machine.
fn webhooks(config: &Config, sink: Option<&SinkAccounts>) -> Result<Arc<dyn Provider<Webhook>>, SystemError> {
    let sink = sink.and_then(|sink| sink.base_url.strip_prefix("http://")?.parse::<Allowed>().ok());
    let allowed = config.settings.webhook_allow.iter().flatten().cloned().chain(sink);
    let provider = WebhookProvider::new(Guard::new(allowed), Arc::new(SystemLookup), &HttpSettings::default())?;
    Ok(Arc::new(provider))
}

fn sink_twilio(sink: &SinkAccounts) -> Result<TwilioSettings, SystemError> {
    let account: AccountSid = sink.twilio_account.parse().map_err(SystemError::sink)?;
    let sender: TwilioSender = SINK_SENDER.parse().map_err(SystemError::sink)?;
    let base_url = sink.base_url.clone();
    // The address tells nobody anything: it carries the delivery id to where the message is kept.
    let callback = Some(format!("{base_url}/callbacks/twilio"));
    let settings = TwilioSettings::new(account, sink.twilio_token.clone(), sender);
    // Nobody else knows where it is.
    Ok(TwilioSettings { base_url, callback, only_sender: true, ..settings })
}

fn sink_whatsapp(config: &Config, sink: &SinkAccounts) -> Result<Vec<WhatsappBy>, SystemError> {
    let order = config.settings.whatsapp_providers.as_deref().unwrap_or(&[WhatsappCarrier::Meta]);
    let one = |carrier: &WhatsappCarrier| match carrier {
        WhatsappCarrier::Twilio => sink_twilio(sink).map(WhatsappBy::Twilio),
        WhatsappCarrier::Meta => {
            let settings = MetaSettings::new(&sink.meta_phone_number_id, sink.meta_token.clone());
            Ok(WhatsappBy::Meta(MetaSettings { base_url: sink.base_url.clone(), ..settings }))
        }
    };
    order.iter().map(one).collect()
}
