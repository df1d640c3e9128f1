//! Twilio's Messages API (<https://www.twilio.com/docs/messaging/api/message-resource>), with its refusals
//! (<https://www.twilio.com/docs/api/errors>).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::fmt::rfc2822;
use secrecy::ExposeSecret as _;
use sendoff_consumers::channels::PhoneNumber;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{Desk, NewMessage, ReceivedMessage, SinkChannel, content_type, is_same, text_of};

/// The fields that a message may have here: those that Twilio documents and that anything of ours sends.
const FIELDS: [&str; 8] =
    ["To", "From", "MessagingServiceSid", "Body", "ContentSid", "ContentVariables", "StatusCallback", "ValidityPeriod"];

/// How a request is refused: Twilio's code, the HTTP status and the words.
struct Refused(u32, StatusCode, String);

impl Refused {
    fn bad(code: u32, message: impl Into<String>) -> Self {
        Self(code, StatusCode::BAD_REQUEST, message.into())
    }

    fn response(self) -> Response {
        let Self(code, status, message) = self;
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        let body = json!({ "code": code, "message": message, "more_info": more, "status": status.as_u16() });
        (status, Json(body)).into_response()
    }
}

/// `POST …/Messages.json`.
pub(super) async fn take(
    State(desk): State<Arc<Desk>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = match authorized(&desk, &account, &headers).and_then(|()| form(&headers, &body)) {
        Ok(fields) => fields,
        Err(refused) => return refused.response(),
    };
    let message = match message(&desk, &fields) {
        Ok(message) => message,
        Err(refused) => return refused.response(),
    };
    let answer = resource(&account, &message.provider_id, &message.to, &message.from, &message.text, &date(&desk));
    match desk.keep(message).await {
        Ok(()) => (StatusCode::CREATED, Json(answer)).into_response(),
        Err(response) => response,
    }
}

/// `GET …/Messages.json`: the messages to a number, the newest first. `DateSent>` is taken and passed over: everything here is
/// of the present.
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Path(account): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = authorized(&desk, &account, &headers) {
        return refused.response();
    }
    let page: usize = query.get("Page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let size: usize = query.get("PageSize").and_then(|size| size.parse().ok()).unwrap_or(50).clamp(1, 1000);
    let mut kept = match desk.kept().await {
        Ok(kept) => kept,
        Err(response) => return response,
    };
    let wanted = query.get("To");
    kept.retain(|message| message.provider == "twilio" && wanted.is_none_or(|to| *to == message.to));
    kept.reverse();
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let next = (kept.len() > (page + 1) * size).then(|| {
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(wanted.map(|to| ("To", to)));
        next.append_pair("PageSize", &size.to_string()).append_pair("Page", &(page + 1).to_string());
        format!("{path}?{}", next.finish())
    });
    let messages: Vec<Value> = kept.iter().skip(page * size).take(size).map(|m| listed(&account, m)).collect();
    Json(json!({ "messages": messages, "page": page, "page_size": size, "next_page_uri": next })).into_response()
}

