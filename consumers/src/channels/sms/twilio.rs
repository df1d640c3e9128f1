//! Text messages through Twilio.

use std::sync::Arc;

use sendoff_events::{BoxFuture, Clock};

use super::Sms;
use crate::{
    Doubt, Found, NotSent, SendOutcome,
    channels::{
        Provider,
        http::HttpClient,
        twilio::{MAX_TEXT, NAME, Route, Twilio, TwilioSettings, TwilioSettingsError},
    },
};

/// Sends text messages through Twilio, and can ask it what became of one: see [`twilio`](crate::channels::twilio).
#[derive(Debug)]
pub struct TwilioSms(Twilio);

impl TwilioSms {
    /// A provider.
    ///
    /// # Errors
    ///
    /// [`TwilioSettingsError`] when one of the settings can't be right.
    pub fn new(settings: TwilioSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Result<Self, TwilioSettingsError> {
        Twilio::new(Route::Sms, settings, http, clock).map(Self)
    }
}

impl Provider<Sms> for TwilioSms {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, sms: &'a Sms, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            if let Err(reason) = check_text(&sms.text) {
                return SendOutcome::NotSent(NotSent::Permanent { reason });
            }
            self.0.send(sms.to.expose(), [("Body", &*sms.text)], &sms.idempotency_key).await
        })
    }

    fn find<'a>(&'a self, sms: &'a Sms, doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(self.0.find(sms.to.expose(), &sms.text, doubt))
    }
}

/// Twilio's own rules for a text, so that a text that breaks them costs no request.
///
/// # Errors
///
/// What is wrong with it.
pub(in crate::channels) fn check_text(text: &str) -> Result<(), String> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err("the text is empty".to_owned()),
        count if count > MAX_TEXT => {
            Err(format!("the text has {count} characters; Twilio takes {MAX_TEXT}: shorten its template"))
        }
        _ => Ok(()),
    }
}
