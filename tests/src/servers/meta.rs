//! The messages of Meta's Cloud API, as strict as the real one
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Asked, Peer, Served};

/// One message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaMessage {
    /// Its name: `wamid.…`.
    pub id: String,
    /// Who gets it, in digits.
    pub to: String,
    /// What it says: the text, or the template's name and what stands in its places, separated by `|`.
    pub says: String,
    /// What comes back with its news.
    pub callback_data: Option<String>,
}

#[derive(Default)]
struct State {
    messages: Vec<MetaMessage>,
    refusals: BTreeMap<String, (u16, u32)>,
}

/// A stub of one phone number at Meta. It keeps what it takes.
#[derive(Default)]
pub struct MetaStub {
    state: Mutex<State>,
}

/// Stands for Meta's code 100 with subcode 33: there is no such object, or this token may not see it.
const UNSEEN: u32 = 100_033;

/// A refusal: HTTP status, Meta's code, words.
type Refused = (u16, u32, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    messaging_product: String,
    recipient_type: String,
    to: String,
    r#type: String,
    text: Option<Text>,
    template: Option<Template>,
    biz_opaque_callback_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(rename = "preview_url")]
    _preview_url: bool,
    body: String,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    r#type: String,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    r#type: String,
    text: String,
}

impl MetaStub {
    /// The id of the phone number that the stub has.
    pub const PHONE_NUMBER_ID: &'static str = "106540352242922";
    /// The token that may send from it.
    pub const TOKEN: &'static str = "EAAJBf0e1d2c3b4a5";
    /// The version of the API.
    pub const VERSION: &'static str = "v24.0";
    /// The one approved template, in `en` and `de`, with two places.
    pub const TEMPLATE: &'static str = "app_assigned";

    /// Serves a stub.
    pub async fn start() -> Served<Self> {
        Served::start(Self::default()).await
    }

    /// The messages that it took, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<MetaMessage> {
        self.state().messages.clone()
    }

    /// Refuses every message to these digits from now on, with this status and code.
    pub fn refuse(&self, to: &str, status: u16, code: u32) {
        self.state().refusals.insert(to.to_owned(), (status, code));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, asked: &Asked) -> Result<Value, Refused> {
        if asked.header("authorization") != Some(&format!("Bearer {}", Self::TOKEN)) {
            return Err((401, 190, "Invalid OAuth access token.".into()));
        }
        if asked.path != format!("/{}/{}/messages", Self::VERSION, Self::PHONE_NUMBER_ID) || asked.method != "POST" {
            return Err((400, UNSEEN, format!("Unsupported {} request of {}", asked.method, asked.path)));
        }
        if asked.header("content-type").and_then(|kind| kind.split(';').next()) != Some("application/json") {
            return Err((400, 100, "The content type is not application/json".into()));
        }
        let body: Body =
            serde_json::from_slice(&asked.body).map_err(|e| (400, 100, format!("Invalid parameter: {e}")))?;
        let says = check(&body)?;
        let mut state = self.state();
        if let Some(&(status, code)) = state.refusals.get(&body.to) {
            return Err((status, code, format!("Message to +{} refused by the test", body.to)));
        }
        let id = format!("wamid.HBgM{:08}", state.messages.len() + 1);
        let message = MetaMessage { id: id.clone(), to: body.to, says, callback_data: body.biz_opaque_callback_data };
        let to = message.to.clone();
        state.messages.push(message);
        Ok(json!({
            "messaging_product": "whatsapp",
            "contacts": [{ "input": to, "wa_id": to }],
            "messages": [{ "id": id, "message_status": "accepted" }],
        }))
    }
}

/// What the message says.
fn check(body: &Body) -> Result<String, Refused> {
    let invalid = |why: &str| Err((400, 131_009, format!("Parameter value is not valid: {why}")));
    if body.messaging_product != "whatsapp" || body.recipient_type != "individual" {
        return invalid("messaging_product or recipient_type");
    }
    if !(7..=15).contains(&body.to.len()) || !body.to.bytes().all(|b| b.is_ascii_digit()) {
        return invalid("to");
    }
    if body.biz_opaque_callback_data.as_ref().is_some_and(|data| data.len() > 512) {
        return invalid("biz_opaque_callback_data");
    }
    match (&*body.r#type, &body.text, &body.template) {
        ("text", Some(text), None) => match text.body.chars().count() {
            1..=4096 => Ok(text.body.clone()),
            _ => invalid("text.body"),
        },
        ("template", None, Some(template)) => check_template(template),
        _ => Err((400, 131_008, "The content does not fit the type".into())),
    }
}

fn check_template(template: &Template) -> Result<String, Refused> {
    let known = template.name == MetaStub::TEMPLATE && matches!(&*template.language.code, "en" | "de");
    if !known {
        return Err((404, 132_001, "Template name does not exist in the translation".into()));
    }
    let parameters: Vec<&Parameter> = template.components.iter().flat_map(|component| &component.parameters).collect();
    let right = template.components.iter().all(|component| component.r#type == "body")
        && parameters.iter().all(|parameter| parameter.r#type == "text");
    if !right || parameters.len() != 2 {
        return Err((400, 132_000, "Number of parameters does not match the expected number of params".into()));
    }
    let bad = |text: &str| text.is_empty() || text.contains(['\n', '\r', '\t']) || text.contains("     ");
    if parameters.iter().any(|parameter| bad(&parameter.text)) {
        return Err((400, 132_018, "Param text cannot have new-line/tab characters or more than 4 spaces".into()));
    }
    let texts = parameters.iter().map(|parameter| &*parameter.text);
    Ok([&*template.name].into_iter().chain(texts).collect::<Vec<_>>().join("|"))
}

impl Peer for MetaStub {
    /// The recipient's digits.
    fn subject(&self, asked: &Asked) -> String {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        body["to"].as_str().unwrap_or_default().to_owned()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match self.handle(asked) {
            Ok(body) => Answer::json(200, &body),
            Err((status, code, message)) => refusal(status, code, &message),
        }
    }

    fn failure(&self, status: u16) -> Answer {
        match status {
            429 => refusal(429, 130_429, "Rate limit hit"),
            503 => refusal(503, 2, "Service temporarily unavailable"),
            _ => refusal(status, 131_000, "Something went wrong"),
        }
    }
}

fn refusal(status: u16, code: u32, message: &str) -> Answer {
    let (code, subcode) = if code == UNSEEN { (100, Some(33)) } else { (code, None) };
    let error = json!({
        "message": format!("(#{code}) {message}"),
        "type": "OAuthException",
        "code": code,
        "error_subcode": subcode,
        "error_data": { "messaging_product": "whatsapp", "details": message },
        "fbtrace_id": "AxZk3DhY7iAjZmu8mBfVqQ",
    });
    Answer::json(status, &json!({ "error": error }))
}
