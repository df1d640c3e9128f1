//! Our requests to Twilio, against Twilio's own OpenAPI document.
//!
//! Where `SENDOFF_TWILIO_OPENAPI` names that document (`spec/json/twilio_api_v2010.json` of
//! <https://github.com/twilio/twilio-oai>), it is the whole that is checked against; else an excerpt of it that lies beside this
//! file, so that something is always checked:
//!
//! ```sh
//! SENDOFF_TWILIO_OPENAPI=twilio_api_v2010.json cargo test -p sendoff-tests --test suite openapi
//! ```

use std::{fs, sync::Arc};

use sendoff_consumers::channels::{Provider, sms::TwilioSms};
use sendoff_events::Clock as _;
use sendoff_tests::servers::{Asked, PeerFault, TwilioStub};
use serde_json::Value;

use super::given::{TO, Twilio, http, sms, template, text, whatsapp};

const EXCERPT: &str = include_str!("twilio_messages.openapi.json");
const PATH: &str = "/2010-04-01/Accounts/{AccountSid}/Messages.json";

struct Document(Value);

impl Document {
    fn load() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test is told by its environment where somebody else's file lies"
        )]
        let named = std::env::var_os("SENDOFF_TWILIO_OPENAPI");
        let text = match &named {
            Some(file) => fs::read_to_string(file).expect("SENDOFF_TWILIO_OPENAPI names a file that can be read"),
            None => EXCERPT.to_owned(),
        };
        Self(serde_json::from_str(&text).expect("the document is JSON"))
    }

    fn excerpt() -> Self {
        Self(serde_json::from_str(EXCERPT).unwrap())
    }

    fn operation(&self, method: &str) -> &Value {
        let operation = &self.0["paths"][PATH][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {PATH} is in the document");
        operation
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            None => schema,
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("a reference within the document");
                self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} is in the document"))
            }
        }
    }

    /// What is wrong with a request.
    fn mistakes(&self, asked: &Asked) -> Vec<String> {
        let operation = self.operation(&asked.method);
        let account =
            asked.path.strip_prefix("/2010-04-01/Accounts/").and_then(|rest| rest.strip_suffix("/Messages.json"));
        let mut given = vec![("AccountSid".to_owned(), account.unwrap_or_default().to_owned())];
        given.extend(asked.query_fields());
        let known = operation["parameters"].as_array().expect("parameters");
        let mut mistakes = self.fields("parameter", &given, |name| {
            known.iter().find(|parameter| parameter["name"] == name).map(|parameter| &parameter["schema"])
        });
        let content = &operation["requestBody"]["content"];
        match content.as_object() {
            None if asked.body.is_empty() => {}
            None => mistakes.push("a body where none is wanted".to_owned()),
            Some(content) => {
                let kind = asked.header("content-type").unwrap_or_default();
                match content.get(kind) {
                    None => mistakes.push(format!("the content type `{kind}`")),
                    Some(form) => mistakes.extend(self.form(&form["schema"], &asked.form_fields())),
                }
            }
        }
        mistakes
    }

    fn form(&self, schema: &Value, given: &[(String, String)]) -> Vec<String> {
        let mut mistakes = self.fields("field", given, |name| schema["properties"].get(name));
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing = required.filter(|name| !given.iter().any(|(known, _)| known == name));
        mistakes.extend(missing.map(|name| format!("the field `{name}` is missing")));
        mistakes
    }

    fn fields<'a>(
        &'a self,
        what: &str,
        given: &[(String, String)],
        schema: impl Fn(&str) -> Option<&'a Value>,
    ) -> Vec<String> {
        let wrong = given.iter().filter_map(|(name, value)| match schema(name) {
            None => Some(format!("the {what} `{name}` is unknown")),
            Some(schema) => text_mistake(self.resolved(schema), value).map(|why| format!("the {what} `{name}` {why}")),
        });
        wrong.collect()
    }

    /// What is wrong with a JSON value: only fields that the schema knows, of its types.
    fn json_mistakes(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let schema = self.resolved(schema);
        let is_nullable = schema["nullable"] == true;
        match (schema["type"].as_str().unwrap_or_default(), value) {
            (_, Value::Null) if is_nullable => Vec::new(),
            ("object", Value::Object(fields)) if schema["properties"].is_object() => fields
                .iter()
                .flat_map(|(name, value)| match schema["properties"].get(name) {
                    None => vec![format!("{at}.{name} is unknown")],
                    Some(schema) => self.json_mistakes(schema, value, &format!("{at}.{name}")),
                })
                .collect(),
            ("array", Value::Array(items)) => {
                items.iter().flat_map(|item| self.json_mistakes(&schema["items"], item, at)).collect()
            }
            ("string", Value::String(text)) => {
                text_mistake(schema, text).map(|why| format!("{at} {why}")).into_iter().collect()
            }
            ("integer", Value::Number(number)) if number.is_i64() => Vec::new(),
            ("object", Value::Object(_)) => Vec::new(),
            (kind, value) => vec![format!("{at} is no {kind}: {value}")],
        }
    }
}

