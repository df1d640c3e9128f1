//! WhatsApp messages through Twilio.

use std::sync::Arc;

use sendoff_events::{BoxFuture, Clock};
use serde_json::{Map, Value};

use super::{Whatsapp, WhatsappContent, WhatsappTemplate};
use crate::{
    Doubt, Found, NotSent, SendOutcome,
    channels::{
        Provider,
        http::HttpClient,
        sms::twilio::check_text,
        twilio::{NAME, Route, Twilio, TwilioSettings, TwilioSettingsError, is_sid},
    },
};

/// Sends WhatsApp messages through Twilio, and can ask it what became of one: see [`twilio`](crate::channels::twilio).
///
/// A template is sent by its id at Twilio. One that has none isn't sent: as a text it would be refused outside of the 24-hour
/// window, and inside of it nobody would notice what is missing.
#[derive(Debug)]
pub struct TwilioWhatsapp(Twilio);

impl TwilioWhatsapp {
    /// A provider.
    ///
    /// # Errors
    ///
    /// [`TwilioSettingsError`] when one of the settings can't be right: the sender can't be a short code or a name.
    pub fn new(settings: TwilioSettings, http: HttpClient, clock: Arc<dyn Clock>) -> Result<Self, TwilioSettingsError> {
        Twilio::new(Route::Whatsapp, settings, http, clock).map(Self)
    }
}

impl Provider<Whatsapp> for TwilioWhatsapp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, message: &'a Whatsapp, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            match content(&message.content) {
                Ok(content) => {
                    let fields = content.iter().map(|(name, value)| (*name, &**value));
                    self.0.send(message.to.expose(), fields, &message.idempotency_key).await
                }
                Err(reason) => SendOutcome::NotSent(NotSent::Permanent { reason }),
            }
        })
    }

    fn find<'a>(&'a self, message: &'a Whatsapp, doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        let text = match &message.content {
            WhatsappContent::Text(text) => text,
            WhatsappContent::Template(template) => &template.text,
        };
        Box::pin(self.0.find(message.to.expose(), text, doubt))
    }
}

/// The fields of the form that say what the message says.
fn content(content: &WhatsappContent) -> Result<Vec<(&'static str, String)>, String> {
    match content {
        WhatsappContent::Text(text) => {
            check_text(text)?;
            Ok(vec![("Body", text.clone())])
        }
        WhatsappContent::Template(template) => {
            let mut fields = vec![("ContentSid", content_sid(template)?)];
            if !template.parameters.is_empty() {
                let places = template.parameters.iter().enumerate();
                let variables = places.map(|(i, value)| ((i + 1).to_string(), Value::from(&**value)));
                fields.push(("ContentVariables", Value::Object(Map::from_iter(variables)).to_string()));
            }
            Ok(fields)
        }
    }
}

fn content_sid(template: &WhatsappTemplate) -> Result<String, String> {
    let name = &template.name;
    match &template.content_sid {
        Some(sid) if is_sid(sid, "HX") => Ok(sid.clone()),
        Some(sid) => {
            Err(format!("the template `{name}` has the content SID `{sid}`, which is not HX and 32 hexadecimal digits"))
        }
        None => Err(format!(
            "the template `{name}` has no content SID, by which Twilio knows it: add the HX… of its approved content"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "HX0123456789abcdef0123456789abcdef";

    fn template(content_sid: Option<&str>, parameters: &[&str]) -> WhatsappContent {
        WhatsappContent::Template(WhatsappTemplate {
            name: "app_assigned".into(),
            language: "en".into(),
            content_sid: content_sid.map(Into::into),
            parameters: parameters.iter().map(|&p| p.into()).collect(),
            text: "Hello".into(),
        })
    }

    #[test]
    fn the_parameters_of_a_template_are_numbered_and_stand_in_json() {
        let fields = content(&template(Some(SID), &["Ada", "a \"quoted\"\napp"])).unwrap();
        assert_eq!(fields[0], ("ContentSid", SID.to_owned()));
        let variables: Value = serde_json::from_str(&fields[1].1).unwrap();
        assert_eq!(variables, serde_json::json!({ "1": "Ada", "2": "a \"quoted\"\napp" }));
        assert_eq!(content(&template(Some(SID), &[])).unwrap().len(), 1);
    }

    #[test]
    fn a_template_that_twilio_does_not_know_is_refused_by_name() {
        for sid in [None, Some("HX123"), Some("")] {
            let error = content(&template(sid, &[])).unwrap_err();
            assert!(error.contains("`app_assigned`") && error.contains("HX"), "{error}");
        }
    }

    #[test]
    fn a_text_obeys_twilios_limit() {
        assert!(content(&WhatsappContent::Text("é".repeat(1600))).is_ok());
        assert!(content(&WhatsappContent::Text("é".repeat(1601))).unwrap_err().contains("1601"));
        assert!(content(&WhatsappContent::Text(" \n".into())).unwrap_err().contains("empty"));
    }
}
