//! A text as it is shown.

use std::{fmt, path::PathBuf};

use sendoff_consumers::{
    channels::{
        sms::segments,
        whatsapp::{WhatsappContent, WhatsappTemplate},
    },
    templates::{MailContent, PushContent, Rendered},
};
use sendoff_embedded::program::Stopped;
use sendoff_producers::model::Channel;
use serde::Serialize;
use serde_json::json;

/// The largest message that FCM takes, in bytes.
const FCM_BYTES: usize = 4096;

/// What a template has made for a channel.
#[derive(Serialize)]
pub(super) struct Shown {
    channel: Channel,
    locale: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Mail { subject: String, html_file: PathBuf, html_bytes: usize, text: String },
    Sms { text: String, encoding: &'static str, segments: usize, units: usize, units_per_segment: usize },
    Whatsapp { template: String, language: String, content_sid: Option<String>, parameters: Vec<String>, text: String },
    FreeText { text: String },
    Push { title: String, body: String, bytes: usize, max_bytes: usize },
}

impl Shown {
    /// `write` puts the HTML of a mail where it can be looked at.
    pub(super) fn of(
        channel: Channel,
        locale: &str,
        rendered: Rendered,
        write: impl Fn(&str) -> Result<PathBuf, Stopped>,
    ) -> Result<Self, Stopped> {
        let content = match rendered {
            Rendered::Mail(MailContent { subject, html, text }) => {
                Content::Mail { subject, html_file: write(&html)?, html_bytes: html.len(), text }
            }
            Rendered::Sms(text) => {
                let taken = segments(&text);
                let (encoding, units_per_segment) = (taken.encoding.name(), taken.per_segment);
                Content::Sms { text, encoding, segments: taken.count, units: taken.units, units_per_segment }
            }
            Rendered::Whatsapp(WhatsappContent::Text(text)) => Content::FreeText { text },
            Rendered::Whatsapp(WhatsappContent::Template(template)) => {
                let WhatsappTemplate { name: template, language, content_sid, parameters, text } = template;
                Content::Whatsapp { template, language, content_sid, parameters, text }
            }
            Rendered::Push(PushContent { title, body }) => {
                let bytes = json!({ "notification": { "title": title, "body": body } }).to_string().len();
                Content::Push { title, body, bytes, max_bytes: FCM_BYTES }
            }
        };
        Ok(Self { channel, locale: locale.into(), content })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "== {} in {}", self.channel.name(), self.locale)?;
        match &self.content {
            Content::Mail { subject, html_file, html_bytes, text } => {
                let html = html_file.display();
                write!(f, "Subject:  {subject}\nHTML:     {html} ({html_bytes} bytes)\n\n{}\n", text.trim_end())
            }
            Content::Sms { text, encoding, segments, units, units_per_segment } => write!(
                f,
                "Encoding: {encoding}\nSegments: {segments} ({units} units, {units_per_segment} in a segment)\n\n{text}\n"
            ),
            Content::Whatsapp { template, language, content_sid, parameters, text } => {
                writeln!(f, "Template: {template} in {language}")?;
                writeln!(
                    f,
                    "Content:  {}",
                    content_sid.as_deref().unwrap_or("no ContentSid, without which Twilio refuses it")
                )?;
                for (at, parameter) in parameters.iter().enumerate() {
                    writeln!(f, "{:<9} {parameter}", format!("{{{{{}}}}}:", at + 1))?;
                }
                write!(f, "\n{text}\n")
            }
            Content::FreeText { text } => {
                write!(f, "Template: none: free text, within 24 hours of the recipient's last message\n\n{text}\n")
            }
            Content::Push { title, body, bytes, max_bytes } => {
                write!(f, "Title:    {title}\nSize:     {bytes} of {max_bytes} bytes\n\n{body}\n")
            }
        }
    }
}
