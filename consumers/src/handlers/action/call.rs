//! What a call asks for. The format is described in the module above; it is strict, since what is misread is sent.

use std::collections::BTreeMap;

use sendoff_events::{AppId, Personal, UserId};
use serde_json::{Map, Value};

use super::{
    ActionError,
    fields::Fields,
    head::{Head, MAX_CALL, MAX_LINE},
};
use crate::channels::whatsapp::WhatsappTemplate;

/// A call, read.
pub(super) struct Call {
    pub(super) head: Head,
    pub(super) to: To,
    pub(super) content: Content,
}

/// Who is to get it.
pub(super) enum To {
    User(UserId),
    /// As the channel has addresses.
    Address(Personal<String>),
    /// An endpoint that an app has registered.
    Webhook {
        app: AppId,
        webhook: String,
    },
}

/// What a call wants to be said.
#[non_exhaustive]
pub enum Content {
    /// One of our templates.
    Template {
        /// Its name.
        name: String,
        /// The language; the user's where none is named.
        locale: Option<String>,
        /// What it is filled with.
        data: Map<String, Value>,
    },
    /// A mail.
    Mail {
        /// Its subject.
        subject: String,
        /// Its text.
        text: String,
        /// The same as HTML; made of the text where there is none.
        html: Option<String>,
    },
    /// A text message, or a WhatsApp message.
    Text(String),
    /// A WhatsApp message by a template that Meta has approved.
    Approved(WhatsappTemplate),
    /// A push message.
    Push {
        /// Its title.
        title: String,
        /// The text below it.
        body: String,
        /// What the app on the device is told besides.
        data: BTreeMap<String, String>,
    },
    /// What is posted to a webhook.
    Payload(Value),
}

impl Call {
    /// The call of `channel` in the text.
    pub(super) fn read(channel: &'static str, text: &str) -> Result<Self, ActionError> {
        let (head, mut fields) = Head::read(channel, text)?;
        let to = to(channel, fields.object("to")?)?;
        let content = content(channel, &mut fields)?;
        fields.done()?;
        Ok(Self { head, to, content })
    }
}

fn to(channel: &str, mut fields: Fields) -> Result<To, ActionError> {
    let to = if channel == super::WEBHOOK {
        let app = fields.parsed("app", "the id of an app")?;
        To::Webhook { app, webhook: fields.text("webhook", MAX_LINE)? }
    } else if fields.has("user") && fields.has("address") {
        return Err(fields.wrong("user", "stands beside `to.address`: name one of them"));
    } else if fields.has("address") {
        To::Address(Personal::new(fields.text("address", 4096)?))
    } else {
        To::User(fields.parsed("user", "the id of a user")?)
    };
    // Both are known, whichever was taken.
    if !matches!(to, To::Webhook { .. }) {
        let _ = (fields.take("user"), fields.take("address"));
    }
    fields.done()?;
    Ok(to)
}

fn content(channel: &str, fields: &mut Fields) -> Result<Content, ActionError> {
    if channel == super::WEBHOOK {
        let payload = fields.take("payload").ok_or_else(|| fields.missing("payload"))?;
        return Ok(Content::Payload(payload));
    }
    if fields.has("template") {
        let mut template = fields.object("template")?;
        let name = template.text("name", MAX_LINE)?;
        let locale = template.optional_text("locale", 35)?;
        if locale.as_ref().is_some_and(|tag| !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
            return Err(template.wrong("locale", "must be a language tag such as `en` or `de-CH`"));
        }
        let data = template.map("data")?;
        template.done()?;
        return Ok(Content::Template { name, locale, data });
    }
    match channel {
        "email" => {
            let subject = fields.text("subject", MAX_LINE)?;
            Ok(Content::Mail {
                subject,
                text: fields.text("text", MAX_CALL)?,
                html: fields.optional_text("html", MAX_CALL)?,
            })
        }
        "whatsapp" if fields.has("approved_template") => approved(fields.object("approved_template")?),
        "push" => {
            let (title, body) = (fields.text("title", MAX_LINE)?, fields.text("body", MAX_CALL)?);
            let data: Option<BTreeMap<_, _>> =
                fields.map("data")?.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect();
            let data = data.ok_or_else(|| fields.wrong("data", "must hold texts only"))?;
            Ok(Content::Push { title, body, data })
        }
        _ => Ok(Content::Text(fields.text("text", MAX_CALL)?)),
    }
}

fn approved(mut fields: Fields) -> Result<Content, ActionError> {
    let template = WhatsappTemplate {
        name: fields.text("name", MAX_LINE)?,
        language: fields.text("language", 35)?,
        content_sid: fields.optional_text("content_sid", 34)?,
        parameters: fields.texts("parameters")?,
        text: fields.optional_text("text", MAX_CALL)?.unwrap_or_default(),
    };
    fields.done()?;
    Ok(Content::Approved(template))
}
