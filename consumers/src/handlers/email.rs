//! What the handlers of the consumer `email` have in common.

use std::{sync::Arc, time::Duration};

use sendoff_events::{AppId, Personal, TenantId, Timestamp, UserId};
use sendoff_producers::{
    Lookup, RecordKey,
    model::{App, Channel, User, app_key, user_key},
};
use serde::Serialize;

use super::look_up;
use crate::{
    Context, Effect, Found, HandlerError, OnDoubt, Once, Policy, SendOutcome, Sending,
    channels::{
        Provider,
        email::{EmailAddress, Mail, Sender},
    },
    templates::{MailContent, Templates},
};

/// The consumer's name.
pub(super) const NAME: &str = "email";

/// A mail is sent once. When its outcome is unknown it is sent again, with the same `Message-ID`: SMTP servers neither
/// deduplicate nor report back, so waiting would bring nothing, and a mail twice is better than a mail never.
///
/// The timeout leaves the provider time to learn what became of a mail (`SmtpTimeouts`), for two rounds of recipients.
pub(super) const POLICY: Policy = Policy {
    max_attempts: 8,
    timeout: Duration::from_secs(300),
    effect: Effect::Once,
    on_doubt: OnDoubt::Resend,
    ..Policy::DEFAULT
};

/// Everything needed to write to a user.
pub struct EmailDesk {
    /// Where users and apps are looked up. Through a cache an opt-out counts as late as that cache may be.
    pub records: Arc<dyn Lookup>,
    /// The records themselves, never a copy: asked once more before somebody gets no mail, which is for good. May be the same
    /// as `records` where that remembers nothing.
    pub authoritative: Arc<dyn Lookup>,
    /// What sends.
    pub provider: Arc<dyn Provider<Mail>>,
    /// The texts.
    pub templates: Arc<Templates>,
    /// Who the mails are from.
    pub from: Sender,
}

/// A person as templates see them.
#[derive(Serialize)]
pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) name: Personal<String>,
}

/// Somebody who is to get a mail.
pub(super) enum Recipient {
    /// Where to, and what to call them.
    Reachable { user: Box<User>, address: EmailAddress },
    /// They get none, and why.
    Skipped(&'static str),
}

/// A mail that is ready to go, or the reason why none goes.
pub(super) enum Letter {
    Ready { to: EmailAddress, content: MailContent },
    Skipped(&'static str),
}

impl EmailDesk {
    /// Whether and how a user can be reached by email. Looked up at send time, so that an opt-out counts for mails that wait already.
    pub(super) async fn recipient(&self, tenant: &TenantId, id: &UserId) -> Result<Recipient, HandlerError> {
        let key = user_key(tenant, id);
        match recipient(&*self.records, &key).await? {
            // It may be so no longer: the user was just made, or has just given an address.
            Recipient::Skipped(_) => recipient(&*self.authoritative, &key).await,
            reachable => Ok(reachable),
        }
    }

    /// The app that an event speaks of. One that `records` doesn't know may have just been made.
    pub(super) async fn app(&self, tenant: &TenantId, id: &AppId) -> Result<App, HandlerError> {
        match look_up::find(&*self.records, &app_key(tenant, id)).await? {
            Some(app) => Ok(app),
            None => look_up::app(&*self.authoritative, tenant, id).await,
        }
    }

    /// A person as they are called; by their id when they were deleted.
    pub(super) async fn person(&self, tenant: &TenantId, id: &UserId) -> Result<Person, HandlerError> {
        let user = look_up::find::<User>(&*self.records, &user_key(tenant, id)).await?;
        let name = user.map_or_else(|| Personal::new(id.to_string()), |user| user.name);
        Ok(Person { id: id.clone(), name })
    }

    /// Sends the letter to `user`, once.
    pub(super) async fn post(&self, user: &UserId, letter: Letter, cx: &Context) -> Result<Once, HandlerError> {
        let now = cx.now();
        let send = |Sending { idempotency_key, doubt }| async move {
            match letter {
                Letter::Ready { to, content } => {
                    self.provider.send(&self.mail(to, content, idempotency_key, now), doubt.as_ref()).await
                }
                Letter::Skipped(reason) => SendOutcome::Skipped { reason: reason.into() },
            }
        };
        // No mail server can be asked.
        cx.once_or_found(user.as_str(), send, |_| async { Found::CannotTell }).await
    }

    fn mail(&self, to: EmailAddress, content: MailContent, idempotency_key: String, date: Timestamp) -> Mail {
        let MailContent { subject, html, text } = content;
        let (to, from) = (Personal::new(to), self.from.clone());
        Mail { to, from, reply_to: None, subject, html, text, idempotency_key, date, list_unsubscribe: None }
    }
}

/// Whether and how somebody can be reached, as these records have it.
async fn recipient(records: &dyn Lookup, key: &RecordKey) -> Result<Recipient, HandlerError> {
    let Some(user) = look_up::find::<User>(records, key).await? else {
        return Ok(Recipient::Skipped("the user was deleted"));
    };
    if !user.wants(Channel::Email, "") {
        return Ok(Recipient::Skipped("the user has turned emails off"));
    }
    let Some(email) = &user.email else { return Ok(Recipient::Skipped("the user has no email address")) };
    Ok(match email.expose().parse() {
        Ok(address) => Recipient::Reachable { user: Box::new(user), address },
        Err(_) => Recipient::Skipped("the user's email address is not valid"),
    })
}
