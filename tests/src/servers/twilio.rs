//! Twilio's Messages resource, as strict as the real one
//! (<https://www.twilio.com/docs/messaging/api/message-resource>), and stricter where that lets a mistake pass.

mod form;
mod list;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sendoff_events::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Asked, Peer, Served};

/// One message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwilioMessage {
    /// Its name: `SM…`.
    pub sid: String,
    /// Who gets it: `+49…` or `whatsapp:+49…`.
    pub to: String,
    /// Who it comes from, if no Messaging Service chose.
    pub from: Option<String>,
    /// The Messaging Service.
    pub service: Option<String>,
    /// What it says; of a template, with its places filled.
    pub body: String,
    /// Where its status is told.
    pub status_callback: Option<String>,
    /// When it was taken.
    pub created: Timestamp,
    /// When it was handed on: never, as long as it is queued.
    pub sent: Option<Timestamp>,
    /// Twilio's word for how far it has come.
    pub status: String,
    /// Twilio's code for what went wrong.
    pub error_code: Option<u32>,
}

/// What it knows.
#[derive(Default)]
struct State {
    messages: Vec<TwilioMessage>,
    refusals: BTreeMap<String, (u16, u32)>,
}

/// A stub of one account at Twilio. It keeps what it takes.
pub struct TwilioStub {
    account: String,
    token: String,
    senders: BTreeSet<String>,
    contents: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// A refusal: HTTP status, Twilio's code, words.
type Refused = (u16, u32, String);

impl TwilioStub {
    /// The account that the stub has.
    pub const ACCOUNT: &'static str = "AC0123456789abcdef0123456789abcdef";
    /// Its secret.
    pub const TOKEN: &'static str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
    /// A number of the account.
    pub const NUMBER: &'static str = "+4930123456";
    /// A Messaging Service of the account.
    pub const SERVICE: &'static str = "MG0123456789abcdef0123456789abcdef";
    /// An approved template of the account.
    pub const CONTENT: &'static str = "HX0123456789abcdef0123456789abcdef";
    /// What that says.
    pub const CONTENT_TEXT: &'static str = "Hello {{1}}, you have a new app: {{2}}";

    /// Serves a stub whose messages come to be at the times of `clock`.
    pub async fn start(clock: Arc<dyn Clock>) -> Served<Self> {
        let senders = [Self::NUMBER, "whatsapp:+4930123456", "12345", "Acme"].map(str::to_owned).into();
        let contents = BTreeMap::from([(Self::CONTENT.to_owned(), Self::CONTENT_TEXT.to_owned())]);
        let (account, token) = (Self::ACCOUNT.to_owned(), Self::TOKEN.to_owned());
        Served::start(Self { account, token, senders, contents, clock, state: Mutex::default() }).await
    }

    /// The messages that it took, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<TwilioMessage> {
        self.state().messages.clone()
    }

    /// Refuses every message to `to` from now on, with this status and code.
    pub fn refuse(&self, to: &str, status: u16, code: u32) {
        self.state().refusals.insert(to.to_owned(), (status, code));
    }

    /// Says how far a message has come: handed on, unless it is still queued.
    ///
    /// # Panics
    ///
    /// When there is no such message.
    pub fn set_status(&self, sid: &str, status: &str, error_code: Option<u32>) {
        let now = self.clock.now();
        let mut state = self.state();
        let message = state.messages.iter_mut().find(|message| message.sid == sid).expect("a message of this name");
        message.status = status.to_owned();
        message.error_code = error_code;
        message.sent = (!matches!(status, "queued" | "accepted" | "scheduled")).then_some(now);
    }

    /// Adds a message that somebody else sent through this account. Gives its name.
    pub fn add(&self, change: impl FnOnce(&mut TwilioMessage)) -> String {
        let now = self.clock.now();
        let mut state = self.state();
        let mut message = TwilioMessage {
            sid: format!("SM{:032x}", state.messages.len() + 1),
            to: String::new(),
            from: Some(Self::NUMBER.to_owned()),
            service: None,
            body: String::new(),
            status_callback: None,
            created: now,
            sent: None,
            status: "queued".to_owned(),
            error_code: None,
        };
        change(&mut message);
        let sid = message.sid.clone();
        state.messages.push(message);
        sid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> String {
        format!("/2010-04-01/Accounts/{}/Messages.json", self.account)
    }

    fn check_credentials(&self, asked: &Asked) -> Result<(), Refused> {
        let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.account, self.token)));
        if asked.header("authorization") == Some(&expected) { Ok(()) } else { Err((401, 20003, "Authenticate".into())) }
    }

    fn handle(&self, asked: &Asked) -> Result<Answer, Refused> {
        self.check_credentials(asked)?;
        if asked.path != self.path() {
            return Err((404, 20404, format!("The requested resource {} was not found", asked.path)));
        }
        match &*asked.method {
            "POST" => self.create(asked).map(|message| Answer::json(201, &self.resource(&message))),
            "GET" => self.list(asked).map(|list| Answer::json(200, &list)),
            _ => Err((405, 20004, "Method not allowed".into())),
        }
    }

    fn create(&self, asked: &Asked) -> Result<TwilioMessage, Refused> {
        let order = form::check(asked, &self.senders, &self.contents)?;
        if let Some(&(status, code)) = self.state().refusals.get(&order.to) {
            return Err((status, code, format!("Message to {} refused by the test", order.to)));
        }
        let sid = self.add(|message| {
            message.to = order.to;
            message.from = order.from;
            message.service = order.service;
            message.body = order.body;
            message.status_callback = order.status_callback;
        });
        Ok(self.state().messages.iter().find(|message| message.sid == sid).expect("it was just added").clone())
    }

    /// A message as Twilio shows it.
    fn resource(&self, message: &TwilioMessage) -> Value {
        let date = |moment: Timestamp| moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let uri = format!("/2010-04-01/Accounts/{}/Messages/{}.json", self.account, message.sid);
        json!({
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": date(message.created),
            "date_sent": message.sent.map(date),
            "date_updated": date(message.sent.unwrap_or(message.created)),
            "direction": "outbound-api",
            "error_code": message.error_code,
            "error_message": null,
            "from": message.from,
            "messaging_service_sid": message.service,
            "num_media": "0",
            "num_segments": "1",
            "price": null,
            "price_unit": null,
            "sid": message.sid,
            "status": message.status,
            "subresource_uris": { "media": uri.replace(".json", "/Media.json") },
            "to": message.to,
            "uri": uri,
        })
    }
}

impl Peer for TwilioStub {
    /// The recipient of a message, `list` for the list.
    fn subject(&self, asked: &Asked) -> String {
        let to = || asked.form_fields().into_iter().find(|(name, _)| name == "To").map(|(_, value)| value);
        if asked.method == "GET" { "list".to_owned() } else { to().unwrap_or_default() }
    }

    fn answer(&self, asked: &Asked) -> Answer {
        self.handle(asked).unwrap_or_else(|(status, code, message)| refusal(status, code, &message))
    }

    fn failure(&self, status: u16) -> Answer {
        match status {
            429 => refusal(429, 20429, "Too Many Requests"),
            503 => refusal(503, 20503, "Service unavailable"),
            _ => refusal(status, 20500, "Internal Server Error"),
        }
    }
}

fn refusal(status: u16, code: u32, message: &str) -> Answer {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    Answer::json(status, &json!({ "code": code, "message": message, "more_info": more_info, "status": status }))
}
