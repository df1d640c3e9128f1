//! SES over SNS: what becomes of mails.

mod certificate;
mod event;
mod sns;

use std::{fmt, sync::Arc};

use axum::{body::Body, extract::State, http::StatusCode};
use bytes::Bytes;
use certificate::Certificates;
use event::SesEvent;
use reqwest::Method;
use sendoff_events::BoxFuture;
use sendoff_producers::model::Channel;
use sns::{Kind, Notification, Topic};

use super::{CallbackState, SES, answer::Refusal, body};
use crate::{
    DeliveryId,
    channels::{
        email::EmailAddress,
        http::{HttpClient, HttpRequest},
    },
    deliveries,
};

/// Gets what SNS offers: its certificate, and the confirmation of a subscription.
pub trait Fetch: Send + Sync {
    /// The body at an address, if its status is 200. The error says what went wrong.
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Bytes, String>>;
}

impl Fetch for HttpClient {
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Bytes, String>> {
        Box::pin(async move {
            let answer = self.send(HttpRequest::new(Method::GET, url)).await.map_err(|error| error.to_string())?;
            if answer.status == 200 {
                Ok(answer.body)
            } else {
                Err(format!("the answer's status is {}", answer.status))
            }
        })
    }
}

/// How the notifications of SES are recognised.
pub struct SesCallbacks {
    topics: Vec<Topic>,
    certificates: Certificates,
    fetch: Arc<dyn Fetch>,
}

/// The text is not the ARN of an SNS topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an SNS topic: it reads `arn:aws:sns:<region>:<account>:<name>`")]
pub struct TopicError(String);

impl SesCallbacks {
    /// Takes what comes from these topics, given by their ARNs, and from no others.
    ///
    /// # Errors
    ///
    /// [`TopicError`] with the first that isn't one.
    pub fn new<T: AsRef<str>>(topics: impl IntoIterator<Item = T>, fetch: Arc<dyn Fetch>) -> Result<Self, TopicError> {
        let topic = |arn: T| Topic::parse(arn.as_ref()).ok_or_else(|| TopicError(arn.as_ref().to_owned()));
        let topics = topics.into_iter().map(topic).collect::<Result<_, _>>()?;
        Ok(Self { topics, certificates: Certificates::default(), fetch })
    }

    /// Checks that it comes from one of the topics, and when; cheap things first, as anybody can post.
    async fn prove(&self, notification: &Notification, state: &CallbackState) -> Result<&Topic, Refusal> {
        let forged = |why| Refusal::Forged(SES, why);
        let topic = self.topics.iter().find(|topic| topic.arn() == notification.topic);
        let topic = topic.ok_or(forged("its topic isn't on our list"))?;
        if !notification.is_recent(state.now()) {
            return Err(forged("it is older than an hour, or from the future"));
        }
        let url = topic.certificate(&notification.certificate);
        let url = url.ok_or(forged("its certificate doesn't come from SNS in the topic's region"))?;
        let key = self.certificates.key(&url, &*self.fetch).await?;
        if !notification.is_signed_by(&key) {
            return Err(forged("its signature isn't that of SNS"));
        }
        Ok(topic)
    }
}

impl fmt::Debug for SesCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SesCallbacks").field("topics", &self.topics).finish_non_exhaustive()
    }
}

/// The most that one delivery of SNS may hold, in bytes.
const LIMIT: usize = 256 * 1024;

/// `POST /callbacks/ses`
pub(super) async fn notification(State(state): State<Arc<CallbackState>>, body: Body) -> Result<StatusCode, Refusal> {
    let ses = state.ses.as_ref().ok_or(Refusal::NotConfigured)?;
    let body = body::read(body, LIMIT).await?;
    let Ok(notification) = serde_json::from_slice::<Notification>(&body) else {
        return Err(Refusal::Garbled("the body for SES isn't a message of SNS (raw delivery must be off)"));
    };
    let topic = ses.prove(&notification, &state).await?;
    match notification.kind {
        Kind::Notification => take_in(&state, &notification.message).await?,
        Kind::SubscriptionConfirmation => {
            let url = notification.subscribe_url.as_deref().and_then(|url| topic.confirmation(url));
            let url = url.ok_or(Refusal::Forged(SES, "its SubscribeURL doesn't lead to SNS in the topic's region"))?;
            ses.fetch.get(&url).await.map_err(|why| Refusal::Unavailable(format!("confirming {topic}: {why}")))?;
            tracing::info!(%topic, "the subscription was confirmed");
        }
        Kind::UnsubscribeConfirmation => tracing::warn!(%topic, "the subscription has ended: no more news of mails"),
    }
    Ok(StatusCode::OK)
}

async fn take_in(state: &CallbackState, message: &str) -> Result<(), Refusal> {
    // SES announces itself to a new topic in words.
    let Ok(event) = serde_json::from_str::<SesEvent>(message) else {
        tracing::warn!("SNS brings something that isn't an event of SES");
        return Ok(());
    };
    if let Some((reason, addresses)) = event.suppressed() {
        for address in addresses.filter_map(address) {
            state.suppress(Channel::Email, address.expose(), reason, "ses").await?;
        }
    }
    let id = event.delivery();
    if let (Some(Ok(id)), Some(status)) = (id.map(str::parse::<DeliveryId>), event.status()) {
        state.take_in(&id, state.told(status, deliveries::SES, event.message_id(), event.reason())).await?;
    }
    Ok(())
}

/// The address of a recipient, which may stand behind a name: `Ada <ada@example.org>`.
fn address(recipient: &str) -> Option<EmailAddress> {
    let inner = recipient.rsplit_once('<').and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
    inner.unwrap_or(recipient).trim().parse().ok()
}
