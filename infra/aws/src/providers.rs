//! Who sends, as the settings say: each provider behind its circuit and its rate limit, its secret read when it is first needed.

use std::sync::Arc;

use secrecy::SecretString;
use sendoff_consumers::{
    Rate, Rates,
    channels::{
        Failover, FailoverError, Guarded, Provider,
        email::{Mail, Sender, SmtpProvider, SmtpSettings, SmtpUrl},
        http::{HttpClient, HttpSettings, HttpSettingsError},
        push::{FcmPush, Push, ServiceAccount},
        sms::{Sms, TwilioSms},
        twilio::{AccountSid, TwilioSender, TwilioSettings},
        webhook::{Guard, SystemLookup, Webhook, WebhookProvider},
        whatsapp::{MetaSettings, MetaWhatsapp, TwilioWhatsapp, Whatsapp},
    },
};
use sendoff_host::config::{ConfigError, rules::WhatsappCarrier};

use crate::{
    Secret, Store,
    renewed::{Make, fetch},
    secret_provider::{Made, SecretProvider},
    settings::{Need, Settings},
};

/// A provider can't be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvidersError {
    /// A setting is missing.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The providers don't go together.
    #[error(transparent)]
    Failover(#[from] FailoverError),
    /// The client can't be made.
    #[error(transparent)]
    Http(#[from] HttpSettingsError),
}

/// Makes providers. Nothing is called to make them.
pub(crate) struct Providers<'s> {
    store: &'s Store,
    settings: &'s Settings,
    rates: Arc<dyn Rates>,
}

impl<'s> Providers<'s> {
    pub(crate) fn new(store: &'s Store, settings: &'s Settings) -> Self {
        Self { store, settings, rates: store.rates() }
    }

    /// Who mails are from, and what sends them.
    pub(crate) fn mail(&self) -> Result<(Sender, Arc<dyn Provider<Mail>>), ProvidersError> {
        let (from, url) = self.settings.mail()?;
        let first = self.limited(self.guarded(self.made("smtp", url, smtp())), self.settings.email_rate);
        let Some(fallback) = self.settings.smtp_fallback() else { return Ok((from, Arc::new(first))) };
        let second = self.guarded(self.made("smtp", fallback, smtp())).named("smtp-fallback");
        let second = self.limited(second, self.settings.email_rate);
        Ok((from, Arc::new(Failover::new(vec![Arc::new(first), Arc::new(second)])?)))
    }

    /// What sends text messages.
    pub(crate) fn sms(&self) -> Result<Arc<dyn Provider<Sms>>, ProvidersError> {
        let from = self.settings.twilio_sms_from.clone().ok_or_else(|| Need::Sms.missing())?;
        let twilio = self.twilio(from.clone())?;
        let clock = self.store.clock.clone();
        let make: Make<Made<Sms>> = Box::new(move |token| {
            let sms = TwilioSms::new(twilio(token), http()?, clock.clone()).map_err(|error| error.to_string())?;
            Ok(Box::new(sms))
        });
        let guarded = self.guarded(self.made("twilio", self.settings.twilio_token()?, make));
        let guarded = guarded.by_sender(move |_| from.to_string());
        Ok(Arc::new(self.limited(guarded, self.settings.sms_rate)))
    }

    /// What sends WhatsApp messages.
    pub(crate) fn whatsapp(&self) -> Result<Arc<dyn Provider<Whatsapp>>, ProvidersError> {
        if self.settings.leaves_twilio_out() {
            tracing::warn!(
                "WhatsApp doesn't go through Twilio: TWILIO_CONTENT_SIDS is missing, without which it sends no template"
            );
        }
        let mut carriers: Vec<Arc<dyn Provider<Whatsapp>>> = Vec::new();
        for carrier in self.settings.whatsapp_carriers() {
            let carrier = match carrier {
                WhatsappCarrier::Twilio => self.twilio_whatsapp()?,
                WhatsappCarrier::Meta => self.meta_whatsapp()?,
            };
            carriers.extend(carrier);
        }
        match carriers.pop() {
            None => Err(Need::Whatsapp.missing().into()),
            Some(only) if carriers.is_empty() => Ok(only),
            Some(last) => {
                carriers.push(last);
                Ok(Arc::new(Failover::new(carriers)?))
            }
        }
    }