/// What is wrong with a value that is written as a text.
fn text_mistake(schema: &Value, text: &str) -> Option<String> {
    let length = text.chars().count() as u64;
    let words = |why: &str| Some(format!("{why}: {text}"));
    if schema["minLength"].as_u64().is_some_and(|least| length < least)
        || schema["maxLength"].as_u64().is_some_and(|most| length > most)
    {
        return words("is too short or too long");
    }
    if schema["pattern"].as_str().is_some_and(|pattern| !fits(pattern, text)) {
        return words("has another form");
    }
    if schema["enum"].as_array().is_some_and(|words| !words.iter().any(|word| word == text)) {
        return words("is none of the words that it may be");
    }
    if schema["type"] == "integer" {
        let number = text.parse::<i64>().ok();
        let within = |number: &i64| {
            schema["minimum"].as_i64().is_none_or(|least| *number >= least)
                && schema["maximum"].as_i64().is_none_or(|most| *number <= most)
        };
        return if number.as_ref().is_some_and(within) { None } else { words("is no number within its limits") };
    }
    let good = match schema["format"].as_str() {
        Some("uri") => text.starts_with('/') || url::Url::parse(text).is_ok(),
        // What Twilio's own descriptions of these fields allow.
        Some("phone-number") => !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' '),
        Some("date-time") => text.parse::<jiff::civil::Date>().is_ok(),
        Some("date-time-rfc-2822") => jiff::fmt::rfc2822::parse(text).is_ok(),
        _ => true,
    };
    if good { None } else { words("has another format") }
}

