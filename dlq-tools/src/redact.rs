//! Hiding personal data from a terminal that wasn't asked to show it: whoever looks over a shoulder, or at a shared screen, sees
//! what failed and not whom it was about. What is piped goes to whoever asked for it, and is whole unless `--redact` is given.
//!
//! The rule is safe by default: something is hidden unless it is known to be harmless, so a field that is new, misspelled or put
//! there by somebody else is hidden.
//!
//! - In an event's data, only what its schema says is an id, a whole number or one of a few words is shown, at the top level,
//!   where our events carry references; yes, no and null are shown anywhere. A name that could be somebody's isn't shown even as a key.
//! - Of ids, subjects and recipients, those that look like an address or a phone number are hidden.
//! - In texts for people, such as errors, the addresses and numbers are hidden, and the words stay.
//! - Of attributes, those that we and AWS write are shown; of others only the name.
//! - Of a body that can't be read, there is only its size, its SHA-256, and its first characters with all letters and digits
//!   as `x`: enough to tell JSON from XML from bytes.

use std::{borrow::Cow, collections::BTreeMap};

use clap::Args;
use sendoff_consumers::scrub;
use sendoff_events::catalogue;
use serde_json::{Map, Value};

use crate::Session;

/// Whether personal data is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Showing {
    /// Hides personal data also where no terminal is
    #[arg(long, conflicts_with = "show_personal")]
    pub redact: bool,
    /// Shows personal data also on a terminal
    #[arg(long)]
    pub show_personal: bool,
}

/// Hides personal data, or doesn't.
pub struct Redact {
    /// What may be shown of each type of event, by field; `None` when everything is shown.
    harmless: Option<BTreeMap<String, BTreeMap<String, Harmless>>>,
}

/// Why a field may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harmless {
    Id,
    Whole,
}

/// Attributes that are written by us and by AWS, and name no person.
const ATTRIBUTES: [&str; 9] = [
    "type",
    "tenant",
    "replay",
    "AWSTraceHeader",
    "traceparent",
    "ExtendedPayloadSize",
    "RequestID",
    "ErrorCode",
    "idempotency_key",
];

impl Redact {
    /// What this call of the tool was asked for.
    #[must_use]
    pub fn for_session(session: &Session, showing: Showing) -> Self {
        Self::new(showing.redact || (session.out_is_terminal && !showing.show_personal))
    }

    /// The same for what is told beside the data, where that goes to a terminal.
    #[must_use]
    pub fn for_prose(session: &Session, showing: Showing) -> Self {
        let is_seen = session.out_is_terminal || session.err_is_terminal;
        Self::new(showing.redact || (is_seen && !showing.show_personal))
    }

    /// Hides, or shows all.
    #[must_use]
    pub fn new(hides: bool) -> Self {
        Self { harmless: hides.then(harmless) }
    }

    /// Whether it hides.
    #[must_use]
    pub const fn hides(&self) -> bool {
        self.harmless.is_some()
    }

    /// A text for people: addresses and numbers are hidden.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.hides() {
            return text.into();
        }
        let scrubbed = scrub(text);
        let words: Vec<_> = scrubbed.split(' ').map(|word| if is_hidden(word) { "<hidden>" } else { word }).collect();
        words.join(" ").into()
    }

    /// An id, a subject, a recipient.
    #[must_use]
    pub fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.hides() && !is_harmless_name(name) { hidden(name).into() } else { name.into() }
    }

    /// The value of a message attribute.
    #[must_use]
    pub fn attribute<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        match name {
            _ if !self.hides() => value.into(),
            "ErrorMessage" => self.text(value),
            name if ATTRIBUTES.contains(&name) => self.name(value),
            _ => hidden(value).into(),
        }
    }

    /// An envelope: its data, and whatever else it says.
    #[must_use]
    pub fn envelope(&self, envelope: Value) -> Value {
        let Some(types) = &self.harmless else { return envelope };
        let Value::Object(fields) = envelope else { return strict(envelope) };
        let name = fields.get("type").and_then(Value::as_str).map(base);
        let known = name.and_then(|name| types.get(name));
        let field = |(name, value): (String, Value)| match (&*name, value) {
            ("data", data) => (name, shown(data, known)),
            (
                "id" | "source" | "type" | "subject" | "time" | "datacontenttype" | "dataschema" | "specversion"
                | "tenantid" | "correlationid" | "causationid" | "traceparent" | "firstpublished" | "sequence",
                Value::String(text),
            ) => {
                let text = self.name(&text).into_owned();
                (name, text.into())
            }
            (_, value) => (key_of(&name), strict(value)),
        };
        Value::Object(fields.into_iter().map(field).collect())
    }

    /// How an edit was typed: without what was put in.
    #[must_use]
    pub fn typed<'a>(&self, how: &'a str) -> Cow<'a, str> {
        match how.split_once('=') {
            _ if !self.hides() => how.into(),
            Some((before, value)) if before.starts_with("--set ") => format!("{before}={}", hidden(value)).into(),
            _ => hidden(how).into(),
        }
    }
}

