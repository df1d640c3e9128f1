//! The records that the API keeps: users, apps, assignments, submissions. Consumers look them up.

mod form;
mod suppression;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};

pub use form::FormFlaw;
use schemars::JsonSchema;
use sendoff_events::{AppId, Personal, SubmissionId, TenantId, UserId};
use sendoff_workflows::Type;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
pub use suppression::{Suppression, SuppressionReason, suppression_key};
pub use workflow::{
    ActiveWorkflow, Approval, Decided, TriggerKind, WorkflowVersion, approval_key, workflow_version_key,
    workflow_versions,
};

use crate::{Lookup, ReadError, Record, RecordKey};

/// A kind of record that the API keeps.
pub trait Stored: Serialize + DeserializeOwned {
    /// The collection its records stand in.
    const COLLECTION: &'static str;
}

/// A person who uses apps, and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What to call them.
    #[schemars(with = "String", length(min = 1, max = 200))]
    pub name: Personal<String>,
    /// Their email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 254), extend("format" = "email"))]
    pub email: Option<Personal<String>>,
    /// Their phone number in E.164 form: `+4930123456`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^\+[1-9][0-9]{6,14}$"))]
    pub phone: Option<Personal<String>>,
    /// Their language, a BCP 47 tag: `en`, `de-CH`.
    #[serde(default = "default_locale")]
    #[schemars(length(max = 35), regex(pattern = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"))]
    pub locale: String,
    /// Their time zone, an IANA name: `Europe/Berlin`.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// On which channels they want to hear from us. A channel that isn't named is on.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "enum": ["email", "sms", "whatsapp", "push"] }))]
    pub channels: BTreeMap<Channel, bool>,
    /// The same for single kinds of events, by the event's name (`app.assigned`; `workflow` for what workflows send). It goes before
    /// `channels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, BTreeMap<Channel, bool>>,
    /// When they don't want to be disturbed, in their time zone. SMS, WhatsApp and push messages wait for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The registration tokens of their devices, for push messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", length(max = 10))]
    pub push_tokens: Vec<Personal<String>>,
    /// What they have unsubscribed from themselves, by the event's name. It goes before everything else. No `PUT` sets or
    /// clears it; `DELETE /v1/users/{user_id}/opted-out/{event}/{channel}` takes one back on their wish.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("readOnly" = true))]
    pub opted_out: BTreeMap<String, BTreeSet<Channel>>,
}

/// The name that preferences and unsubscribe links know all messages of workflows by, in place of an event's.
pub const WORKFLOW: &str = "workflow";

/// A time of the day, every day. Where it begins later than it ends it goes over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When it begins, `HH:MM`: `22:00`.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// When it ends, `HH:MM`: `07:00`.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub to: String,
}

fn default_locale() -> String {
    "en".into()
}

fn default_time_zone() -> String {
    "UTC".into()
}

impl User {
    /// Whether they want to hear of events of this name on this channel. What they said themselves goes before what was set for
    /// them.
    #[must_use]
    pub fn wants(&self, channel: Channel, event: &str) -> bool {
        if self.opted_out.get(event).is_some_and(|channels| channels.contains(&channel)) {
            return false;
        }
        let of_event = self.events.get(event).and_then(|channels| channels.get(&channel));
        of_event.or_else(|| self.channels.get(&channel)).copied().unwrap_or(true)
    }
}

/// A way to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Email.
    Email,
    /// Text message.
    Sms,
    /// WhatsApp message.
    Whatsapp,
    /// Notification on a phone.
    Push,
}

impl Channel {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Email, Self::Sms, Self::Whatsapp, Self::Push];

    /// Its name, as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Push => "push",
        }
    }
}

/// An app built on the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Who is told about new submissions.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub owners: Vec<UserId>,
    /// The app's own text for the mail about a new submission, in place of the standard one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission_mail: Option<MailTemplate>,
    /// The fields of its form, by name: `text`, `number`, `boolean`, `date`, `datetime`, `{"list": …}` or `{"object": {…}}`. When
    /// there are any, submissions must keep to them, and so must the workflows that are published.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 500))]
    pub fields: BTreeMap<String, Type>,
    /// The workflows that are switched on, sorted by name. Publishing one switches it on; no request sets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("readOnly" = true))]
    pub workflows: Vec<ActiveWorkflow>,
    /// The ids of its webhook endpoints, sorted, so that whoever handles one of its events need not search for them. Kept by the
    /// operations on webhooks, in the same commit as the endpoints; nobody else sets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub webhooks: Vec<String>,
}

/// A mail template that an app's author wrote: Jinja syntax over `app`, `user`, `author` and `submission`. A variable that
/// doesn't exist fails the mail rather than leaving a hole in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTemplate {
    /// The subject line.
    #[schemars(length(min = 1, max = 500))]
    pub subject: String,
    /// The text; shown as paragraphs in the HTML part.
    #[schemars(length(min = 1, max = 20000))]
    pub text: String,
}

/// A part of a mail template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailPart {
    /// The subject line.
    Subject,
    /// The text.
    Text,
}

impl MailPart {
    /// Its name in [`MailTemplate`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
        }
    }
}

/// Why a mail template can give no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFlaw {
    /// Where.
    pub part: MailPart,
    /// What is wrong, and in which line.
    pub detail: String,
}

