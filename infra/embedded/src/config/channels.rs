//! How messages leave that aren't mail: what the settings of the providers must be to each other.

use secrecy::SecretString;
use sendoff_consumers::channels::{
    push::ServiceAccount,
    twilio::{TwilioSender, TwilioSettings},
    whatsapp::MetaSettings,
};
use sendoff_host::config::rules::{WhatsappCarrier, is_secret};

use super::{
    Mail,
    check::{Checked, Checker},
    settings::{LINK_SECRET, VERIFY_TOKEN},
};

/// How messages leave. A channel that nothing is configured for is off.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    /// Whether text messages, WhatsApp messages and notifications go to servers inside the process. Then nothing of what
    /// follows is configured.
    pub sink: bool,
    /// Who sends text messages.
    pub sms: Option<TwilioSettings>,
    /// Who carries WhatsApp messages, in the order in which they are tried.
    pub whatsapp: Vec<WhatsappBy>,
    /// The service account that notifications are sent with, as JSON.
    pub push: Option<SecretString>,
    /// What callbacks are checked with.
    pub callbacks: Callbacks,
    /// What unsubscribe links are signed with.
    pub link_secret: Option<SecretString>,
}

/// Who carries WhatsApp messages, and what they have to be told.
#[derive(Debug, Clone)]
pub enum WhatsappBy {
    /// Twilio.
    Twilio(TwilioSettings),
    /// Meta.
    Meta(MetaSettings),
}

/// What callbacks of providers are checked with. Those that nothing is given for are refused.
#[derive(Debug, Clone, Default)]
pub struct Callbacks {
    /// Twilio's.
    pub twilio_auth_token: Option<SecretString>,
    /// Meta's.
    pub meta: Option<MetaCallbacks>,
}

/// What Meta's callbacks are checked with.
#[derive(Debug, Clone)]
pub struct MetaCallbacks {
    /// What they are signed with.
    pub app_secret: SecretString,
    /// What Meta must say when it asks whether the address is ours.
    pub verify_token: SecretString,
    /// The id of our phone number.
    pub phone_number_id: Option<String>,
}

/// What there is of Twilio.
struct Twilio {
    sms: Option<TwilioSettings>,
    whatsapp: Option<TwilioSettings>,
    auth_token: Option<SecretString>,
}

/// What there is of Meta.
struct Meta {
    settings: Option<MetaSettings>,
    callbacks: Option<MetaCallbacks>,
}