/// The first characters of bytes, with nothing of what they say: letters and digits stand as one `x`.
#[must_use]
pub fn outline(bytes: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
    let mut outline = String::new();
    for c in text.chars().map(|c| if c.is_alphanumeric() { 'x' } else { c }) {
        if outline.len() >= LONGEST {
            break;
        }
        match c {
            'x' if outline.ends_with('x') => {}
            c if c.is_control() || c == char::REPLACEMENT_CHARACTER => outline.push('.'),
            c if c.is_ascii() => outline.push(c),
            _ => outline.push('.'),
        }
    }
    outline
}

/// What stands for a text that is hidden.
fn hidden(text: &str) -> String {
    format!("<hidden: {} characters>", text.chars().count())
}

/// Whether a word of a text may be an address or a number of a person. Those with `@` are gone already.
fn is_hidden(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits >= 7 && word.bytes().all(|b| b.is_ascii_digit() || b" ()-./".contains(&b));
    is_number || word.to_ascii_lowercase().contains("%40")
}

fn is_harmless_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=;,+ ".contains(c);
    // A moment and an id of digits and dashes are no phone numbers; those that start with a plus are.
    name.len() <= 512 && name.chars().all(is_plain) && !name.split(['/', ':', '=', ';', ',', ' ']).any(is_phone)
}

fn is_phone(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    (part.starts_with('+') && digits >= 5) || ((7..=15).contains(&digits) && digits == part.len())
}

/// A key as it may be shown: names of fields are words.
fn key_of(key: &str) -> String {
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.len() <= 64
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_word { key.to_owned() } else { hidden(key) }
}

/// The data of an event, of which these fields may be shown.
fn shown(data: Value, known: Option<&BTreeMap<String, Harmless>>) -> Value {
    let Value::Object(fields) = data else { return strict(data) };
    let field = |(name, value): (String, Value)| {
        let value = match (known.and_then(|known| known.get(&name)), value) {
            (Some(Harmless::Id), Value::String(id)) if is_harmless_name(&id) && id.len() <= 64 => id.into(),
            (Some(Harmless::Whole), Value::Number(number)) if number.is_u64() => number.into(),
            (_, value) => strict(value),
        };
        (key_of(&name), value)
    };
    Value::Object(merged(fields.into_iter().map(field)))
}

/// A value of which nothing is known.
fn strict(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(_) => "<hidden: a number>".into(),
        Value::String(text) => hidden(&text).into(),
        Value::Array(items) => items.into_iter().map(strict).collect(),
        Value::Object(fields) => {
            Value::Object(merged(fields.into_iter().map(|(name, value)| (key_of(&name), strict(value)))))
        }
    }
}

/// Fields of which several may have got the same name by hiding it.
fn merged(fields: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in fields {
        let mut free = name.clone();
        let mut number = 1_u32;
        while map.contains_key(&free) {
            number += 1;
            free = format!("{name} {number}");
        }
        map.insert(free, value);
    }
    map
}

/// An event type without its version.
fn base(event_type: &str) -> &str {
    event_type.rsplit_once(".v").map_or(event_type, |(base, _)| base)
}

