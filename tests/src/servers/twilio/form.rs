//! The rules for the form by which a message is sent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use url::Url;

use super::Refused;
use crate::servers::Asked;

/// The fields that a message may have and that make sense here. The real one ignores those that it doesn't know.
const FIELDS: [&str; 8] =
    ["To", "From", "MessagingServiceSid", "Body", "ContentSid", "ContentVariables", "StatusCallback", "ValidityPeriod"];

/// A message that was ordered by the rules.
pub(super) struct Order {
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) service: Option<String>,
    pub(super) body: String,
    pub(super) status_callback: Option<String>,
}

/// The message that the request orders.
///
/// # Errors
///
/// What Twilio would say.
pub(super) fn check(
    asked: &Asked,
    senders: &BTreeSet<String>,
    contents: &BTreeMap<String, String>,
) -> Result<Order, Refused> {
    let content_type = asked.header("content-type").unwrap_or_default();
    if content_type.split(';').next() != Some("application/x-www-form-urlencoded") {
        return Err((415, 20415, format!("Content type {content_type} is not supported")));
    }
    if !asked.query.is_empty() {
        return Err((400, 20001, "A message is sent by a form, not by a query".into()));
    }
    let fields = once(asked.form_fields())?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err((400, 20001, format!("Unknown parameter {unknown}")));
    }
    let field = |name: &str| fields.get(name).cloned().filter(|value| !value.is_empty());
    let to = field("To").ok_or((400, 21604, "A 'To' phone number is required.".to_owned()))?;
    if !is_address(&to) {
        return Err((400, 21211, format!("The 'To' number {to} is not a valid phone number.")));
    }
    let (from, service) = (field("From"), field("MessagingServiceSid"));
    sender(&to, from.as_deref(), service.as_deref(), senders)?;
    let status_callback = field("StatusCallback");
    if let Some(callback) = status_callback.as_deref().filter(|callback| !is_callback(callback)) {
        return Err((400, 21609, format!("The 'StatusCallback' URL {callback} is not a valid URL.")));
    }
    if let Some(validity) = field("ValidityPeriod") {
        validity.parse::<u32>().ok().filter(|seconds| (1..=36_000).contains(seconds)).ok_or((
            400,
            20001,
            format!("ValidityPeriod {validity} is not within 1 and 36000"),
        ))?;
    }
    let body = match (field("Body"), field("ContentSid")) {
        (None, None) => Err((400, 21619, "A text message body or media urls must be specified.".to_owned())),
        (Some(_), Some(_)) => Err((400, 20001, "Either Body or ContentSid".to_owned())),
        (Some(_), None) if field("ContentVariables").is_some() => {
            Err((400, 21654, "ContentSid is required with ContentVariables".to_owned()))
        }
        (Some(body), None) if body.chars().count() > 1600 => {
            Err((400, 21617, "The concatenated message body exceeds the 1600 character limit.".to_owned()))
        }
        (Some(body), None) => Ok(body),
        (None, Some(sid)) => filled(&sid, field("ContentVariables").as_deref(), contents),
    }?;
    Ok(Order { to, from, service, body, status_callback })
}

fn once(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Refused> {
    let mut fields = BTreeMap::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), value).is_some() {
            return Err((400, 20001, format!("{name} is given twice")));
        }
    }
    Ok(fields)
}

fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("whatsapp:").unwrap_or(text).strip_prefix('+');
    digits.is_some_and(|d| (7..=15).contains(&d.len()) && !d.starts_with('0') && d.bytes().all(|b| b.is_ascii_digit()))
}

fn sender(to: &str, from: Option<&str>, service: Option<&str>, senders: &BTreeSet<String>) -> Result<(), Refused> {
    match (from, service) {
        (None, None) => Err((400, 21603, "A 'From' phone number is required.".into())),
        (_, Some(sid)) if sid != super::TwilioStub::SERVICE => {
            Err((404, 21701, format!("The Messaging Service {sid} does not exist")))
        }
        (None, Some(_)) => Ok(()),
        (Some(from), _) if from.starts_with("whatsapp:") != to.starts_with("whatsapp:") => {
            Err((400, 63007, "Twilio could not find a Channel with the specified From address".into()))
        }
        (Some(from), _) if !senders.contains(from) && is_address(from) => {
            Err((400, 21606, format!("The 'From' phone number {from} is not a valid, SMS-capable number of yours.")))
        }
        (Some(from), _) if !senders.contains(from) => {
            Err((400, 21212, format!("The 'From' number {from} is not a valid phone number, shortcode, or sender ID.")))
        }
        (Some(from), _) if from == to => Err((400, 21266, "'To' and 'From' number cannot be the same".into())),
        (Some(_), _) => Ok(()),
    }
}

/// The real one refuses addresses of one's own machine, too; tests live there.
fn is_callback(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.contains('_'))
}

fn filled(sid: &str, variables: Option<&str>, contents: &BTreeMap<String, String>) -> Result<String, Refused> {
    let invalid = |why: &str| (400, 21656, format!("The ContentVariables parameter is invalid: {why}"));
    let mut body = contents.get(sid).ok_or((400, 21655, format!("The ContentSid {sid} is invalid")))?.clone();
    let variables: Value = serde_json::from_str(variables.unwrap_or("{}")).map_err(|_| invalid("no JSON"))?;
    for (name, value) in variables.as_object().ok_or_else(|| invalid("no object"))? {
        let (place, value) = (format!("{{{{{name}}}}}"), value.as_str().ok_or_else(|| invalid("no string"))?);
        if !body.contains(&place) {
            return Err(invalid(&format!("there is no {place}")));
        }
        body = body.replace(&place, value);
    }
    if body.contains("{{") { Err(invalid("a place is left empty")) } else { Ok(body) }
}
