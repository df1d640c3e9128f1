//! What a call asks for. The format is described in the module above; it is strict, since what is misread is sent.

use std::collections::BTreeMap;

use sendoff_events::{AppId, EventId, Personal, TenantId, UserId};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{ActionError, fields::Fields};
use crate::{IdempotencyKey, channels::whatsapp::WhatsappTemplate};

/// The most bytes of a call: what Step Functions lets a task hand over.
const MAX_CALL: usize = 256 * 1024;
/// The most bytes of an idempotency key: the ARN of an execution, and a step.
const MAX_KEY: usize = 512;
/// The most bytes of a subject or a title.
const MAX_LINE: usize = 500;

/// A call, read.
pub(super) struct Call {
    /// The work that it is: the consumer and an id made of the call's idempotency key.
    pub(super) key: IdempotencyKey,
    /// How often its run was taken up again after it had failed.
    pub(super) redrive: u32,
    /// Of all that it asks for.
    pub(super) hash: [u8; 32],
    pub(super) tenant: TenantId,
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
    /// Whether somebody means an action at all, of whichever channel.
    pub(super) fn is_one(event: &str) -> bool {
        /// Whatever else stands there, the name of the field and its being text are enough.
        #[derive(serde::Deserialize)]
        struct Shape {
            #[expect(dead_code, reason = "that it is there is what is looked for")]
            action: String,
        }
        serde_json::from_str::<Shape>(event).is_ok()
    }

    /// The call of `channel` in the text.
    pub(super) fn read(channel: &'static str, text: &str) -> Result<Self, ActionError> {
        if text.len() > MAX_CALL {
            return Err(ActionError::invalid(format!("the call has more than {MAX_CALL} bytes")));
        }
        let mut whole: Value = serde_json::from_str(text).map_err(|_| ActionError::invalid("the call is no JSON"))?;
        let mut fields = Fields::of("", whole.clone())?;
        if fields.text("action", MAX_LINE)? != channel {
            return Err(fields.wrong("action", format_args!("must be `{channel}`: this function does nothing else")));
        }
        let idempotency_key = fields.text("idempotency_key", MAX_KEY)?;
        if idempotency_key.chars().any(char::is_control) {
            return Err(fields.wrong("idempotency_key", "must be without control characters"));
        }
        let redrive = fields.number("redrive")?;
        let tenant: TenantId = fields.parsed("tenant", "the name of a tenant")?;
        let to = to(channel, fields.object("to")?)?;
        let content = content(channel, &mut fields)?;
        fields.done()?;
        // A run that is taken up again asks for the same.
        if let Some(map) = whole.as_object_mut() {
            map.remove("redrive");
        }
        let id = event_id(channel, &tenant, &idempotency_key);
        let hash = Sha256::digest(canonical(&whole)).into();
        Ok(Self { key: IdempotencyKey::new(channel, id), redrive, hash, tenant, to, content })
    }
}

/// The id that stands in place of an event's: a UUID version 8 (RFC 9562) of what tells the call from all others.
fn event_id(channel: &str, tenant: &TenantId, idempotency_key: &str) -> EventId {
    let mut hash = Sha256::new();
    for part in [channel, tenant.as_str(), idempotency_key] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|n| digest[n]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes)
}

/// The same text for the same value, however its fields were ordered.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let fields =
                sorted.into_iter().map(|(name, value)| format!("{}:{}", Value::from(&**name), canonical(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
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
