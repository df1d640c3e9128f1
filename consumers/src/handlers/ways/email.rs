//! By email.

use std::{sync::Arc, time::Duration};

use sendoff_events::Personal;
use sendoff_producers::model::Channel;

use super::RESEND;
use crate::{
    Backoff, Effect, Policy,
    channels::{
        Provider,
        email::{Mail, Sender},
    },
    handlers::{Address, Draft, Way, Writing},
    routing::Contact,
    templates::{MailContent, TemplateError},
};

/// Mails.
pub struct ByEmail {
    /// What sends.
    pub provider: Arc<dyn Provider<Mail>>,
    /// Who the mails are from.
    pub from: Sender,
}

impl Way for ByEmail {
    const CHANNEL: Channel = Channel::Email;
    const NAME: &'static str = "email";
    /// A mail is sent once. When its outcome is unknown it is sent again, with the same `Message-ID`: SMTP servers neither
    /// deduplicate nor report back, so waiting would bring nothing, and a mail twice is better than a mail never. But not as often
    /// as there are attempts: after three that nobody answered, a person decides.
    ///
    /// A server that refuses it for now is asked again over about a day, in the end every half hour on average: whoever greylists
    /// wants minutes, and a full mailbox or a filter that is down may take hours. (RFC 5321 § 4.5.4.1 asks for half an hour between
    /// attempts, and for four to five days of them; but a person is to learn of it sooner.) What uses up no attempt waits as elsewhere.
    ///
    /// The timeout leaves the provider time to learn what became of a mail (`SmtpTimeouts`), for two rounds of recipients.
    const POLICY: Policy = Policy {
        max_attempts: 48,
        backoff: Backoff { base: Duration::from_secs(60), cap: Duration::from_secs(3600) },
        timeout: Duration::from_secs(300),
        effect: Effect::Once,
        on_doubt: RESEND,
        ..Policy::DEFAULT
    };

    type Message = Mail;

    fn provider(&self) -> &dyn Provider<Mail> {
        &*self.provider
    }

    fn write(&self, writing: &Writing<'_>) -> Result<Vec<Draft<Mail>>, TemplateError> {
        let Contact::Email(to) = writing.contact else { return Ok(Vec::new()) };
        let Writing { templates, locale, data, branding, .. } = writing;
        let MailContent { subject, html, text } = match writing.own_mail {
            Some((name, own)) => templates.render_custom(name, own, locale, data, branding)?,
            None => templates.render_mail(writing.template, locale, data, branding)?,
        };
        let message = Mail {
            to: Personal::new(to.clone()),
            from: self.from.clone(),
            reply_to: None,
            subject,
            html,
            text,
            idempotency_key: writing.idempotency_key(writing.step),
            date: writing.now,
            // Mail clients act on no other.
            list_unsubscribe: writing.unsubscribe.filter(|url| url.starts_with("https://")).map(str::to_owned),
        };
        let address = Address::Of(Channel::Email, Personal::new(to.expose().to_owned()));
        Ok(vec![Draft { step: writing.step.to_owned(), message, address }])
    }
}
