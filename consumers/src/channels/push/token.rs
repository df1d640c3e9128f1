//! The token that messages are sent with: fetched when it is needed, by one for all, and kept until shortly before its end.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::lock::Mutex;
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::{Clock, Timestamp};
use serde::Deserialize;
use url::form_urlencoded;

use super::account::ServiceAccount;
use crate::{
    NotSent,
    channels::http::{HttpClient, HttpError, HttpRequest},
    moments::later,
    scrub,
};

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(300);
/// The longest that a token is believed to be good.
const MAX_LIFE: Duration = Duration::from_secs(3600);

/// A token, and its number: the first is 1.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: Arc<SecretString>,
    number: u64,
    until: Timestamp,
}

pub(super) struct Tokens {
    account: ServiceAccount,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Result<Token, NotSent>>>,
    /// How many times a token was asked for, so that those who wait for one answer take it, whatever it is.
    fetches: AtomicU64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
    token_type: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl Tokens {
    pub(super) fn new(account: ServiceAccount, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self { account, http, clock, last: Mutex::new(None), fetches: AtomicU64::new(0) }
    }

    pub(super) fn project(&self) -> &str {
        &self.account.project
    }

    /// A token that is good for a while; another one than `instead_of`, which was refused.
    ///
    /// # Errors
    ///
    /// [`NotSent::Unavailable`]: without a token nothing can be sent, and nothing was.
    pub(super) async fn get(&self, instead_of: Option<&Token>) -> Result<Token, NotSent> {
        let before = self.fetches.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(token))
                if token.until > self.clock.now() && instead_of.is_none_or(|old| old.number != token.number) =>
            {
                return Ok(token.clone());
            }
            // It was asked for while this one waited, in vain: each trying by itself would take as long as all together.
            Some(Err(why)) if self.fetches.load(Ordering::Acquire) > before => return Err(why.clone()),
            _ => {}
        }
        // Only whoever holds the lock counts on.
        let number = self.fetches.load(Ordering::Acquire) + 1;
        let fetched = self.fetch(number).await;
        *last = Some(fetched.clone());
        self.fetches.store(number, Ordering::Release);
        fetched
    }

    async fn fetch(&self, number: u64) -> Result<Token, NotSent> {
        let unavailable = |after, reason| NotSent::Unavailable { after, reason };
        let asked = self.clock.now();
        let request = self.request(asked).map_err(|reason| unavailable(None, reason))?;
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(HttpError::NotSent(why) | HttpError::Unknown(why) | HttpError::Invalid(why)) => {
                return Err(unavailable(None, format!("no token from Google: {why}")));
            }
        };
        if !answer.status.is_success() {
            let Refused { error, error_description } = serde_json::from_slice(&answer.body).unwrap_or_default();
            let text: String = scrub(&format!("{error} {error_description}")).chars().take(200).collect();
            let reason = format!("no token from Google: {} {text}", answer.status.as_u16());
            return Err(unavailable(answer.retry_after(), reason));
        }
        match serde_json::from_slice::<Granted>(&answer.body) {
            Ok(Granted { access_token, expires_in, token_type }) if token_type.eq_ignore_ascii_case("bearer") => {
                let life = Duration::from_secs(expires_in).min(MAX_LIFE);
                let until = later(asked, life.saturating_sub(MARGIN).max(life / 2));
                Ok(Token { secret: Arc::new(access_token.into()), number, until })
            }
            _ => Err(unavailable(None, "no token from Google: its answer can't be read".into())),
        }
    }

    fn request(&self, now: Timestamp) -> Result<HttpRequest, String> {
        let assertion = self.account.assertion(now)?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose_secret())
            .finish();
        HttpRequest::new(Method::POST, &self.account.token_uri)
            .body(body)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded", false)
            .and_then(|request| request.header(ACCEPT, "application/json", false))
            .map_err(|name| format!("the header {name} can't be made"))
    }
}
