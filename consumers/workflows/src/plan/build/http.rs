//! Calls of other systems, through connections that the deployment has.

use serde_json::{Map, Value, json};

use super::{
    Around, Builder,
    parts::{MAX_KEPT, is_plain, object},
};
use crate::{
    Type,
    definition::{Http, Words},
    expr::{Piece, Template},
    place::{self, quoted},
};

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Headers that are the connection's, or the protocol's own.
const RESERVED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "idempotency-key",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The most headers, and the most entries of a query.
const MAX_ENTRIES: usize = 50;

impl Builder {
    pub(super) fn http(&mut self, http: &Http, place: &str, around: &Around) -> Template {
        let at = |name: &str| place::field(place, name);
        let connection = self.connection(&http.connection, &at("connection"));
        let method = http.method.as_str();
        if !METHODS.contains(&method) {
            let help = place::suggest(method, &METHODS);
            self.wrong(&at("method"), format!("{} is no method", quoted(method)), help);
        }
        if http.body.is_some() && matches!(method, "GET" | "HEAD") {
            self.wrong(&at("body"), format!("isn't sent with {method}"), "put it into `query`, or take another method");
        }
        let path = self.path(&http.path, &at("path"), around);
        let (query, headers) = (self.query(http, &at("query"), around), self.headers(http, &at("headers"), around));
        let body = http.body.as_ref().and_then(|body| self.json(body, &at("body"), around));
        self.few(http.response.len(), &at("response"), MAX_KEPT);
        let mut response = Map::new();
        for (name, mapping) in &http.response {
            let place = place::field(&at("response"), name);
            self.name(&place, name);
            self.depth(&place::field(&place, "type"), &mapping.r#type);
            if !is_pointer(&mapping.at) {
                let message = format!("{} is no JSON Pointer", quoted(&mapping.at));
                self.wrong(
                    &place::field(&place, "at"),
                    message,
                    "write `/order/id`, or nothing for the whole; `~` is `~0`, `/` is `~1`",
                );
            }
            response.insert(name.clone(), json!({ "at": mapping.at, "type": mapping.r#type }));
        }
        object([
            ("connection", Some(connection)),
            ("method", Some(Template::Literal(json!(method)))),
            ("path", path),
            ("query", query),
            ("headers", headers),
            ("body", body),
            ("idempotent", http.idempotent.map(|is| Template::Literal(json!(is)))),
            ("response", (!response.is_empty()).then_some(Template::Literal(Value::Object(response)))),
        ])
    }

    fn path(&mut self, path: &Words, place: &str, around: &Around) -> Option<Template> {
        let made = self.filled(path, place, around)?;
        // Whatever stands in an expression's place is checked when it is known.
        let written = match &made {
            Template::Literal(text) => text.as_str().unwrap_or_default().to_owned(),
            Template::Text(pieces) => pieces.iter().map(piece).collect(),
            _ => String::new(),
        };
        if !written.starts_with('/') {
            let help = "host and credentials are the connection's: write `/orders`";
            self.wrong(place, "must begin with `/`, and not by an expression", help);
        } else if written.contains(['?', '#']) {
            self.wrong(place, "must be without `?` and `#`", "what stands behind the `?` belongs to `query`");
        } else if written.contains('\\') || written.contains(char::is_control) {
            self.wrong(place, "must be without `\\` and line ends", "write `/orders/7`");
        } else if written.split('/').any(|part| matches!(&*part.to_lowercase().replace("%2e", "."), "." | "..")) {
            self.wrong(place, "must be without the segments `.` and `..`", "write where it leads");
        } else if written[1..].split('/').rev().skip(1).any(str::is_empty) {
            self.wrong(place, "has an empty segment", "write `/` once");
        } else if matches!(made, Template::Text(_)) && written.contains('%') {
            self.wrong(place, "must be without `%` beside an expression", "write the character itself: it is encoded");
        }
        Some(match made {
            Template::Text(pieces) => Template::List(parts_of(pieces)),
            whole => whole,
        })
    }

    fn query(&mut self, http: &Http, at: &str, around: &Around) -> Option<Template> {
        self.few(http.query.len(), at, MAX_ENTRIES);
        let mut query = Vec::new();
        for (name, value) in &http.query {
            let place = place::field(at, name);
            let Some(made) = self.json(value, &place, around) else { continue };
            let fits = match &made {
                Template::Text(_) => true,
                Template::Expr(expr) => match &expr.ty {
                    Type::List(item) => is_plain(item),
                    ty => is_plain(ty),
                },
                Template::Literal(Value::Array(items)) => !items.iter().any(|item| item.is_array() || item.is_object()),
                Template::Literal(value) => !value.is_object(),
                Template::List(items) => {
                    !items.iter().any(|item| matches!(item, Template::List(_) | Template::Object(_)))
                }
                Template::Object(_) => false,
            };
            if !fits {
                self.wrong(&place, "must be a text, a number or a boolean, or a list of them", "name a part of it");
            }
            query.push((name.clone(), made));
        }
        (!query.is_empty()).then(|| Template::Object(query.into_iter().collect()))
    }

    fn headers(&mut self, http: &Http, at: &str, around: &Around) -> Option<Template> {
        self.few(http.headers.len(), at, MAX_ENTRIES);
        let mut headers = Vec::new();
        for (name, value) in &http.headers {
            let place = place::field(at, name);
            // RFC 9110 § 5.6.2.
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(is_token) {
                self.wrong(&place, "is no name of a header", "use letters, digits and `-`");
            } else if RESERVED.contains(&&*name.to_lowercase()) {
                self.wrong(
                    &place,
                    "can't be set here",
                    "credentials are the connection's, and the rest is the protocol's own",
                );
            }
            if http.headers.keys().any(|other| other < name && other.eq_ignore_ascii_case(name)) {
                self.wrong(&place, "stands twice: headers are the same in capitals and small letters", "leave one out");
            }
            if value.0.contains(['\r', '\n']) {
                self.wrong(&place, "has a line end in it", "write it in one line");
            }
            headers.extend(self.words(value, &place, around).map(|made| (name.clone(), made)));
        }
        (!headers.is_empty()).then(|| Template::Object(headers.into_iter().collect()))
    }
}

/// A piece of a path; an expression stands for something.
fn piece(piece: &Piece) -> &str {
    match piece {
        Piece::Text(text) => text,
        Piece::Expr(_) => "x",
    }
}

/// RFC 6901.
fn is_pointer(text: &str) -> bool {
    let escaped = |part: &str| part.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.is_empty() || (text.starts_with('/') && escaped(text))
}

/// A path that is filled, by its parts, so that what fills one stays within it. A slash that was written at the end is `null`, so
/// that nobody takes a part that is filled with nothing for it.
fn parts_of(pieces: Vec<Piece>) -> Vec<Template> {
    let mut parts = vec![Vec::new()];
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                for (n, text) in text.split('/').enumerate() {
                    if n > 0 {
                        parts.push(Vec::new());
                    }
                    if let Some(part) = parts.last_mut().filter(|_| !text.is_empty()) {
                        part.push(Piece::Text(text.to_owned()));
                    }
                }
            }
            filled => parts.last_mut().into_iter().for_each(|part| part.push(filled.clone())),
        }
    }
    let part = |mut pieces: Vec<Piece>| match &mut pieces[..] {
        // Elsewhere an empty part was refused.
        [] => Template::Literal(Value::Null),
        [Piece::Text(text)] => Template::Literal(std::mem::take(text).into()),
        _ => Template::Text(pieces),
    };
    // Nothing stands before the first slash.
    parts.into_iter().skip(1).map(part).collect()
}
