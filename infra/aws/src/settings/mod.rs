//! What the functions and the worker are told by environment variables, checked as a whole before anything is called.
//!
//! Everything that is wrong is told at once ([`ConfigError`]). A program names what it can't do without ([`Need`]): the
//! template gives each function only what it needs.

mod need;
mod reference;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod whatsapp;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
};

pub use need::Need;
pub use reference::reference;
use sendoff_consumers::channels::email::Sender;
use sendoff_host::config::{ConfigError, fill, variables};
use sendoff_producers::model::Channel;
use table::Draft;
pub use table::Settings;

use crate::{Resources, Secret};

/// The environment of this process. Bytes that aren't UTF-8 are replaced; no setting takes such a value.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Which consumers the worker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumers {
    /// All that there are.
    All,
    /// Those with these names.
    These(Vec<String>),
}

impl Consumers {
    /// Whether a consumer is one of them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|n| n == name),
        }
    }
}

impl Settings {
    /// Reads all settings from the environment. Variables that don't belong to Sendoff are passed over. Bytes that aren't
    /// UTF-8 have to be replaced (`to_string_lossy`); no setting takes such a value.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is wrong, and everything that is needed and missing.
    pub fn read(environment: impl IntoIterator<Item = (String, String)>, needs: &[Need]) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let mut problems = Vec::new();
        let values = variables(table::SETTINGS, &environment, &mut problems);
        let mut draft = Draft::default();
        fill(table::SETTINGS, &mut draft, &values, "", &mut problems);
        need::check(needs, |name| values.iter().any(|given| given.key == name), &mut problems);
        let settings = draft.finish();
        if let Some(settings) = &settings {
            settings.check_whatsapp(&mut problems);
        }
        settings.filter(|_| problems.is_empty()).ok_or(ConfigError { problems })
    }

    /// The names of the deployment's resources. In place of one that was neither needed nor given stands a text that says
    /// so: it is part of the error of a call that is made on it nevertheless.
    #[must_use]
    pub fn resources(&self) -> Resources {
        let named = |value: &Option<String>, variable: &str| {
            value.clone().unwrap_or_else(|| format!("({variable} is not set)"))
        };
        Resources {
            table: named(&self.table, "SENDOFF_TABLE"),
            inbox_table: named(&self.inbox_table, "SENDOFF_INBOX_TABLE"),
            stream_arn: self.stream_arn.clone(),
            topic_arn: named(&self.topic_arn, "SENDOFF_TOPIC_ARN"),
            queue_url_base: named(&self.queue_url_base, "SENDOFF_QUEUE_URL_BASE"),
            bucket: named(&self.bucket, "SENDOFF_BUCKET"),
            runs_role_arn: named(&self.runs_role_arn, "SENDOFF_RUNS_ROLE_ARN"),
            runs_prefix: named(&self.runs_prefix, "SENDOFF_RUNS_PREFIX"),
            functions: self.functions.clone().unwrap_or_else(Resources::no_functions),
            schedule_group: named(&self.schedule_group, "SENDOFF_SCHEDULE_GROUP"),
            schedule_role_arn: named(&self.schedule_role_arn, "SENDOFF_SCHEDULE_ROLE_ARN"),
            topic_limit: self.topic_limit,
        }
    }

    /// The sender of every mail, and where the mail server's URL is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when they aren't given; never after they were named as [`Need::Mail`].
    pub fn mail(&self) -> Result<(Sender, Secret), ConfigError> {
        let url = Secret::of("SMTP_URL", self.smtp_url.clone(), self.smtp_url_file.clone(), self.smtp_url_arn.clone());
        self.mail_from.clone().zip(url).ok_or_else(|| Need::Mail.missing())
    }

    /// Where the URL of a second mail server is, if there is one.
    #[must_use]
    pub fn smtp_fallback(&self) -> Option<Secret> {
        let (value, file) = (self.smtp_fallback_url.clone(), self.smtp_fallback_url_file.clone());
        Secret::of("SMTP_FALLBACK_URL", value, file, self.smtp_fallback_url_arn.clone())
    }

    /// Where the auth token of the Twilio account is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when it isn't given; never beside a sender.
    pub fn twilio_token(&self) -> Result<Secret, ConfigError> {
        let (value, file) = (self.twilio_auth_token.clone(), self.twilio_auth_token_file.clone());
        Secret::of("TWILIO_AUTH_TOKEN", value, file, self.twilio_auth_token_arn.clone())
            .ok_or_else(|| Need::Twilio.missing())
    }

    /// Where Meta's access token is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when it isn't given; never beside the id of a phone number.
    pub fn meta_token(&self) -> Result<Secret, ConfigError> {
        let (value, file) = (self.meta_access_token.clone(), self.meta_access_token_file.clone());
        Secret::of("META_ACCESS_TOKEN", value, file, self.meta_access_token_arn.clone())
            .ok_or_else(|| Need::Meta.missing())
    }

    /// Where the secret of the Meta app is and what Meta has to say, if its callbacks are taken.
    #[must_use]
    pub fn meta_callbacks(&self) -> Option<(Secret, Secret)> {
        let (value, file) = (self.meta_app_secret.clone(), self.meta_app_secret_file.clone());
        let app = Secret::of("META_APP_SECRET", value, file, self.meta_app_secret_arn.clone());
        let (value, file) = (self.meta_verify_token.clone(), self.meta_verify_token_file.clone());
        app.zip(Secret::of("META_VERIFY_TOKEN", value, file, self.meta_verify_token_arn.clone()))
    }

    /// Where the service account for push messages is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when it isn't given; never after it was named as [`Need::Push`].
    pub fn service_account(&self) -> Result<Secret, ConfigError> {
        let (value, file) = (self.fcm_service_account.clone(), self.fcm_service_account_file.clone());
        Secret::of("FCM_SERVICE_ACCOUNT", value, file, self.fcm_service_account_arn.clone())
            .ok_or_else(|| Need::Push.missing())
    }

    /// The public address, and where the secret is that links below it are signed with, if there are links.
    #[must_use]
    pub fn links(&self) -> Option<(String, Secret)> {
        let (value, file) = (self.link_secret.clone(), self.link_secret_file.clone());
        let secret = Secret::of("SENDOFF_LINK_SECRET", value, file, self.link_secret_arn.clone());
        self.public_url.clone().zip(secret)
    }

    /// The channels that are on: as was said, or those that this process has a provider for.
    #[must_use]
    pub fn channels_on(&self) -> BTreeSet<Channel> {
        self.channels.clone().unwrap_or_else(|| self.channels_here())
    }

    /// The channels that this process has a provider for.
    #[must_use]
    pub fn channels_here(&self) -> BTreeSet<Channel> {
        let configured = [
            (Channel::Email, self.mail().is_ok()),
            (Channel::Sms, self.twilio_sms_from.is_some()),
            (Channel::Whatsapp, !self.whatsapp_carriers().is_empty()),
            (Channel::Push, self.service_account().is_ok()),
        ];
        configured.into_iter().filter(|(_, on)| *on).map(|(channel, _)| channel).collect()
    }

    /// Where the keys are that bearer tokens are checked with; [`auth_keys`](crate::auth_keys) reads them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when they aren't given; never after they were named as [`Need::AuthKeys`].
    pub fn auth_keys(&self) -> Result<Secret, ConfigError> {
        Secret::of("SENDOFF_AUTH_KEYS", None, self.auth_keys_file.clone(), self.auth_keys_arn.clone())
            .ok_or_else(|| Need::AuthKeys.missing())
    }

    /// Where the URL of the shared cache is, if there is a cache.
    #[must_use]
    pub fn cache(&self) -> Option<Secret> {
        Secret::of("SENDOFF_CACHE_URL", self.cache_url.clone(), None, self.cache_url_arn.clone())
    }
}