    /// What sends push messages.
    pub(crate) fn push(&self) -> Result<Arc<dyn Provider<Push>>, ProvidersError> {
        let (base, clock) = (self.settings.fcm_base_url.clone(), self.store.clock.clone());
        let make: Make<Made<Push>> = Box::new(move |account| {
            let account = ServiceAccount::parse(&SecretString::from(account)).map_err(|error| error.to_string())?;
            let fcm = FcmPush::new(account, &base, http()?, clock.clone()).map_err(|error| error.to_string())?;
            Ok(Box::new(fcm))
        });
        let guarded = self.guarded(self.made("fcm", self.settings.service_account()?, make));
        Ok(Arc::new(self.limited(guarded, self.settings.push_rate)))
    }

    /// What calls webhooks. Each endpoint is another system, so there is neither circuit nor limit around it.
    pub(crate) fn webhook(&self) -> Result<Arc<dyn Provider<Webhook>>, ProvidersError> {
        let allowed = self.settings.webhook_allow.iter().flatten().cloned();
        let provider = WebhookProvider::new(Guard::new(allowed), Arc::new(SystemLookup), &HttpSettings::default())?;
        Ok(Arc::new(provider))
    }

    fn twilio_whatsapp(&self) -> Result<Option<Arc<dyn Provider<Whatsapp>>>, ProvidersError> {
        let Some(from) = self.settings.twilio_whatsapp_from.clone() else { return Ok(None) };
        let twilio = self.twilio(from.clone())?;
        let clock = self.store.clock.clone();
        let make: Make<Made<Whatsapp>> = Box::new(move |token| {
            let whatsapp = TwilioWhatsapp::new(twilio(token), http()?, clock.clone());
            Ok(Box::new(whatsapp.map_err(|error| error.to_string())?))
        });
        let guarded = self.guarded(self.made("twilio", self.settings.twilio_token()?, make));
        let guarded = guarded.by_sender(move |_| format!("whatsapp:{from}"));
        Ok(Some(Arc::new(self.limited(guarded, self.settings.whatsapp_rate))))
    }

    fn meta_whatsapp(&self) -> Result<Option<Arc<dyn Provider<Whatsapp>>>, ProvidersError> {
        let Some(id) = self.settings.meta_phone_number_id.clone() else { return Ok(None) };
        let base_url = self.settings.meta_base_url.clone();
        let make: Make<Made<Whatsapp>> = Box::new(move |token| {
            let settings = MetaSettings { base_url: base_url.clone(), ..MetaSettings::new(id.clone(), token.into()) };
            Ok(Box::new(MetaWhatsapp::new(settings, http()?).map_err(|error| error.to_string())?))
        });
        let guarded = self.guarded(self.made("meta", self.settings.meta_token()?, make));
        Ok(Some(Arc::new(self.limited(guarded, self.settings.whatsapp_rate))))
    }

    /// What Twilio is told, but for the token.
    fn twilio(&self, from: TwilioSender) -> Result<impl Fn(&str) -> TwilioSettings + use<>, ProvidersError> {
        let account: AccountSid = self.settings.twilio_account_sid.clone().ok_or_else(|| Need::Twilio.missing())?;
        let base_url = self.settings.twilio_base_url.clone();
        let callback = self.settings.public_url.as_ref().map(|base| format!("{base}/callbacks/twilio"));
        Ok(move |token: &str| TwilioSettings {
            base_url: base_url.clone(),
            callback: callback.clone(),
            ..TwilioSettings::new(account.clone(), current(token).into(), from.clone())
        })
    }