/// How a tenant's messages look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branding {
    /// What recipients know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// The https address of its logo, for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500), regex(pattern = "^https://"))]
    pub logo_url: Option<String>,
    /// The colour of buttons and lines in mails: `#0055aa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// The last line of every mail: who it is from, as some laws want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub footer: Option<String>,
}

/// An endpoint of another system that is told about the events of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Where to post to: an https address.
    #[schemars(length(max = 2000), regex(pattern = "^https://"))]
    pub url: String,
    /// The names of the events that it wants (`submission.created`); all when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub events: Vec<String>,
    /// The secrets that calls are signed with, `whsec_` and base64: the newest first, two while one replaces the other. They are
    /// never shown again.
    #[schemars(with = "Vec<String>", length(min = 1, max = 2))]
    pub secrets: Vec<Personal<String>>,
    /// Why it is called no more: it said that it is gone (410).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
}

/// A user has an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The app.
    pub app_id: AppId,
    /// The user.
    pub user_id: UserId,
    /// Who assigned it.
    pub assigned_by: UserId,
}

/// A filled-in form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Submission {
    /// The app whose form it is.
    pub app_id: AppId,
    /// Its id.
    pub submission_id: SubmissionId,
    /// Who made it.
    pub author_id: UserId,
    /// 1 when created, one more at each change.
    pub revision: u64,
    /// What was filled in.
    pub fields: Map<String, Value>,
}

impl Stored for Branding {
    const COLLECTION: &'static str = "branding";
}

impl Stored for WebhookEndpoint {
    const COLLECTION: &'static str = "webhooks";
}

impl Stored for User {
    const COLLECTION: &'static str = "users";
}

impl Stored for App {
    const COLLECTION: &'static str = "apps";
}

impl Stored for Assignment {
    const COLLECTION: &'static str = "assignments";
}

impl Stored for Submission {
    const COLLECTION: &'static str = "submissions";
}

/// The key of a user's record.
#[must_use]
pub fn user_key(tenant: &TenantId, user: &UserId) -> RecordKey {
    RecordKey::new(tenant, User::COLLECTION, user.as_str())
}

/// The key of an app's record.
#[must_use]
pub fn app_key(tenant: &TenantId, app: &AppId) -> RecordKey {
    RecordKey::new(tenant, App::COLLECTION, app.as_str())
}

/// The key of an assignment's record: `{app}/{user}`, so that an app's assignments are listed by its prefix.
#[must_use]
pub fn assignment_key(tenant: &TenantId, app: &AppId, user: &UserId) -> RecordKey {
    RecordKey::new(tenant, Assignment::COLLECTION, format!("{app}/{user}"))
}

/// The key of a submission's record: `{app}/{submission}`.
#[must_use]
pub fn submission_key(tenant: &TenantId, app: &AppId, submission: &SubmissionId) -> RecordKey {
    RecordKey::new(tenant, Submission::COLLECTION, format!("{app}/{submission}"))
}

/// The key of a tenant's branding. There is one.
#[must_use]
pub fn branding_key(tenant: &TenantId) -> RecordKey {
    RecordKey::new(tenant, Branding::COLLECTION, "own")
}

/// The key of a webhook endpoint: `{app}/{webhook}`.
#[must_use]
pub fn webhook_key(tenant: &TenantId, app: &AppId, webhook: &str) -> RecordKey {
    RecordKey::new(tenant, WebhookEndpoint::COLLECTION, format!("{app}/{webhook}"))
}

/// The tenant of records that belong to no tenant but to the deployment. No token opens it.
#[must_use]
pub fn deployment() -> TenantId {
    TenantId::deployment()
}

/// The record under `key`, decoded, with its version; `None` when there is none. As fresh as what it is asked of: pass
/// [`Records`](crate::Records) where something is to be committed on the strength of it.
///
/// # Errors
///
/// [`ReadError`], [`ReadError::Damaged`] when what is stored isn't a `T`.
pub async fn load<T: Stored>(records: &dyn Lookup, key: &RecordKey) -> Result<Option<(T, u64)>, ReadError> {
    match records.get(key).await? {
        None => Ok(None),
        Some(record) => decode(record).map(Some),
    }
}

/// The record's data as a `T`, with its version.
///
/// # Errors
///
/// [`ReadError::Damaged`] when it isn't a `T`.
pub fn decode<T: Stored>(record: Record) -> Result<(T, u64), ReadError> {
    serde_json::from_value(record.data)
        .map(|data| (data, record.version))
        .map_err(|e| ReadError::Damaged { key: record.key.to_string(), why: without_values(&e.to_string()) })
}

/// serde quotes the text it met, which may be personal data, and this ends up in a log.
fn without_values(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…\"{}", &message[..first], &message[last + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{User, decode, user_key};
    use crate::{ReadError, Record};

    #[test]
    fn what_is_said_of_a_damaged_record_quotes_nothing_of_it() {
        let key = user_key(&"acme".parse().unwrap(), &"ada".parse().unwrap());
        let data = json!({ "name": "Ada", "channels": "ada@example.org, \"home\"" });
        let record = Record { key, version: 1, data, updated_at: jiff::Timestamp::UNIX_EPOCH };
        let error = decode::<User>(record).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }));
        assert!(error.to_string().contains("invalid type") && !error.to_string().contains("example"), "{error}");
    }
}
