//! Messages to people. What is checked here would be refused by `consumers/src/handlers/action` when it is too late.

use serde_json::{Value, json};

use super::{Around, Builder, parts::object};
use crate::{
    definition::{ApprovedTemplate, Email, MailTemplate, Push, Sms, To, Whatsapp, Words},
    expr::Template,
    place,
};

impl Builder {
    pub(super) fn email(&mut self, email: &Email, place: &str, around: &Around) -> Template {
        let words = [("subject", &email.subject), ("text", &email.text), ("html", &email.html)];
        self.one_of(place, &["template"], &["subject", "text"], &[("template", email.template.is_some())], &words);
        object([
            ("to", self.to(&email.to, place, around)),
            ("subject", self.said(&email.subject, "subject", place, around)),
            ("text", self.said(&email.text, "text", place, around)),
            ("html", email.html.as_ref().and_then(|html| self.markup(html, &place::field(place, "html"), around))),
            ("template", self.ours(email.template.as_ref(), place, around)),
        ])
    }

    pub(super) fn sms(&mut self, sms: &Sms, place: &str, around: &Around) -> Template {
        self.one_of(place, &["template"], &["text"], &[("template", sms.template.is_some())], &[("text", &sms.text)]);
        object([
            ("to", self.to(&sms.to, place, around)),
            ("text", self.said(&sms.text, "text", place, around)),
            ("template", self.ours(sms.template.as_ref(), place, around)),
        ])
    }

    pub(super) fn whatsapp(&mut self, whatsapp: &Whatsapp, place: &str, around: &Around) -> Template {
        let templates =
            [("template", whatsapp.template.is_some()), ("approved_template", whatsapp.approved_template.is_some())];
        let words = [("text", &whatsapp.text)];
        self.one_of(place, &["approved_template", "template"], &["text"], &templates, &words);
        object([
            ("to", self.to(&whatsapp.to, place, around)),
            ("text", self.said(&whatsapp.text, "text", place, around)),
            ("template", self.ours(whatsapp.template.as_ref(), place, around)),
            ("approved_template", self.approved(whatsapp.approved_template.as_ref(), place, around)),
        ])
    }

    pub(super) fn push(&mut self, push: &Push, place: &str, around: &Around) -> Template {
        let words = [("title", &push.title), ("body", &push.body)];
        self.one_of(place, &["template"], &["title", "body"], &[("template", push.template.is_some())], &words);
        let at = place::field(place, "data");
        let mut data = Vec::new();
        for (name, value) in &push.data {
            let value = self.words(value, &place::field(&at, name), around);
            data.extend(value.map(|value| (name.clone(), value)));
        }
        if push.template.is_some() && !push.data.is_empty() {
            self.wrong(&at, "stands beside `template`", "put it into the template's `data`");
        }
        let data = (!data.is_empty()).then(|| Template::Object(data.into_iter().collect()));
        object([
            ("to", self.to(&push.to, place, around)),
            ("title", self.said(&push.title, "title", place, around)),
            ("body", self.said(&push.body, "body", place, around)),
            ("data", data),
            ("template", self.ours(push.template.as_ref(), place, around)),
        ])
    }

    /// Either one of the templates is named, or all that must be worded is.
    fn one_of(
        &mut self,
        place: &str,
        templates: &[&str],
        needed: &[&str],
        named: &[(&str, bool)],
        worded: &[(&str, &Option<Words>)],
    ) {
        let named: Vec<&str> = named.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        let ticked = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        match named[..] {
            [] => {
                for name in needed {
                    if worded.iter().any(|(other, words)| other == name && words.is_none()) {
                        let help = format!("write {}, or one of {}", ticked(needed), ticked(templates));
                        self.wrong(&place::field(place, name), "is missing", help);
                    }
                }
            }
            [template] => {
                for (name, words) in worded {
                    if words.is_some() {
                        let message = format!("stands beside `{template}`, which has its own words");
                        self.wrong(&place::field(place, name), message, "write one of them");
                    }
                }
            }
            _ => self.wrong(place, format!("has {}", ticked(&named)), "write one of them"),
        }
    }

    fn to(&mut self, to: &To, place: &str, around: &Around) -> Option<Template> {
        let place = place::field(place, "to");
        let (name, written) = match (&to.user, &to.address) {
            (Some(user), None) => ("user", user),
            (None, Some(address)) => ("address", address),
            _ => {
                self.wrong(&place, "must have exactly one of `user` and `address`", "write `to: { user: ada }`");
                return None;
            }
        };
        Some(object([(name, self.filled(written, &place::field(&place, name), around))]))
    }

    fn said(&mut self, words: &Option<Words>, name: &str, place: &str, around: &Around) -> Option<Template> {
        words.as_ref().and_then(|words| self.filled(words, &place::field(place, name), around))
    }

    fn ours(&mut self, template: Option<&MailTemplate>, place: &str, around: &Around) -> Option<Template> {
        let template = template?;
        let place = place::field(place, "template");
        let at = place::field(&place, "data");
        let data = template.data.as_ref().and_then(|data| {
            let made = self.json(data, &at, around)?;
            let fits = match &made {
                Template::Literal(value) => value.is_object(),
                Template::Object(_) => true,
                Template::Expr(expr) => matches!(expr.ty, crate::Type::Object(_)),
                Template::List(_) | Template::Text(_) => false,
            };
            if !fits {
                self.wrong(&at, "must be an object", "write `name: value`");
            }
            Some(made)
        });
        Some(object([
            ("name", self.filled(&template.name, &place::field(&place, "name"), around)),
            ("locale", self.said(&template.locale, "locale", &place, around)),
            ("data", data),
        ]))
    }

    fn approved(&mut self, template: Option<&ApprovedTemplate>, place: &str, around: &Around) -> Option<Template> {
        let template = template?;
        let place = place::field(place, "approved_template");
        let at = place::field(&place, "parameters");
        let parameters: Option<Vec<Template>> = template.parameters.as_ref().map(|parameters| {
            let one = |(n, words)| self.words(words, &place::item(&at, n), around);
            parameters.iter().enumerate().filter_map(one).collect()
        });
        // A list of literals is one literal, as elsewhere.
        let parameters = parameters.map(|list| {
            let literal = |one: &Template| match one {
                Template::Literal(value) => Some(value.clone()),
                _ => None,
            };
            match list.iter().map(literal).collect::<Option<Vec<Value>>>() {
                Some(values) => Template::Literal(json!(values)),
                None => Template::List(list),
            }
        });
        Some(object([
            ("name", self.filled(&template.name, &place::field(&place, "name"), around)),
            ("language", self.filled(&template.language, &place::field(&place, "language"), around)),
            ("content_sid", self.said(&template.content_sid, "content_sid", &place, around)),
            ("parameters", parameters),
            ("text", self.said(&template.text, "text", &place, around)),
        ]))
    }
}
