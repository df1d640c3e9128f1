//! Messages as they would be sent.

use jiff::Timestamp;
use sendoff_consumers::{
    channels::{sms::segments, whatsapp::WhatsappContent},
    templates::{MailContent, PushContent, Rendered, TemplateError, Templates},
};
use sendoff_producers::model::{Branding, Channel, MailTemplate};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::users::{self, Reached, Users};

/// A message that would be sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    /// By which step.
    pub(super) step: String,
    /// `user ada`, or an address; both where the user is known.
    pub(super) to: String,
    /// The language that a template is filled in.
    pub(super) locale: String,
    #[serde(flatten)]
    pub(super) said: Said,
}

/// What a message says.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "channel", rename_all = "lowercase")]
pub(super) enum Said {
    Mail { subject: String, text: String, html_bytes: usize },
    Sms { text: String, encoding: &'static str, segments: usize, units: usize },
    Whatsapp { template: Option<String>, parameters: Vec<String>, text: String },
    Push { title: String, body: String },
}

/// What makes texts of calls.
pub(super) struct Writer<'a> {
    pub(super) templates: &'a Templates,
    /// Of those of whom no other is known.
    pub(super) locale: &'a str,
    pub(super) users: &'a Users,
    pub(super) now: Timestamp,
}

/// What becomes of a message.
pub(super) enum Written {
    Sent(Message),
    /// Not sent, for this reason.
    Skipped(String),
}

/// Whom a message goes to.
struct Addressee {
    /// As people know it.
    shown: String,
    locale: String,
    /// What templates know of them.
    user: Value,
}

impl Writer<'_> {
    /// What becomes of the message that the call asks for; nothing if it asks for something else.
    pub(super) fn write(&self, step: &str, call: &Value) -> Option<Result<Written, TemplateError>> {
        let channel = Channel::ALL.into_iter().find(|channel| call["action"] == channel.name())?;
        let to = match self.addressee(channel, call) {
            Ok(to) => to,
            Err(why) => return Some(Ok(Written::Skipped(why))),
        };
        let said = self.said(channel, call, &to);
        let message = |said| Message { step: step.to_owned(), to: to.shown.clone(), locale: to.locale.clone(), said };
        Some(said.map(message).map(Written::Sent))
    }

    fn addressee(&self, channel: Channel, call: &Value) -> Result<Addressee, String> {
        let (shown, locale, name) = match (&call["to"]["user"], &call["to"]["address"]) {
            (Value::String(id), _) => match self.users.reach(id, channel, self.now) {
                Reached::NotLookedUp => (format!("user {id}"), self.locale, id.clone()),
                Reached::At(user, contact) => {
                    let place = users::shown(&contact);
                    (format!("{place} (user {id})"), user.locale.as_str(), user.name.expose().clone())
                }
                Reached::Skipped(why) => return Err(why),
            },
            (_, Value::String(address)) => (address.clone(), self.locale, address.clone()),
            _ => ("nobody".to_owned(), self.locale, "nobody".to_owned()),
        };
        let locale = call["template"]["locale"].as_str().map_or_else(|| locale.to_owned(), str::to_owned);
        let user = json!({ "id": text(&call["to"]["user"]), "name": name });
        Ok(Addressee { shown, locale, user })
    }

    fn said(&self, channel: Channel, call: &Value, to: &Addressee) -> Result<Said, TemplateError> {
        if let Value::Object(template) = &call["template"] {
            return self.filled(channel, template, to).map(said);
        }
        let text = |name: &str| text(&call[name]);
        Ok(match channel {
            Channel::Email => {
                // As the channel does it: what somebody has written is data, never a template.
                let own = MailTemplate { subject: "{{ subject }}".into(), text: "{{ text }}".into() };
                let data = json!({ "subject": text("subject"), "text": text("text") });
                let branding = Branding::default();
                let mut mail = self.templates.render_custom("the call", &own, &to.locale, &data, &branding)?;
                if let Value::String(html) = &call["html"] {
                    mail.html.clone_from(html);
                }
                said(Rendered::Mail(mail))
            }
            Channel::Sms => said(Rendered::Sms(text("text"))),
            Channel::Whatsapp => match &call["approved_template"] {
                Value::Object(template) => Said::Whatsapp {
                    template: Some(self::text(template.get("name").unwrap_or(&Value::Null))),
                    parameters: match template.get("parameters") {
                        Some(Value::Array(parameters)) => parameters.iter().map(self::text).collect(),
                        _ => Vec::new(),
                    },
                    text: self::text(template.get("text").unwrap_or(&Value::Null)),
                },
                _ => Said::Whatsapp { template: None, parameters: Vec::new(), text: text("text") },
            },
            Channel::Push => Said::Push { title: text("title"), body: text("body") },
        })
    }

    fn filled(
        &self,
        channel: Channel,
        template: &Map<String, Value>,
        to: &Addressee,
    ) -> Result<Rendered, TemplateError> {
        let name = text(template.get("name").unwrap_or(&Value::Null));
        let mut data = match template.get("data") {
            Some(Value::Object(data)) => data.clone(),
            _ => Map::new(),
        };
        data.entry("user").or_insert_with(|| to.user.clone());
        self.templates.render(channel, &name, &to.locale, &data, &Branding::default())
    }
}

fn said(rendered: Rendered) -> Said {
    match rendered {
        Rendered::Mail(MailContent { subject, html, text }) => Said::Mail { subject, text, html_bytes: html.len() },
        Rendered::Sms(text) => {
            let taken = segments(&text);
            Said::Sms { text, encoding: taken.encoding.name(), segments: taken.count, units: taken.units }
        }
        Rendered::Whatsapp(WhatsappContent::Text(text)) => {
            Said::Whatsapp { template: None, parameters: Vec::new(), text }
        }
        Rendered::Whatsapp(WhatsappContent::Template(template)) => {
            Said::Whatsapp { template: Some(template.name), parameters: template.parameters, text: template.text }
        }
        Rendered::Push(PushContent { title, body }) => Said::Push { title, body },
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