fn listed(account: &str, message: &ReceivedMessage) -> Value {
    let ReceivedMessage { provider_id, to, from, text, received_at, .. } = message;
    let created = rfc2822::to_string(&received_at.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
    resource(account, provider_id, to, from, text, &created)
}

fn date(desk: &Desk) -> String {
    rfc2822::to_string(&desk.now().to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
}

/// A message as Twilio shows it.
fn resource(account: &str, sid: &str, to: &str, from: &Option<String>, text: &str, created: &str) -> Value {
    let service = from.as_ref().filter(|from| from.starts_with("MG"));
    json!({
        "account_sid": account, "api_version": "2010-04-01", "sid": sid, "to": to, "body": text,
        "from": from.as_ref().filter(|_| service.is_none()), "messaging_service_sid": service,
        "date_created": created, "date_updated": created, "date_sent": null, "direction": "outbound-api",
        "error_code": null, "error_message": null, "num_media": "0", "num_segments": "1", "price": null,
        "price_unit": "USD", "status": "queued", "uri": format!("/2010-04-01/Accounts/{account}/Messages/{sid}.json"),
    })
}

fn authorized(desk: &Desk, account: &str, headers: &HeaderMap) -> Result<(), Refused> {
    let given = text_of(headers, "authorization").strip_prefix("Basic ").unwrap_or_default();
    let right = format!("{}:{}", desk.accounts.twilio_account, desk.accounts.twilio_token.expose_secret());
    if account == desk.accounts.twilio_account && is_same(given, &STANDARD.encode(right)) {
        return Ok(());
    }
    Err(Refused(20003, StatusCode::UNAUTHORIZED, "Authenticate".into()))
}

fn form(headers: &HeaderMap, body: &[u8]) -> Result<BTreeMap<String, String>, Refused> {
    let unsupported = || Refused(12300, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid Content-Type".into());
    if content_type(headers) != "application/x-www-form-urlencoded" {
        return Err(unsupported());
    }
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if !FIELDS.contains(&&*name) {
            return Err(Refused::bad(20001, format!("there is no field `{name}`")));
        }
        if fields.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(Refused::bad(20001, format!("the field `{name}` is given twice")));
        }
    }
    Ok(fields)
}

fn message(desk: &Desk, fields: &BTreeMap<String, String>) -> Result<NewMessage, Refused> {
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let to = field("To").ok_or_else(|| Refused::bad(21604, "A 'To' phone number is required."))?;
    let (number, channel) = match to.strip_prefix("whatsapp:") {
        Some(number) => (number, SinkChannel::Whatsapp),
        None => (to, SinkChannel::Sms),
    };
    if number.parse::<PhoneNumber>().is_err() {
        return Err(Refused::bad(21211, "Invalid 'To' Phone Number"));
    }
    let from = sender(field("From"), field("MessagingServiceSid"), channel)?;
    let text = content(field("Body"), field("ContentSid"), field("ContentVariables"))?;
    let delivery = field("StatusCallback").map(callback).transpose()?.flatten();
    if let Some(validity) = field("ValidityPeriod") {
        let fits = validity.parse::<u32>().is_ok_and(|seconds| (1..=36_000).contains(&seconds));
        fits.then_some(()).ok_or_else(|| Refused::bad(21622, "Invalid ValidityPeriod"))?;
    }
    let prefix = if field("ContentSid").is_some() { "MM" } else { "SM" };
    Ok(NewMessage {
        channel,
        provider: "twilio",
        provider_id: format!("{prefix}{}", desk.provider_id()),
        to: to.to_owned(),
        from: Some(from),
        text,
        delivery,
        request: json!(fields),
    })
}

fn sender(from: Option<&str>, service: Option<&str>, channel: SinkChannel) -> Result<String, Refused> {
    let sender = match (from, service) {
        (Some(_), Some(_)) | (None, None) => {
            let words = "A 'From' phone number or a MessagingServiceSid is required, and not both.";
            return Err(Refused::bad(21603, words));
        }
        (Some(from), None) => from,
        (None, Some(service)) if is_sid(service, "MG") => return Ok(service.to_owned()),
        (None, Some(_)) => return Err(Refused::bad(21701, "The Messaging Service does not exist")),
    };
    let bare = sender.strip_prefix("whatsapp:");
    if bare.is_some() != (channel == SinkChannel::Whatsapp) {
        return Err(Refused::bad(63007, "From and To are of different channels"));
    }
    let bare = bare.unwrap_or(sender);
    let is_number = bare.parse::<PhoneNumber>().is_ok();
    let is_code = (3..=8).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_digit());
    let is_name = bare.len() <= 11
        && bare.bytes().any(|b| b.is_ascii_alphabetic())
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b" +-_&".contains(&b));
    if is_number || (channel == SinkChannel::Sms && (is_code || is_name)) {
        Ok(sender.to_owned())
    } else {
        Err(Refused::bad(21212, "The 'From' number is not a valid phone number, short code or alphanumeric sender"))
    }
}

/// What a message says: its text, or its template with what stands in the places.
fn content(body: Option<&str>, sid: Option<&str>, variables: Option<&str>) -> Result<String, Refused> {
    match (body, sid) {
        (None, None) => Err(Refused::bad(21602, "Message body is required.")),
        (Some(_), Some(_)) => Err(Refused::bad(21602, "Body and ContentSid exclude each other here.")),
        (Some(text), None) if text.chars().count() > 1600 => {
            Err(Refused::bad(21617, "The concatenated message body exceeds the 1600 character limit"))
        }
        (Some(text), None) => Ok(text.to_owned()),
        (None, Some(sid)) if !is_sid(sid, "HX") => Err(Refused::bad(21655, "The ContentSid is Invalid")),
        (None, Some(sid)) => {
            let variables: BTreeMap<String, String> = serde_json::from_str(variables.unwrap_or("{}"))
                .map_err(|_| Refused::bad(21656, "The ContentVariables Parameter is invalid"))?;
            let places: Vec<_> = variables.iter().map(|(place, value)| format!("{place}={value}")).collect();
            Ok(format!("template {sid}: {}", places.join(", ")))
        }
    }
}

/// The delivery id in the URL that Twilio would tell the message's news to.
fn callback(url: &str) -> Result<Option<String>, Refused> {
    let invalid = || Refused::bad(21609, "The StatusCallback URL is not a valid URL.");
    let url = Url::parse(url).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid());
    }
    Ok(url.query_pairs().find(|(name, _)| name == "delivery").map(|(_, value)| value.into_owned()))
}

fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}
