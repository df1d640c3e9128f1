//! A text for any channel.

use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;

use super::{MailContent, PushContent, TemplateError, Templates};
use crate::channels::whatsapp::WhatsappContent;

/// What a template has made. Personal, like whatever was put into it: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Rendered {
    /// A mail.
    Mail(MailContent),
    /// The text of an SMS.
    Sms(String),
    /// What a WhatsApp message says.
    Whatsapp(WhatsappContent),
    /// A notification.
    Push(PushContent),
}

impl Templates {
    /// What a template of this channel makes, whichever it is.
    ///
    /// # Errors
    ///
    /// As that of the channel: [`render_mail`](Self::render_mail), [`render_sms`](Self::render_sms),
    /// [`render_whatsapp`](Self::render_whatsapp), [`render_push`](Self::render_push).
    pub fn render(
        &self,
        channel: Channel,
        name: &str,
        locale: &str,
        data: &impl Serialize,
        branding: &Branding,
    ) -> Result<Rendered, TemplateError> {
        match channel {
            Channel::Email => self.render_mail(name, locale, data, branding).map(Rendered::Mail),
            Channel::Sms => self.render_sms(name, locale, data, branding).map(Rendered::Sms),
            Channel::Whatsapp => self.render_whatsapp(name, locale, data, branding).map(Rendered::Whatsapp),
            Channel::Push => self.render_push(name, locale, data, branding).map(Rendered::Push),
        }
    }
}
