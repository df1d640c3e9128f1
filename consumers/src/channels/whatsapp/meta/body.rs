//! A message as Meta's Cloud API takes it
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).

use serde::Serialize;

use crate::channels::whatsapp::{Whatsapp, WhatsappContent, WhatsappTemplate};

/// The most characters that a text may have.
const MAX_TEXT: usize = 4096;

/// The most bytes that come back with the news of a message.
const MAX_CALLBACK_DATA: usize = 512;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    to: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Content<'a> {
    Text { text: Text<'a> },
    Template { template: Template<'a> },
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    preview_url: bool,
    body: &'a str,
}

#[derive(Debug, Serialize)]
struct Template<'a> {
    name: &'a str,
    language: Language<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component<'a>>,
}

#[derive(Debug, Serialize)]
struct Language<'a> {
    code: &'a str,
}

#[derive(Debug, Serialize)]
struct Component<'a> {
    r#type: &'static str,
    parameters: Vec<Parameter<'a>>,
}

#[derive(Debug, Serialize)]
struct Parameter<'a> {
    r#type: &'static str,
    text: &'a str,
}

impl<'a> Body<'a> {
    /// The message, if it obeys Meta's rules.
    ///
    /// # Errors
    ///
    /// Which rule it breaks.
    pub(super) fn of(message: &'a Whatsapp) -> Result<Self, String> {
        let key = message.idempotency_key.as_str();
        Ok(Self {
            messaging_product: "whatsapp",
            recipient_type: "individual",
            to: message.to.expose().digits(),
            content: content(&message.content)?,
            biz_opaque_callback_data: (key.len() <= MAX_CALLBACK_DATA).then_some(key),
        })
    }
}

fn content(content: &WhatsappContent) -> Result<Content<'_>, String> {
    match content {
        WhatsappContent::Text(text) => match text.chars().count() {
            _ if text.trim().is_empty() => Err("the text is empty".to_owned()),
            count if count > MAX_TEXT => {
                Err(format!("the text has {count} characters; Meta takes {MAX_TEXT}: shorten its template"))
            }
            _ => Ok(Content::Text { text: Text { preview_url: false, body: text } }),
        },
        WhatsappContent::Template(template) => {
            for (i, value) in template.parameters.iter().enumerate() {
                check(value).map_err(|why| format!("parameter {} of the template `{}` {why}", i + 1, template.name))?;
            }
            Ok(Content::Template { template: filled(template) })
        }
    }
}

fn filled(template: &WhatsappTemplate) -> Template<'_> {
    let parameters = template.parameters.iter().map(|text| Parameter { r#type: "text", text }).collect::<Vec<_>>();
    let body = Component { r#type: "body", parameters };
    Template {
        name: &template.name,
        language: Language { code: &template.language },
        components: if body.parameters.is_empty() { Vec::new() } else { vec![body] },
    }
}

/// Meta's rules for what stands in a place of a template.
fn check(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("is empty, which Meta refuses"),
        _ if value.contains(['\n', '\r', '\t']) => Err("holds a line break or a tab, which Meta refuses"),
        _ if value.contains("     ") => Err("holds more than four spaces in a row, which Meta refuses"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sendoff_events::Personal;
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "whatsapp/01938d1e-7b2c-7000-8000-000000000000/ada";

    fn message(content: WhatsappContent) -> Whatsapp {
        let to = Personal::new("+4930123456".parse().unwrap());
        Whatsapp { to, content, idempotency_key: KEY.into() }
    }

    fn template(parameters: &[&str]) -> WhatsappContent {
        WhatsappContent::Template(WhatsappTemplate {
            name: "app_assigned".into(),
            language: "de".into(),
            content_sid: None,
            parameters: parameters.iter().map(|&p| p.into()).collect(),
            text: "Hallo".into(),
        })
    }

    fn json_of(content: WhatsappContent) -> Value {
        serde_json::to_value(Body::of(&message(content)).unwrap()).unwrap()
    }

    #[test]
    fn a_text_reads_as_meta_documents_it() {
        assert_eq!(
            json_of(WhatsappContent::Text("Hello".into())),
            json!({
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": "4930123456",
                "type": "text",
                "text": { "preview_url": false, "body": "Hello" },
                "biz_opaque_callback_data": KEY,
            })
        );
    }

    #[test]
    fn a_template_reads_as_meta_documents_it() {
        let found = json_of(template(&["Ada", "CRM"]));
        assert_eq!(found["type"], "template");
        assert_eq!(
            found["template"],
            json!({
                "name": "app_assigned",
                "language": { "code": "de" },
                "components": [{
                    "type": "body",
                    "parameters": [{ "type": "text", "text": "Ada" }, { "type": "text", "text": "CRM" }],
                }],
            })
        );
        assert_eq!(json_of(template(&[]))["template"].get("components"), None);
    }

    #[test]
    fn what_meta_would_refuse_is_named() {
        for (content, why) in [
            (WhatsappContent::Text(String::new()), "empty"),
            (WhatsappContent::Text("a".repeat(4097)), "4097"),
            (template(&["Ada", ""]), "parameter 2 of the template `app_assigned` is empty"),
            (template(&["Ada\nEve"]), "line break"),
            (template(&["a     b"]), "four spaces"),
        ] {
            let error = Body::of(&message(content)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_key_that_is_too_long_to_come_back_is_left_out() {
        let long = Whatsapp { idempotency_key: "x".repeat(513), ..message(template(&[])) };
        let body = serde_json::to_value(Body::of(&long).unwrap()).unwrap();
        assert_eq!(body.get("biz_opaque_callback_data"), None);
    }
}
