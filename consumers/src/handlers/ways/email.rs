//! By email.

use std::{sync::Arc, time::Duration};

use sendoff_events::Personal;
use sendoff_producers::model::Channel;

use super::RESEND;
use crate::{
    Effect, Policy,
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
    /// deduplicate nor report back, so waiting would bring nothing, and a mail twice is better than a mail never. But not eight
    /// times: after three that nobody answered, a person decides.
    ///
    /// The timeout leaves the provider time to learn what became of a mail (`SmtpTimeouts`), for two rounds of recipients.
    const POLICY: Policy = Policy {
        max_attempts: 8,
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
