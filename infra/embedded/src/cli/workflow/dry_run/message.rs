//! Messages as they would be sent.

use sendoff_consumers::{
    channels::{sms::segments, whatsapp::WhatsappContent},
    templates::{MailContent, PushContent, Rendered, TemplateError, Templates},
};
use sendoff_producers::model::{Branding, Channel, MailTemplate};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A message that would be sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    /// By which step.
    pub(super) step: String,
    /// `user ada`, or an address.
    pub(super) to: String,
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
    pub(super) locale: &'a str,
}

impl Writer<'_> {
    /// The message that the call asks for; nothing if it asks for something else.
    pub(super) fn write(&self, step: &str, call: &Value) -> Option<Result<Message, TemplateError>> {
        let channel = Channel::ALL.into_iter().find(|channel| call["action"] == channel.name())?;
        let to = match (&call["to"]["user"], &call["to"]["address"]) {
            (Value::String(user), _) => format!("user {user}"),
            (_, Value::String(address)) => address.clone(),
            _ => "nobody".to_owned(),
        };
        let said = self.said(channel, call, &to);
        Some(said.map(|said| Message { step: step.to_owned(), to, said }))
    }

    fn said(&self, channel: Channel, call: &Value, to: &str) -> Result<Said, TemplateError> {
        if let Value::Object(template) = &call["template"] {
            return self.filled(channel, template, call, to).map(said);
        }
        let text = |name: &str| text(&call[name]);
        Ok(match channel {
            Channel::Email => {
                // As the channel does it: what somebody has written is data, never a template.
                let own = MailTemplate { subject: "{{ subject }}".into(), text: "{{ text }}".into() };
                let data = json!({ "subject": text("subject"), "text": text("text") });
                let branding = Branding::default();
                let mut mail = self.templates.render_custom("the call", &own, self.locale, &data, &branding)?;
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
        call: &Value,
        to: &str,
    ) -> Result<Rendered, TemplateError> {
        let name = text(template.get("name").unwrap_or(&Value::Null));
        let locale = template.get("locale").and_then(Value::as_str).unwrap_or(self.locale);
        let mut data = match template.get("data") {
            Some(Value::Object(data)) => data.clone(),
            _ => Map::new(),
        };
        // What is known of a user stands in their record, which isn't looked up.
        let user = json!({ "id": text(&call["to"]["user"]), "name": to.trim_start_matches("user ") });
        data.entry("user").or_insert(user);
        self.templates.render(channel, &name, locale, &data, &Branding::default())
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
