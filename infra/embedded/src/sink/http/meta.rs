//! Meta's Cloud API for WhatsApp messages
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, NewMessage, SinkChannel, bears, content_type};

/// The most that may come back with the news of a message, in characters.
const MAX_CALLBACK_DATA: usize = 512;
const MAX_TEXT: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    messaging_product: String,
    #[serde(default)]
    recipient_type: Option<String>,
    to: String,
    r#type: String,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    template: Option<Template>,
    #[serde(default)]
    biz_opaque_callback_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    body: String,
    #[serde(default, rename = "preview_url")]
    _preview_url: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    language: Language,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    code: String,
    #[serde(default, rename = "policy")]
    _policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    r#type: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    r#type: String,
    text: String,
    #[serde(default, rename = "parameter_name")]
    _name: Option<String>,
}

/// How a request is refused: Meta's code, the HTTP status and the words.
struct Refused(u32, StatusCode, String);

impl Refused {
    fn parameter(message: impl std::fmt::Display) -> Self {
        Self(100, StatusCode::BAD_REQUEST, format!("(#100) {message}"))
    }

    fn response(self) -> Response {
        let Self(code, status, message) = self;
        let error = json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "sink" });
        (status, Json(json!({ "error": error }))).into_response()
    }
}

/// `POST /{version}/{sender}/messages`.
pub(super) async fn take(
    State(desk): State<Arc<Desk>>,
    Path((version, sender)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let taken = authorized(&desk, &version, &sender, &headers).and_then(|()| message(&desk, &sender, &headers, &body));
    let message = match taken {
        Ok(message) => message,
        Err(refused) => return refused.response(),
    };
    let answer = json!({
        "messaging_product": "whatsapp",
        "contacts": [{ "input": message.to, "wa_id": message.to.trim_start_matches('+') }],
        "messages": [{ "id": message.provider_id, "message_status": "accepted" }],
    });
    match desk.keep(message).await {
        Ok(()) => Json(answer).into_response(),
        Err(response) => response,
    }
}

fn authorized(desk: &Desk, version: &str, sender: &str, headers: &HeaderMap) -> Result<(), Refused> {
    let numbers = version.strip_prefix('v').unwrap_or_default().split_once('.');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Err(Refused(2500, StatusCode::BAD_REQUEST, format!("Unknown path components: /{version}")));
    }
    if !bears(headers, &desk.accounts.meta_token) {
        return Err(Refused(190, StatusCode::UNAUTHORIZED, "Invalid OAuth access token".into()));
    }
    if sender != desk.accounts.meta_phone_number_id {
        let words = format!("Unsupported post request. Object with ID '{sender}' does not exist");
        return Err(Refused(100, StatusCode::BAD_REQUEST, words));
    }
    Ok(())
}

fn message(desk: &Desk, sender: &str, headers: &HeaderMap, body: &[u8]) -> Result<NewMessage, Refused> {
    if content_type(headers) != "application/json" {
        return Err(Refused::parameter("the body must be application/json"));
    }
    let request: Value = serde_json::from_slice(body).map_err(Refused::parameter)?;
    let Request { messaging_product, recipient_type, to, r#type, text, template, biz_opaque_callback_data: data } =
        serde_json::from_value(request.clone()).map_err(Refused::parameter)?;
    if messaging_product != "whatsapp" || recipient_type.is_some_and(|kind| kind != "individual") {
        return Err(Refused::parameter("messaging_product must be whatsapp, and recipient_type individual"));
    }
    let digits = to.strip_prefix('+').unwrap_or(&to);
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::parameter("Param to must be a phone number"));
    }
    if data.as_ref().is_some_and(|data| data.chars().count() > MAX_CALLBACK_DATA) {
        return Err(Refused::parameter("Param biz_opaque_callback_data must be at most 512 characters long"));
    }
    let text = match (&*r#type, text, template) {
        ("text", Some(text), None) => says(&text.body)?,
        ("template", None, Some(template)) => fills(&template)?,
        _ => return Err(Refused::parameter("type must be text or template, with an object of that name")),
    };
    let wamid = STANDARD.encode(desk.provider_id());
    Ok(NewMessage {
        channel: SinkChannel::Whatsapp,
        provider: "meta",
        provider_id: format!("wamid.{wamid}"),
        to: format!("+{digits}"),
        from: Some(sender.to_owned()),
        text,
        delivery: data,
        request,
    })
}

fn says(body: &str) -> Result<String, Refused> {
    match body.chars().count() {
        0 => Err(Refused::parameter("Param text['body'] is required")),
        1..=MAX_TEXT => Ok(body.to_owned()),
        _ => Err(Refused::parameter("Param text['body'] must be at most 4096 characters long")),
    }
}

/// A template for people: its name, its language, and what stands in its places.
fn fills(template: &Template) -> Result<String, Refused> {
    let Template { name, language, components } = template;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if !is_name(name) || language.code.is_empty() {
        let words = format!("(#132001) Template name ({name}) does not exist in the translation ({})", language.code);
        return Err(Refused(132_001, StatusCode::NOT_FOUND, words));
    }
    let mut places = Vec::new();
    for component in components {
        if !matches!(&*component.r#type, "header" | "body" | "button") {
            return Err(Refused::parameter("a component's type must be header, body or button"));
        }
        for parameter in &component.parameters {
            // What Meta refuses in the places of a template (132018).
            let unfit =
                parameter.text.is_empty() || parameter.text.contains(['\n', '\t']) || parameter.text.contains("    ");
            if parameter.r#type != "text" || unfit {
                let words = "(#132018) There's an issue with the parameters in your template";
                return Err(Refused(132_018, StatusCode::BAD_REQUEST, words.into()));
            }
            places.push(parameter.text.as_str());
        }
    }
    Ok(format!("template {name} ({}): {}", language.code, places.join(" | ")))
}
