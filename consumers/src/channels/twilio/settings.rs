//! What Twilio has to be told once.

use std::{str::FromStr, time::Duration};

use super::sender::{TwilioSender, TwilioSenderError, is_sid};
use crate::channels::http::bare_url;
use secrecy::SecretString;

/// The name of an account at Twilio: `AC` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSid(String);

/// The text is no account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the SID of a Twilio account: AC and 32 hexadecimal digits, as the console shows it")]
pub struct AccountSidError(String);

impl AccountSid {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountSid {
    type Err = AccountSidError;

    fn from_str(text: &str) -> Result<Self, AccountSidError> {
        if is_sid(text, "AC") {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccountSidError(text.chars().take(80).collect()))
        }
    }
}

/// How messages are sent through Twilio.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// The account.
    pub account_sid: AccountSid,
    /// Its secret. Callbacks are signed with it, too.
    pub auth_token: SecretString,
    /// Who messages come from.
    pub from: TwilioSender,
    /// Where Twilio is: `https://api.twilio.com`. Plain http only on this machine, for tests.
    pub base_url: String,
    /// Where Twilio tells what became of a message: `https://notify.example.org/callbacks/twilio`, to which
    /// `?delivery=<idempotency key>` is added. Without it nothing is told.
    pub callback: Option<String>,
    /// For how long Twilio may try to hand a message on, in whole seconds up to ten hours, which is the default.
    pub validity: Option<Duration>,
    /// That no other process sends through this account. Only then is it known whose a listed message is that could be
    /// another delivery's of the same text: see [`find`](super#what-find-can-tell).
    pub only_sender: bool,
}

/// The settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwilioSettingsError {
    /// The address of the API.
    #[error(
        "Twilio's base URL `{0}` is not an https address without user, query and fragment (http only for this machine)"
    )]
    BaseUrl(String),
    /// The address for callbacks.
    #[error(
        "the callback URL `{0}` is not an http or https address without user, query and fragment whose host has no `_`"
    )]
    Callback(String),
    /// The time that a message may take.
    #[error("the validity of {0:?} is not between 1 second and 10 hours")]
    Validity(Duration),
    /// The sender.
    #[error(transparent)]
    Sender(#[from] TwilioSenderError),
}

impl TwilioSettings {
    /// The settings that most have: Twilio itself, no callbacks, no limit of time.
    #[must_use]
    pub fn new(account_sid: AccountSid, auth_token: SecretString, from: TwilioSender) -> Self {
        let base_url = "https://api.twilio.com".to_owned();
        Self { account_sid, auth_token, from, base_url, callback: None, validity: None, only_sender: false }
    }

    /// The seconds of [`validity`](Self::validity) (Twilio: an integer from 1 to 36000).
    pub(super) fn validity_seconds(&self) -> Result<Option<u64>, TwilioSettingsError> {
        let Some(validity) = self.validity else { return Ok(None) };
        let seconds = validity.as_secs();
        if (1..=36_000).contains(&seconds) { Ok(Some(seconds)) } else { Err(TwilioSettingsError::Validity(validity)) }
    }

    /// The callback URL, checked by Twilio's rules for it.
    pub(super) fn callback_url(&self) -> Result<Option<String>, TwilioSettingsError> {
        let Some(text) = &self.callback else { return Ok(None) };
        let error = || TwilioSettingsError::Callback(text.clone());
        let url = bare_url(text).ok_or_else(error)?;
        if url.host_str().is_some_and(|host| host.contains('_')) {
            return Err(error());
        }
        Ok(Some(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TwilioSettings {
        let sid = "AC0123456789abcdef0123456789ABCDEF".parse().unwrap();
        TwilioSettings::new(sid, "secret".into(), "+4930123456".parse().unwrap())
    }

    #[test]
    fn an_account_is_ac_and_32_hexadecimal_digits() {
        for text in [
            "",
            "AC",
            "ac0123456789abcdef0123456789ABCDEF",
            "AC0123456789abcdef0123456789ABCDEG",
            "SK0123456789abcdef0123456789ABCDEF",
        ] {
            let error = text.parse::<AccountSid>().unwrap_err().to_string();
            assert!(error.contains("32 hexadecimal digits"), "{error}");
        }
        assert_eq!(settings().account_sid.as_str().len(), 34);
    }

    #[test]
    fn a_callback_that_twilio_would_refuse_is_refused_at_the_start() {
        let with = |text: &str| TwilioSettings { callback: Some(text.into()), ..settings() }.callback_url();
        assert!(with("https://notify.example.org/callbacks/twilio").unwrap().is_some());
        for text in
            ["", "/callbacks", "https://no_tify.example.org/x", "https://notify.example.org/x?y=1", "mailto:a@b"]
        {
            assert!(with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_validity_outside_of_twilios_limits_is_refused() {
        let with = |seconds| TwilioSettings { validity: Some(Duration::from_secs(seconds)), ..settings() };
        assert_eq!(with(36_000).validity_seconds(), Ok(Some(36_000)));
        assert!(with(0).validity_seconds().is_err() && with(36_001).validity_seconds().is_err());
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        assert!(!format!("{:?}", settings()).contains("secret\""));
    }
}
