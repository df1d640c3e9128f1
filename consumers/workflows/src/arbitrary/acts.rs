//! Random actions.

use serde_json::{Map, Value, json};

use super::{
    formulas::{Kind, Known},
    steps::Maker,
    submission::TEXTS,
};

impl Maker<'_> {
    pub(super) fn message(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known) {
        let to = match self.tape.below(3) {
            0 => json!({ "user": "ada" }),
            1 => json!({ "user": format!("{{{{ {} }}}}", self.tape.formula(Kind::Text, known, 1)) }),
            _ => json!({ "address": "x@example.org" }),
        };
        let (kind, call) = match self.tape.below(5) {
            0 => (
                "email",
                json!({
                    "to": to,
                    "subject": format!("S {}", self.tape.words(known)),
                    "text": format!("T {}", self.tape.words(known)),
                    "html": format!("<p title='{}'>", self.tape.words(known)),
                }),
            ),
            1 => ("sms", json!({ "to": to, "text": format!("T {}", self.tape.words(known)) })),
            2 => {
                let parameters = [self.tape.words(known), "x".to_owned()];
                let template = json!({ "name": "t", "language": "de", "parameters": parameters });
                ("whatsapp", json!({ "to": to, "approved_template": template }))
            }
            3 => {
                let data = json!({ "n": self.tape.words(known) });
                (
                    "push",
                    json!({ "to": to, "title": format!("T {}", self.tape.words(known)), "body": "B", "data": data }),
                )
            }
            _ => {
                let data = json!({ "n": self.json(known), "list": [self.json(known), 1, null], "literal": *self.tape.one(&TEXTS) });
                ("email", json!({ "to": to, "template": { "name": "t", "data": data } }))
            }
        };
        step.insert(kind.into(), call);
        known.add(&format!("steps.{id}"), &[("status", Kind::Text), ("error", Kind::Text), ("reason", Kind::Text)]);
        known.fallible.push(id.to_owned());
    }

    /// An expression that keeps its type.
    pub(super) fn json(&mut self, known: &Known) -> Value {
        let kind = *self.tape.one(&[Kind::Number, Kind::Text, Kind::Boolean, Kind::Date, Kind::Texts]);
        json!(format!("{{{{ {} }}}}", self.tape.formula(kind, known, 2)))
    }

    pub(super) fn http(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known) {
        let method = *self.tape.one(&["GET", "POST", "PUT"]);
        let end = if method == "PUT" { "/" } else { "" };
        let mut call = json!({
            "connection": "crm",
            "method": method,
            "path": format!("/a/{{{{ {} }}}}{end}", self.tape.formula(Kind::Text, known, 1)),
            "query": { "q": self.json(known) },
            "headers": { "X-A": "a" },
            "response": { "id": { "at": "/id", "type": "text" }, "n": { "at": "/n", "type": "number" } },
        });
        if call["method"] != "GET" {
            call["body"] = json!({ "a": self.json(known), "b": [self.json(known), true] });
            call["idempotent"] = json!(self.tape.below(2) == 1);
        }
        step.insert("http".into(), call);
        let names =
            [("status", Kind::Text), ("code", Kind::Number), ("response.id", Kind::Text), ("response.n", Kind::Number)];
        known.add(&format!("steps.{id}"), &names);
        known.fallible.push(id.to_owned());
    }

    pub(super) fn database(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known) {
        let (text, number) = (self.tape.formula(Kind::Text, known, 2), self.tape.formula(Kind::Number, known, 2));
        let call = json!({
            "connection": "stock",
            "sql": "select name, qty from parts where id = :id and qty > :qty",
            "params": { "id": text, "qty": number },
            "returns": { "name": "text", "qty": "number" },
        });
        step.insert("database".into(), call);
        let names = [
            ("status", Kind::Text),
            ("affected", Kind::Number),
            ("first.name", Kind::Text),
            ("first.qty", Kind::Number),
            ("rows.name", Kind::Texts),
        ];
        known.add(&format!("steps.{id}"), &names);
        known.fallible.push(id.to_owned());
    }

    pub(super) fn record(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known) {
        let fields = json!({ "a": self.json(known), "b": self.tape.words(known), "c": [1, null] });
        let call = match self.tape.below(2) {
            0 => json!({ "app": "orders", "create": { "fields": fields } }),
            _ => {
                json!({ "app": "orders", "author": "bob", "update": { "submission": "{{ {submission.id} }}", "fields": fields } })
            }
        };
        step.insert("record".into(), call);
        known.add(
            &format!("steps.{id}"),
            &[("status", Kind::Text), ("submission", Kind::Text), ("revision", Kind::Number)],
        );
        known.fallible.push(id.to_owned());
    }
}
