//! WhatsApp messages through Meta's own Cloud API.
//!
//! It knows no idempotency key and can't be asked for what it was sent: a doubt is settled by its callbacks, in which the
//! message's idempotency key comes back, or by a person. What each answer means is written in one table: `classify.rs`.

mod body;
mod classify;

use std::fmt;

use body::Body;
use classify::classify;
pub use classify::is_gone;
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::BoxFuture;

use super::Whatsapp;
use crate::{
    Doubt, NotSent, SendOutcome,
    channels::{
        Provider,
        http::{HttpClient, HttpRequest, base_url},
    },
};

/// As it stands in the ledger.
pub(super) const NAME: &str = "meta";

/// How messages are sent through Meta.
#[derive(Debug, Clone)]
pub struct MetaSettings {
    /// The id of our phone number at Meta: digits. Not the number itself.
    pub phone_number_id: String,
    /// The access token, best of a system user: it needs the permission `whatsapp_business_messaging`.
    pub access_token: SecretString,
    /// Where Meta is: `https://graph.facebook.com`. Plain http only on this machine, for tests.
    pub base_url: String,
    /// The version of the Graph API: `v24.0`. Meta keeps one for two years.
    pub version: String,
}

/// The settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetaSettingsError {
    /// The phone number's id.
    #[error(
        "`{0}` is not the id of a phone number at Meta: only digits, as the app's dashboard shows it beside the number"
    )]
    PhoneNumberId(String),
    /// The address of the API.
    #[error(
        "Meta's base URL `{0}` is not an https address without user, query and fragment (http only for this machine)"
    )]
    BaseUrl(String),
    /// The version of the API.
    #[error("`{0}` is not a version of the Graph API such as v24.0")]
    Version(String),
    /// The token.
    #[error("Meta's access token is empty or holds characters that can't stand in a header")]
    Token,
}

impl MetaSettings {
    /// The settings that most have: Meta itself, and the version that this was written for.
    #[must_use]
    pub fn new(phone_number_id: impl Into<String>, access_token: SecretString) -> Self {
        Self {
            phone_number_id: phone_number_id.into(),
            access_token,
            base_url: "https://graph.facebook.com".to_owned(),
            version: "v24.0".to_owned(),
        }
    }
}

/// Sends WhatsApp messages through Meta's Cloud API.
pub struct MetaWhatsapp {
    http: HttpClient,
    url: String,
    authorization: SecretString,
}

impl MetaWhatsapp {
    /// A provider.
    ///
    /// # Errors
    ///
    /// [`MetaSettingsError`] when one of the settings can't be right.
    pub fn new(settings: MetaSettings, http: HttpClient) -> Result<Self, MetaSettingsError> {
        let MetaSettings { phone_number_id: id, access_token, base_url: base, version } = settings;
        let digits = |text: &str| !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(&id) {
            return Err(MetaSettingsError::PhoneNumberId(id));
        }
        let numbers = version.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
        if !numbers.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            return Err(MetaSettingsError::Version(version));
        }
        let token = access_token.expose_secret();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(MetaSettingsError::Token);
        }
        let Some(root) = base_url(&base) else { return Err(MetaSettingsError::BaseUrl(base)) };
        let url = format!("{root}/{version}/{id}/messages");
        Ok(Self { http, url, authorization: format!("Bearer {token}").into() })
    }

    fn request(&self, body: &Body<'_>) -> Result<HttpRequest, String> {
        let json = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let unfit = |name| format!("the header `{name}` can't be made");
        HttpRequest::new(Method::POST, &self.url)
            .body(json)
            .header(AUTHORIZATION, self.authorization.expose_secret(), true)
            .and_then(|request| request.header(CONTENT_TYPE, "application/json", false))
            .map_err(unfit)
    }
}

impl Provider<Whatsapp> for MetaWhatsapp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, message: &'a Whatsapp, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            match Body::of(message).and_then(|body| self.request(&body)) {
                Ok(request) => classify(&self.http.send(request).await),
                Err(reason) => SendOutcome::NotSent(NotSent::Permanent { reason }),
            }
        })
    }
}

impl fmt::Debug for MetaWhatsapp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetaWhatsapp").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::http::HttpSettings;

    fn made(change: impl FnOnce(&mut MetaSettings)) -> Result<MetaWhatsapp, MetaSettingsError> {
        let mut settings = MetaSettings::new("106540352242922", "EAAJB".into());
        change(&mut settings);
        MetaWhatsapp::new(settings, HttpClient::new(&HttpSettings::default()).unwrap())
    }

    #[test]
    fn messages_go_to_the_phone_numbers_address() {
        assert_eq!(made(|_| {}).unwrap().url, "https://graph.facebook.com/v24.0/106540352242922/messages");
    }

    #[test]
    fn settings_that_cannot_be_right_are_refused_at_the_start() {
        for id in ["", "+4930123456", "1/../2", "106540352242922?x"] {
            assert_eq!(
                made(|s| s.phone_number_id = id.into()).unwrap_err(),
                MetaSettingsError::PhoneNumberId(id.into())
            );
        }
        for version in ["", "24.0", "v24", "v24.x", "v24.0/x"] {
            assert_eq!(made(|s| s.version = version.into()).unwrap_err(), MetaSettingsError::Version(version.into()));
        }
        for token in ["", "a b", "a\r\nb"] {
            assert_eq!(made(|s| s.access_token = token.into()).unwrap_err(), MetaSettingsError::Token);
        }
        let plain = "http://graph.facebook.com";
        assert_eq!(made(|s| s.base_url = plain.into()).unwrap_err(), MetaSettingsError::BaseUrl(plain.into()));
    }
}