impl Checker<'_> {
    /// How messages leave, given where mail goes.
    pub(super) fn channels(&mut self, mail: Option<&Mail>) -> Checked<Channels> {
        let draft = self.draft;
        // All before the first `?`, so that everything that is wrong is told.
        let link_secret = self.secret("links.secret", &draft.link_secret, &draft.link_secret_file, LINK_SECRET);
        let (twilio, meta) = (self.twilio(), self.meta());
        let push =
            self.one_of("fcm.service_account", &draft.fcm_service_account, &draft.fcm_service_account_file, |text| {
                Ok(SecretString::from(text.to_owned()))
            });
        let push = push.map(|account| self.service_account(account));
        let (link_secret, twilio, meta, push) = (link_secret?, twilio?, meta?, push?);
        let public_url = draft.public_url.as_ref()?;
        if link_secret.is_some() && public_url.is_none() {
            self.report("links.secret", "is given without `public.url`: links would lead nowhere");
        }
        if meta.callbacks.is_some() && public_url.is_none() {
            self.report("meta.app_secret", "is given without `public.url`: Meta can't tell us anything");
        }
        let whatsapp = self.whatsapp(twilio.whatsapp, meta.settings)?;
        let real = [("twilio.sms_from", twilio.sms.is_some()), ("fcm.service_account", push.is_some())];
        let real = real.into_iter().find(|(_, is_given)| *is_given).map(|(key, _)| key);
        let real = real.or_else(|| whatsapp.first().map(WhatsappBy::setting));
        if let (Some(real), Some(Mail::Sink)) = (real, mail)
            && draft.mail_sink? != Some(true)
        {
            let why = format!(
                "is missing beside a real provider (`{real}`): mail would be kept on this machine and count as sent. Name the \
                 mail server, or set `mail.sink = true` if that is what you want"
            );
            self.report("smtp.url", why);
        }
        let sink = match (draft.channels_sink?, real) {
            (Some(true), Some(real)) => {
                let why = format!("is on beside a real provider (`{real}`): messages can only go to one of them");
                self.report("channels.sink", why);
                return None;
            }
            (Some(sink), _) => sink,
            // What is meant for real people must not end in a file because a setting is missing.
            (None, real) => real.is_none() && matches!(mail?, Mail::Sink),
        };
        let callbacks = Callbacks { twilio_auth_token: twilio.auth_token, meta: meta.callbacks };
        Some(Channels { sink, sms: twilio.sms, whatsapp, push, callbacks, link_secret })
    }

    /// The service account, if FCM can be asked with it.
    fn service_account(&mut self, account: Option<SecretString>) -> Option<SecretString> {
        if let Some(Err(why)) = account.as_ref().map(ServiceAccount::parse) {
            let in_file = self.draft.fcm_service_account_file != Some(None);
            self.report(if in_file { "fcm.service_account_file" } else { "fcm.service_account" }, why.to_string());
        }
        account
    }

    fn secret(
        &mut self,
        key: &str,
        value: &Option<Option<SecretString>>,
        file: &Option<Option<std::path::PathBuf>>,
        least: usize,
    ) -> Checked<Option<SecretString>> {
        self.one_of(key, value, file, |text| {
            let what = || format!("what it holds must be a secret of at least {least} characters without spaces");
            is_secret(text, least).then(|| SecretString::from(text.to_owned())).ok_or_else(what)
        })
    }

    fn twilio(&mut self) -> Checked<Twilio> {
        let draft = self.draft;
        let token = self.secret("twilio.auth_token", &draft.twilio_auth_token, &draft.twilio_auth_token_file, 1)?;
        let (sid, base) = (draft.twilio_account_sid.clone()?, draft.twilio_base_url.clone()?);
        let (sms, whatsapp) = (draft.twilio_sms_from.clone()?, draft.twilio_whatsapp_from.clone()?);
        let (public, only_sender) = (draft.public_url.clone()?, draft.twilio_only_sender?);
        let (sid, token) = match (sid, token) {
            (Some(sid), Some(token)) => (sid, token),
            (None, None) => {
                for (key, from) in [("twilio.sms_from", sms), ("twilio.whatsapp_from", whatsapp)] {
                    if from.is_some() {
                        self.report(key, "is given without an account: `twilio.account_sid` and `twilio.auth_token`");
                    }
                }
                return Some(Twilio { sms: None, whatsapp: None, auth_token: None });
            }
            (Some(_), None) => {
                self.report("twilio.account_sid", "is given without `twilio.auth_token`: the account needs its secret");
                return None;
            }
            (None, Some(_)) => {
                self.report("twilio.auth_token", "is given without `twilio.account_sid`: whose secret is it?");
                return None;
            }
        };
        if sms.is_none() && whatsapp.is_none() {
            let why = "is given without a sender: add `twilio.sms_from`, `twilio.whatsapp_from` or both";
            self.report("twilio.account_sid", why);
            return None;
        }
        let settings = |from: TwilioSender| TwilioSettings {
            base_url: base.clone(),
            callback: public.as_ref().map(|public| format!("{public}/callbacks/twilio")),
            only_sender,
            ..TwilioSettings::new(sid.clone(), token.clone(), from)
        };
        Some(Twilio { sms: sms.map(settings), whatsapp: whatsapp.map(settings), auth_token: Some(token.clone()) })
    }

    fn meta(&mut self) -> Checked<Meta> {
        let draft = self.draft;
        let token = self.secret("meta.access_token", &draft.meta_access_token, &draft.meta_access_token_file, 1);
        let app = self.secret("meta.app_secret", &draft.meta_app_secret, &draft.meta_app_secret_file, 1);
        let verify =
            self.secret("meta.verify_token", &draft.meta_verify_token, &draft.meta_verify_token_file, VERIFY_TOKEN);
        let (token, app, verify) = (token?, app?, verify?);
        let settings = match (draft.meta_phone_number_id.clone()?, token) {
            (Some(id), Some(token)) => {
                Some(MetaSettings { base_url: draft.meta_base_url.clone()?, ..MetaSettings::new(id, token) })
            }
            (None, None) => None,
            (Some(_), None) => {
                self.report("meta.phone_number_id", "is given without `meta.access_token`: nothing could be sent");
                return None;
            }
            (None, Some(_)) => {
                self.report(
                    "meta.access_token",
                    "is given without `meta.phone_number_id`: who would messages be from?",
                );
                return None;
            }
        };
        let callbacks = match (app, verify) {
            (Some(app_secret), Some(verify_token)) => {
                let phone_number_id = draft.meta_phone_number_id.clone()?;
                Some(MetaCallbacks { app_secret, verify_token, phone_number_id })
            }
            (None, None) => None,
            (Some(_), None) => {
                self.report("meta.app_secret", "is given without `meta.verify_token`: Meta asks for it first");
                return None;
            }
            (None, Some(_)) => {
                self.report("meta.verify_token", "is given without `meta.app_secret`: callbacks couldn't be checked");
                return None;
            }
        };
        if callbacks.is_some() && settings.is_none() {
            let why = "is given without `meta.phone_number_id` and `meta.access_token`: there is nothing to tell of";
            self.report("meta.app_secret", why);
        }
        Some(Meta { settings, callbacks })
    }

    /// The configured carriers in the order that was asked for.
    fn whatsapp(&mut self, twilio: Option<TwilioSettings>, meta: Option<MetaSettings>) -> Checked<Vec<WhatsappBy>> {
        let (mut twilio, mut meta) = (twilio.map(WhatsappBy::Twilio), meta.map(WhatsappBy::Meta));
        let asked = self.draft.whatsapp_providers.clone()?;
        let (sids, folder) = (self.draft.twilio_content_sids.as_ref()?, self.draft.templates_dir.as_ref()?);
        // Templates of one's own may hold the ids, or be free text.
        let is_mute = twilio.is_some() && sids.is_none() && folder.is_none();
        if is_mute && asked.as_ref().is_none_or(|order| order.contains(&WhatsappCarrier::Twilio)) {
            let instead = match &meta {
                Some(_) => "leave Twilio out with `whatsapp.providers = meta`",
                None => "take `twilio.whatsapp_from` away",
            };
            let why = format!(
                "is missing: Twilio sends no template for WhatsApp without the id that it has there. Give the ids, or {instead}"
            );
            self.report("twilio.content_sids", why);
        }
        let Some(order) = asked else { return Some(twilio.into_iter().chain(meta).collect()) };
        let is_sink_only = twilio.is_none() && meta.is_none();
        let mut carriers = Vec::new();
        for carrier in order {
            let (found, needs) = match carrier {
                WhatsappCarrier::Twilio => (twilio.take(), "twilio.whatsapp_from"),
                WhatsappCarrier::Meta => (meta.take(), "meta.phone_number_id"),
            };
            match found {
                Some(found) => carriers.push(found),
                // Which of the sinks is meant.
                None if is_sink_only && self.draft.channels_sink == Some(Some(true)) => {}
                None => {
                    let word = carrier.word();
                    self.report(
                        "whatsapp.providers",
                        format!("names `{word}`, which isn't configured: give `{needs}`"),
                    );
                }
            }
        }
        Some(carriers)
    }
}

impl WhatsappBy {
    /// The setting that turns it on.
    const fn setting(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio.whatsapp_from",
            Self::Meta(_) => "meta.phone_number_id",
        }
    }
}