/// Whether the text fits a pattern such as `^AC[0-9a-fA-F]{32}$` or `^(SM|MM)[0-9a-fA-F]{32}$`, the only kind that the document
/// has for what we use.
fn fits(pattern: &str, text: &str) -> bool {
    let kinds = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("[0-9a-fA-F]{32}$"));
    let kinds = kinds.unwrap_or_else(|| panic!("the pattern `{pattern}` has to be taught to this test"));
    kinds.trim_matches(['(', ')']).split('|').any(|kind| {
        text.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// All kinds of requests that we make, as they came to the stub.
async fn all_requests() -> (Twilio, Vec<Asked>) {
    let mut twilio = Twilio::start().await;
    let good = twilio.settings.clone();
    for sender in [TwilioStub::NUMBER, TwilioStub::SERVICE, "12345", "Acme"] {
        twilio.settings.from = sender.parse().unwrap();
        twilio.sms().send(&sms(1), None).await;
    }
    twilio.settings = good;
    twilio.settings.validity = Some(std::time::Duration::from_secs(3600));
    twilio.sms().send(&sms(1), None).await;
    for content in [text(), template()] {
        twilio.whatsapp().send(&whatsapp(content), None).await;
    }
    let long_ago = twilio.clock.now() - std::time::Duration::from_secs(24 * 3600);
    for _ in 0..25 {
        twilio.stub.peer().add(|message| (message.to, message.created) = ("+4915112345678".into(), long_ago));
    }
    let mut other = sms(3);
    other.to = sendoff_events::Personal::new("+4915112345678".parse().unwrap());
    let provider = TwilioSms::new(
        twilio.settings.clone(),
        http(std::time::Duration::from_secs(30)),
        Arc::new(twilio.clock.clone()),
    );
    let doubt = twilio.doubt(3);
    twilio.clock.advance(std::time::Duration::from_secs(61));
    provider.unwrap().find(&other, &doubt).await;
    let asked = twilio.stub.asked();
    (twilio, asked)
}

#[tokio::test]
async fn every_request_to_twilio_is_one_of_its_openapi_document() {
    let document = Document::load();
    let (_twilio, asked) = all_requests().await;
    let methods: Vec<_> = asked.iter().map(|asked| &*asked.method).collect();
    assert_eq!(methods, [["POST"; 7].as_slice(), &["GET"; 3]].concat());
    for asked in asked {
        let mistakes = document.mistakes(&asked);
        assert!(mistakes.is_empty(), "{} {}?{}: {mistakes:?}", asked.method, asked.path, asked.query);
    }
}

#[tokio::test]
async fn what_the_stub_answers_is_what_twilio_would() {
    let document = Document::load();
    let (twilio, asked) = all_requests().await;
    let sid = twilio.stub.peer().messages()[0].sid.clone();
    twilio.stub.peer().set_status(&sid, "failed", Some(30003));
    for asked in &asked {
        let answer = sendoff_tests::servers::Peer::answer(twilio.stub.peer(), asked);
        let responses = &document.operation(&asked.method)["responses"];
        let schema = &responses[answer.status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{} {}", asked.method, answer.status);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let mistakes = document.json_mistakes(schema, &body, "answer");
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }
}

/// The check can see.
#[tokio::test]
async fn a_request_that_twilio_does_not_know_is_noticed() {
    let document = Document::load();
    let twilio = Twilio::start().await;
    twilio.stub.script().next([PeerFault::ResetBefore]);
    twilio.sms().send(&sms(1), None).await;
    let good = twilio.stub.asked().remove(0);
    assert!(document.mistakes(&good).is_empty());
    let text = String::from_utf8(good.body.clone()).unwrap();
    for (body, mistake) in [
        (format!("{text}&IdempotencyKey=1"), "`IdempotencyKey` is unknown"),
        (text.replace("To=", "Too="), "`To` is missing"),
        (format!("{text}&MessagingServiceSid=MG1"), "`MessagingServiceSid` is too short"),
        (format!("{text}&ContentSid=HX0123456789abcdef0123456789abcdeg"), "`ContentSid` has another form"),
        (format!("{text}&ValidityPeriod=soon"), "`ValidityPeriod` is no number"),
        (text.replace("https%3A%2F%2F", ""), "`StatusCallback` has another format"),
    ] {
        let mistakes = document.mistakes(&Asked { body: body.clone().into_bytes(), ..good.clone() });
        assert!(mistakes.iter().any(|found| found.contains(mistake)), "{body}: {mistakes:?}");
    }
    let query =
        Asked { method: "GET".into(), query: format!("To={TO}&DateSent%3E%3D=x&PageSize=1001"), body: vec![], ..good };
    let mistakes = document.mistakes(&query);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
}

/// The excerpt says nothing that the whole document doesn't say.
#[test]
fn the_excerpt_is_one_of_the_document() {
    let (excerpt, whole) = (Document::excerpt(), Document::load());
    let (mut open, mut seen) = (vec![(excerpt.0["paths"].clone(), whole.0["paths"].clone(), "paths".to_owned())], 0);
    open.push((excerpt.0["components"].clone(), whole.0["components"].clone(), "components".to_owned()));
    while let Some((part, whole, at)) = open.pop() {
        match (part, whole) {
            (Value::Object(part), Value::Object(whole)) => {
                for (name, value) in part {
                    let at = format!("{at}/{name}");
                    let other = whole.get(&name).unwrap_or_else(|| panic!("{at} is not in the document")).clone();
                    open.push((value, other, at));
                }
            }
            (Value::Array(part), Value::Array(whole)) if at.ends_with("/parameters") => {
                assert_eq!(part.len(), whole.len(), "{at}");
                open.extend(part.into_iter().zip(whole).map(|(part, whole)| (part, whole, at.clone() + "[]")));
            }
            (part, whole) => {
                assert_eq!(part, whole, "{at}");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}
