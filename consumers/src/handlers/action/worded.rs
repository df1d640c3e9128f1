//! Messages in the words of the call.

use sendoff_events::Personal;
use sendoff_producers::model::{Channel, MailTemplate};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::call::Content;
use crate::{
    channels::{
        PhoneNumber,
        push::Push,
        sms::Sms,
        whatsapp::{Whatsapp, WhatsappContent},
    },
    handlers::{Address, ByEmail, ByPush, BySms, ByWhatsapp, Draft, Way, Writing},
    routing::Contact,
    templates::{TemplateError, clean},
};

/// A channel that takes messages as somebody has worded them.
pub trait Worded: Way {
    /// The messages that say this: one, or one for each device. None when the words or the contact aren't of this channel's kind.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when they would grow too large.
    fn worded(&self, content: &Content, writing: Writing<'_>) -> Result<Vec<Draft<Self::Message>>, TemplateError>;
}

impl Worded for ByEmail {
    fn worded(&self, content: &Content, writing: Writing<'_>) -> Result<Vec<Draft<Self::Message>>, TemplateError> {
        let Content::Mail { subject, text, html } = content else { return Ok(Vec::new()) };
        // What somebody has written is data, never a template: what looks like one stays as it is.
        let own = MailTemplate { subject: "{{ subject }}".into(), text: "{{ text }}".into() };
        let mut data = writing.data.clone();
        data["subject"] = json!(subject);
        data["text"] = json!(text);
        let mut drafts = self.write(&Writing { data: &data, own_mail: Some(("the call", &own)), ..writing })?;
        for draft in &mut drafts {
            if let Some(html) = html {
                draft.message.html = clean::text(html).into_owned();
            }
        }
        Ok(drafts)
    }
}

impl Worded for BySms {
    fn worded(&self, content: &Content, writing: Writing<'_>) -> Result<Vec<Draft<Sms>>, TemplateError> {
        let (Contact::Phone(to), Content::Text(text)) = (writing.contact, content) else { return Ok(Vec::new()) };
        let idempotency_key = writing.idempotency_key(writing.step);
        let message = Sms { to: Personal::new(to.clone()), text: text.clone(), idempotency_key };
        Ok(vec![phone(Channel::Sms, to, message, &writing)])
    }
}

impl Worded for ByWhatsapp {
    fn worded(&self, content: &Content, writing: Writing<'_>) -> Result<Vec<Draft<Whatsapp>>, TemplateError> {
        let Contact::Phone(to) = writing.contact else { return Ok(Vec::new()) };
        let content = match content {
            Content::Text(text) => WhatsappContent::Text(text.clone()),
            Content::Approved(template) => WhatsappContent::Template(template.clone()),
            _ => return Ok(Vec::new()),
        };
        let idempotency_key = writing.idempotency_key(writing.step);
        let message = Whatsapp { to: Personal::new(to.clone()), content, idempotency_key };
        Ok(vec![phone(Channel::Whatsapp, to, message, &writing)])
    }
}

impl Worded for ByPush {
    fn worded(&self, content: &Content, writing: Writing<'_>) -> Result<Vec<Draft<Push>>, TemplateError> {
        let (Contact::Devices(tokens), Content::Push { title, body, data }) = (writing.contact, content) else {
            return Ok(Vec::new());
        };
        let draft = |token: &Personal<String>| {
            let step = format!("{}/{}", writing.step, hash(token.expose()));
            let message = Push {
                token: token.clone(),
                title: title.clone(),
                body: body.clone(),
                data: data.clone(),
                idempotency_key: writing.idempotency_key(&step),
            };
            Draft { step, message, address: Address::Device(token.clone()) }
        };
        Ok(tokens.iter().map(draft).collect())
    }
}

fn phone<M>(channel: Channel, to: &PhoneNumber, message: M, writing: &Writing<'_>) -> Draft<M> {
    let address = Address::Of(channel, Personal::new(to.expose().to_owned()));
    Draft { step: writing.step.to_owned(), message, address }
}

/// 64 bits of it tell the devices of a user apart, and tell nobody the token.
fn hash(token: &str) -> String {
    Sha256::digest(token).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
