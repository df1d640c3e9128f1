//! Push through Firebase Cloud Messaging, HTTP v1
//! (<https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>).

use std::{fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::ExposeSecret as _;
use sendoff_events::{BoxFuture, Clock};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Push, ServiceAccount,
    classify::{NAME, classify},
    token::{Token, Tokens},
};
use crate::{
    Doubt, NotSent, SendOutcome,
    channels::{
        Provider,
        http::{HttpClient, HttpError, HttpRequest, HttpResponse, base_url},
    },
};

/// The most that title, text and data may hold in bytes, names included.
const MAX_PAYLOAD: usize = 4096;

/// The base URL can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FCM's base URL `{0}` is not an https address (nor plain http on this machine)")]
pub struct FcmUrlError(String);

/// Sends notifications to devices, Android and Apple's alike.
///
/// It carries the idempotency key as the notification's tag and, for Apple, as its `apns-collapse-id`: where a message is sent
/// twice, the second notification takes the place of the first. There is no `collapse_key`: FCM passes over it for
/// notifications, and keeps no more than four different ones for a device that is offline.
pub struct FcmPush {
    tokens: Tokens,
    http: HttpClient,
    url: String,
}

impl FcmPush {
    /// Where FCM is.
    pub const BASE_URL: &'static str = "https://fcm.googleapis.com";

    /// Sends for the project of `account` through the FCM at `base`.
    ///
    /// # Errors
    ///
    /// [`FcmUrlError`] when `base` is not an address that secrets may be sent to.
    pub fn new(
        account: ServiceAccount,
        base: &str,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FcmUrlError> {
        let base = base_url(base).ok_or_else(|| FcmUrlError(base.to_owned()))?;
        let tokens = Tokens::new(account, http.clone(), clock);
        let url = format!("{base}/v1/projects/{}/messages:send", tokens.project());
        Ok(Self { tokens, http, url })
    }

    async fn push(&self, push: &Push) -> SendOutcome {
        let payload = size(push);
        if payload > MAX_PAYLOAD {
            let reason = format!("title, text and data hold {payload} bytes, and FCM takes {MAX_PAYLOAD}");
            return SendOutcome::NotSent(NotSent::Permanent { reason });
        }
        let body = body(push);
        let token = match self.tokens.get(None).await {
            Ok(token) => token,
            Err(why) => return SendOutcome::NotSent(why),
        };
        let mut result = self.post(&token, &body).await;
        // A token may be called back before its end. Whoever refuses it has sent nothing.
        if result.as_ref().is_ok_and(|answer| answer.status == 401) {
            let outcome = classify(result);
            if !matches!(outcome, SendOutcome::NotSent(NotSent::Unavailable { .. })) {
                return outcome;
            }
            result = match self.tokens.get(Some(&token)).await {
                Ok(token) => self.post(&token, &body).await,
                Err(why) => return SendOutcome::NotSent(why),
            };
        }
        classify(result)
    }

    async fn post(&self, token: &Token, body: &str) -> Result<HttpResponse, HttpError> {
        let bearer = format!("Bearer {}", token.secret.expose_secret());
        let request = HttpRequest::new(Method::POST, &self.url)
            .body(body.to_owned())
            .header(CONTENT_TYPE, "application/json", false)
            .and_then(|request| request.header(AUTHORIZATION, &bearer, true))
            .map_err(|name| HttpError::Invalid(format!("the header {name} can't be made")))?;
        self.http.send(request).await
    }
}

/// What FCM counts: names and values.
fn size(push: &Push) -> usize {
    let data: usize = push.data.iter().map(|(name, value)| name.len() + value.len()).sum();
    "title".len() + push.title.len() + "body".len() + push.body.len() + data
}

fn body(push: &Push) -> String {
    // Apple takes at most 64 bytes.
    let tag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&push.idempotency_key));
    let mut message = json!({
        "token": push.token.expose(),
        "notification": { "title": push.title, "body": push.body },
        "android": { "notification": { "tag": tag } },
        "apns": { "headers": { "apns-collapse-id": tag } },
    });
    if !push.data.is_empty() {
        message["data"] = Value::from_iter(push.data.clone());
    }
    json!({ "message": message }).to_string()
}

impl Provider<Push> for FcmPush {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, push: &'a Push, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.push(push))
    }
}

impl fmt::Debug for FcmPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FcmPush").field("url", &self.url).finish_non_exhaustive()
    }
}