/// What the schemas of all events say of their fields.
fn harmless() -> BTreeMap<String, BTreeMap<String, Harmless>> {
    let entry = |entry: catalogue::Entry| {
        let schema = (entry.schema)().to_value();
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let fields = fields.filter_map(|(name, field)| {
            let reference = field.get("$ref").and_then(Value::as_str).unwrap_or_default();
            let harmless = match field.get("type").and_then(Value::as_str) {
                Some("integer") => Some(Harmless::Whole),
                None if reference.starts_with("#/$defs/") && reference.ends_with("Id") => Some(Harmless::Id),
                _ => None,
            };
            Some((name.clone(), harmless?))
        });
        (base(&entry.event_type.to_string()).to_owned(), fields.collect())
    };
    catalogue::all().into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_references_of_our_events_are_shown_and_everything_else_is_hidden() {
        let redact = Redact::new(true);
        for sample in catalogue::all().iter().flat_map(|entry| entry.samples().collect::<Vec<_>>()) {
            let sample: Value = serde_json::from_str(sample).unwrap();
            let shown = redact.envelope(sample.clone());
            for field in ["id", "type", "subject", "time", "tenantid"] {
                assert_eq!(shown[field], sample[field]);
            }
            let ids = ["app_id", "user_id", "submission_id", "author_id", "revision", "assigned_by"];
            for field in ids.iter().filter(|field| sample["data"].get(**field).is_some()) {
                assert_eq!(shown["data"][field], sample["data"][field], "{field}");
            }
        }
        let hostile = json!({
            "type": "submission.created.v2",
            "subject": "ada@example.org",
            "correlationid": "+49 151 12345678",
            "extra": {"ada@example.org": "Ada"},
            "data": {
                "app_id": "ada@example.org",
                "author_id": "+4915112345678",
                "submission_id": "4915112345678",
                "revision": 3,
                "email": "ada@example.org",
                "phone": 4915112345678_u64,
                "Ada Lovelace": true,
                "Bob Lovelace": false,
                "answers": [{"name": "Ada Lovelace", "adult": true, "born": null}],
            },
        });
        let shown = redact.envelope(hostile);
        let text = shown.to_string();
        for personal in ["ada", "Ada", "Lovelace", "151", "example"] {
            assert!(!text.contains(personal), "{personal}: {text}");
        }
        assert_eq!(shown["data"]["revision"], 3);
        assert_eq!(
            shown["data"]["answers"][0],
            json!({"name": "<hidden: 12 characters>", "adult": true, "born": null})
        );
        assert_eq!(shown["data"].as_object().unwrap().len(), 9, "no field is lost by hiding its name: {text}");
    }

    #[test]
    fn data_of_an_unknown_type_or_shape_is_hidden() {
        let redact = Redact::new(true);
        let shown = redact.envelope(json!({"type": "person.born.v1", "data": {"app_id": "crm", "ok": true}}));
        assert_eq!(shown["data"], json!({"app_id": "<hidden: 3 characters>", "ok": true}));
        assert_eq!(redact.envelope(json!(["Ada"])), json!(["<hidden: 3 characters>"]));
        assert_eq!(redact.envelope(json!({"type": 1, "data": "Ada"}))["data"], "<hidden: 3 characters>");
    }

    #[test]
    fn addresses_and_numbers_in_errors_are_hidden_and_the_words_stay() {
        let redact = Redact::new(true);
        for (error, expected) in [
            ("550 5.1.1 <ada@example.org> unknown", "550 5.1.1 <address> unknown"),
            ("call +49 151 1234567 back", "call <phone> back"),
            ("the 'To' number 4915112345678 is not valid", "the 'To' number <hidden> is not valid"),
            ("GET /users/ada%40example.org failed", "GET <hidden> failed"),
            ("status 503 after 1500 ms", "status 503 after 1500 ms"),
        ] {
            assert_eq!(redact.text(error), expected);
        }
    }

    #[test]
    fn recipients_and_attributes_that_could_be_a_person_are_hidden() {
        let redact = Redact::new(true);
        assert_eq!(redact.name("user-17"), "user-17");
        assert_eq!(redact.name("apps/crm/submissions/s-1"), "apps/crm/submissions/s-1");
        assert_eq!(redact.name("01926b3e-5a00-7000-8000-000000000001"), "01926b3e-5a00-7000-8000-000000000001");
        for person in ["ada@example.org", "+4915112345678", "whatsapp:+4915112345678", "users/4915112345678", "Zoë"] {
            assert!(redact.name(person).starts_with("<hidden"), "{person}");
        }
        assert_eq!(redact.attribute("type", "app.assigned.v1"), "app.assigned.v1");
        assert_eq!(redact.attribute("customer", "Ada"), "<hidden: 3 characters>");
        assert_eq!(redact.attribute("ErrorMessage", "no ada@example.org"), "no <address>");
        assert_eq!(redact.typed("--set data.name=Ada"), "--set data.name=<hidden: 3 characters>");
        assert_eq!(redact.typed("--script .data.name=\"Ada\""), "<hidden: 25 characters>");
    }

    #[test]
    fn an_outline_says_what_kind_of_bytes_these_are_and_not_what_they_say() {
        assert_eq!(outline(br#"{"name":"Ada Lovelace"}"#), r#"{"x":"x x"}"#);
        assert_eq!(outline(b"\xff\x00\x1b[2Jabc"), "...[x");
        assert_eq!(outline(&[b'['; 1000]).len(), 40);
    }

    #[test]
    fn nothing_is_hidden_where_it_isnt_asked_for() {
        let redact = Redact::new(false);
        let envelope = json!({"type": "x.y.v1", "data": {"email": "ada@example.org"}});
        assert_eq!(redact.envelope(envelope.clone()), envelope);
        assert_eq!(redact.text("ada@example.org"), "ada@example.org");
        assert_eq!(redact.name("ada@example.org"), "ada@example.org");
        assert_eq!(redact.attribute("x", "Ada"), "Ada");
    }
}