    fn made<M: Send + Sync + 'static>(
        &self,
        name: &'static str,
        secret: Secret,
        make: Make<Made<M>>,
    ) -> Arc<dyn Provider<M>> {
        Arc::new(SecretProvider::new(name, fetch(secret, self.store), make))
    }

    fn guarded<M: Send + Sync + 'static>(&self, provider: Arc<dyn Provider<M>>) -> Guarded<M> {
        Guarded::new(provider, self.store.clock.clone(), self.store.rng.clone())
    }

    fn limited<M: Send + Sync + 'static>(&self, guarded: Guarded<M>, rate: Option<Rate>) -> Guarded<M> {
        match rate {
            Some(rate) => guarded.limited(self.rates.clone(), rate),
            None => guarded,
        }
    }
}

fn smtp() -> Make<Made<Mail>> {
    Box::new(|text| {
        let url: SmtpUrl = text.trim().parse().map_err(|error| format!("the mail server's secret: {error}"))?;
        let provider = SmtpProvider::new(SmtpSettings::new(url)).map_err(|error| error.to_string())?;
        Ok(Box::new(provider))
    })
}

/// The secret in use: a former one may stand behind it, since callbacks that are signed with that go on coming for a while.
fn current(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn http() -> Result<HttpClient, String> {
    HttpClient::new(&HttpSettings::default()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{NotSent, SendOutcome};
    use sendoff_events::{Personal, Timestamp};
    use sendoff_host::{SystemClock, SystemRng};

    use super::*;
    use crate::{Aws, Environment};

    fn settings(variables: &[(&str, &str)], needs: &[Need]) -> Settings {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(variables, needs).unwrap()
    }

    fn store(settings: &Settings) -> Store {
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let aws = Aws::from_environment(environment).unwrap();
        Store::new(aws, settings.resources(), Arc::new(SystemClock), Arc::new(SystemRng::new()))
    }

    #[tokio::test]
    async fn a_mail_servers_secret_that_cannot_be_used_puts_the_mail_off_and_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ftp://ada:hunter2@example.org").unwrap();
        let path = file.path().to_str().unwrap();
        let settings = settings(&[("SENDOFF_MAIL_FROM", "a@example.org"), ("SMTP_URL_FILE", path)], &[Need::Mail]);
        let (from, provider) = Providers::new(&store(&settings), &settings).mail().unwrap();
        let mail = Mail {
            to: Personal::new("ada@example.org".parse().unwrap()),
            from,
            reply_to: None,
            subject: "Hello".into(),
            html: "<p>Hello</p>".into(),
            text: "Hello".into(),
            idempotency_key: "email/1/ada".into(),
            date: Timestamp::UNIX_EPOCH,
            list_unsubscribe: None,
        };
        let outcome = provider.send(&mail, None).await;
        let SendOutcome::NotSent(NotSent::Unavailable { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("the mail server's secret") && !reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn whatsapp_goes_through_those_that_are_set_up_in_the_order_that_was_asked_for() {
        let without_sids = [
            ("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef"),
            ("TWILIO_AUTH_TOKEN", "token"),
            ("TWILIO_WHATSAPP_FROM", "+4930123456"),
        ];
        let sids = ("TWILIO_CONTENT_SIDS", "app-assigned/en=HX0123456789abcdef0123456789abcdef");
        let twilio = [&without_sids[..], &[sids]].concat();
        let meta = [("META_PHONE_NUMBER_ID", "1234"), ("META_ACCESS_TOKEN", "token")];
        let name = |variables: &[(&str, &str)]| {
            let settings = settings(variables, &[Need::Whatsapp]);
            Providers::new(&store(&settings), &settings).whatsapp().unwrap().name()
        };
        assert_eq!((name(&twilio), name(&meta)), ("twilio", "meta"));
        assert_eq!(name(&[&twilio[..], &meta[..]].concat()), "failover");
        let only = [&twilio[..], &meta[..], &[("SENDOFF_WHATSAPP_PROVIDERS", "meta")]].concat();
        assert_eq!(name(&only), "meta");
        assert_eq!(name(&[&without_sids[..], &meta[..]].concat()), "meta", "Twilio knows no template");
        let none = settings(&[], &[]);
        assert!(Providers::new(&store(&none), &none).whatsapp().is_err(), "nobody is set up");
    }
}
