//! Handing a message over to Twilio.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::Clock;
use url::form_urlencoded;

use super::{
    attempts::Attempts,
    classify::classify,
    sender::{TwilioSender, WHATSAPP},
    settings::{TwilioSettings, TwilioSettingsError},
};
use crate::{
    NotSent, SendOutcome,
    channels::{
        PhoneNumber,
        http::{HttpClient, HttpRequest, base_url},
    },
};

/// What may stand in a query as it is (RFC 3986 § 2.3).
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which of Twilio's channels messages go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Sms,
    Whatsapp,
}

impl Route {
    /// The number as an address of this channel.
    pub(crate) fn address(self, number: &str) -> String {
        match self {
            Self::Sms => number.to_owned(),
            Self::Whatsapp => format!("{WHATSAPP}{number}"),
        }
    }
}

/// What both of Twilio's channels have in common.
pub(crate) struct Twilio {
    http: HttpClient,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) route: Route,
    pub(super) from: TwilioSender,
    pub(super) only_sender: bool,
    pub(super) attempts: Attempts,
    base: String,
    path: String,
    authorization: SecretString,
    callback: Option<String>,
    validity: Option<u64>,
}

impl Twilio {
    pub(crate) fn new(
        route: Route,
        settings: TwilioSettings,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TwilioSettingsError> {
        let (callback, validity) = (settings.callback_url()?, settings.validity_seconds()?);
        let TwilioSettings { account_sid, auth_token, from, base_url: base, only_sender, .. } = settings;
        let base = base_url(&base).ok_or_else(|| TwilioSettingsError::BaseUrl(base.clone()))?.to_owned();
        let from = if route == Route::Whatsapp { from.on_whatsapp()? } else { from };
        let account = account_sid.as_str();
        let credentials = STANDARD.encode(format!("{account}:{}", auth_token.expose_secret()));
        Ok(Self {
            path: format!("/2010-04-01/Accounts/{account}/Messages.json"),
            authorization: format!("Basic {credentials}").into(),
            attempts: Attempts::since(clock.now()),
            http,
            clock,
            route,
            from,
            only_sender,
            base,
            callback,
            validity,
        })
    }

    /// Sends what `content` says. What was definitely not sent is known to be, and nothing is tried twice.
    pub(crate) async fn send(
        &self,
        to: &PhoneNumber,
        content: impl IntoIterator<Item = (&'static str, &str)>,
        key: &str,
    ) -> SendOutcome {
        let to = self.route.address(to.expose());
        let request = match self.authorized(self.message(&to, content, key)) {
            Ok(request) => request,
            Err(reason) => return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason }),
        };
        let begun = self.attempts.begin(&to, key, self.clock.now());
        let outcome = classify(&self.http.send(request).await);
        self.attempts.conclude(&begun, &outcome);
        outcome
    }

    fn message<'a>(
        &self,
        to: &str,
        content: impl IntoIterator<Item = (&'static str, &'a str)>,
        key: &str,
    ) -> HttpRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", to);
        match &self.from {
            TwilioSender::Service(sid) => form.append_pair("MessagingServiceSid", sid),
            from => form.append_pair("From", &self.route.address(&from.to_string())),
        };
        form.extend_pairs(content);
        if let Some(callback) = &self.callback {
            let delivery = utf8_percent_encode(key, QUERY_VALUE);
            form.append_pair("StatusCallback", &format!("{callback}?delivery={delivery}"));
        }
        if let Some(seconds) = self.validity {
            form.append_pair("ValidityPeriod", &seconds.to_string());
        }
        HttpRequest::new(Method::POST, self.messages_url()).body(form.finish())
    }

    /// The request with our credentials.
    ///
    /// # Errors
    ///
    /// What can't stand in a header.
    pub(super) fn authorized(&self, request: HttpRequest) -> Result<HttpRequest, String> {
        let is_form = request.method == Method::POST;
        let unfit =
            |name| format!("the header `{name}` for Twilio can't be made: the auth token holds what it may not");
        let request = request.header(AUTHORIZATION, self.authorization.expose_secret(), true).map_err(unfit)?;
        if is_form {
            request.header(CONTENT_TYPE, "application/x-www-form-urlencoded", false).map_err(unfit)
        } else {
            Ok(request)
        }
    }

    pub(super) fn messages_url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    pub(super) fn base_and_path(&self) -> (&str, &str) {
        (&self.base, &self.path)
    }

    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio").field("base", &self.base).field("route", &self.route).finish_non_exhaustive()
    }
}
