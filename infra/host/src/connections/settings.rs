//! Connections as they are configured: `[connections.NAME]` in a file, or one JSON object in a variable.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::action::{HttpConnectionSettings, Tenants};
use serde_json::Value;

use crate::{
    config::{
        Given, Problem, Rule, Source, fill,
        reference::{default, row, what},
        rules::{choice, count, duration, explained, is_secret, optional, path, rule, secret},
        shown,
    },
    settings,
};

settings! {
    /// A connection's settings, as they are configured.
    pub(super) struct Values, draft Draft, table CONNECTION;

    /// Where the system is, which also says what it is: `https://crm.example.org/api`, `postgres://user:password@db.example.org/stock`,
    /// or `sqlite:` and the path of a file that exists.
    url: Option<SecretString> {
        key: "url", env: None, default: Some(""), secret: true,
        rule: optional(secret("`https://…`, `postgres://…` or `sqlite:` and a path", 8))
    }
    /// A file that holds what `url` would.
    url_file: Option<PathBuf> {
        key: "url_file", env: None, default: Some(""), secret: false, rule: optional(path("a file that holds the address"))
    }
    /// On AWS, the ARN of the secret that holds what `url` would.
    url_secret: Option<String> {
        key: "url_secret", env: None, default: Some(""), secret: false, rule: optional(arn())
    }
    /// Whose workflows may use it: tenants with commas between them, or `*` for all.
    tenants: Tenants { key: "tenants", env: None, default: None, secret: false, rule: tenants() }
    /// Whether it may stand in a private network, and be called by plain http. Needed for every http system of your own.
    private: bool {
        key: "private", env: None, default: Some("false"), secret: false, rule: choice(&[("true", true), ("false", false)])
    }
    /// Of a database: whether statements may only read. Those are repeated when nobody knows what became of them.
    read_only: bool {
        key: "read_only", env: None, default: Some("false"), secret: false, rule: choice(&[("true", true), ("false", false)])
    }
    /// How long a request or a statement may take.
    timeout: Duration {
        key: "timeout", env: None, default: Some("20s"), secret: false, rule: duration(1..=300)
    }
    /// Of a database: how many statements each process runs at the same time.
    at_once: usize { key: "at_once", env: None, default: Some("5"), secret: false, rule: count(1..=50) }
    /// A PEM file of a certificate authority that is trusted beside Mozilla's.
    ca_file: Option<PathBuf> {
        key: "ca_file", env: None, default: Some(""), secret: false, rule: optional(path("a PEM file of a certificate authority"))
    }
}

/// The rows of the reference that no table has: headers have names of their own.
const HEADERS: [(&str, &str, &str); 3] = [
    (
        "headers.NAME",
        "a header's value",
        "Of an http system: a header that every request carries, such as `Authorization`. It is secret.",
    ),
    ("header_files.NAME", "a file that holds the value", "The same from a file."),
    ("header_secrets.NAME", "the ARN of a secret", "The same on AWS from a secret."),
];

/// Where a secret is.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// It was given as it is.
    Text(SecretString),
    /// In a file; the white space around it isn't part of it.
    File(PathBuf),
    /// In AWS Secrets Manager.
    Arn(String),
}

/// A connection, as far as it can be known without its secrets.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// What definitions call it.
    pub name: String,
    /// Whose workflows may use it.
    pub tenants: Tenants,
    /// Where it was given.
    pub source: Source,
    url: SecretSource,
    headers: BTreeMap<String, SecretSource>,
    values: Values,
}

/// A connection that can be opened.
#[derive(Debug, Clone)]
pub enum Connection {
    /// A system that is called over HTTP.
    Http(HttpConnectionSettings),
    /// A PostgreSQL database.
    Postgres(PostgresSettings),
    /// A SQLite database.
    Sqlite(SqliteSettings),
}

/// A PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Its address, with the password.
    pub url: SecretString,
    /// Whether statements may only read.
    pub read_only: bool,
    /// How long one may take.
    pub timeout: Duration,
    /// How many run at the same time.
    pub at_once: usize,
    /// PEM of certificate authorities that are trusted beside Mozilla's.
    pub root_certificates: Vec<Vec<u8>>,
}

/// A SQLite database.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// The file.
    pub path: PathBuf,
    /// Whether statements may only read.
    pub read_only: bool,
    /// How long one may take.
    pub timeout: Duration,
    /// How many run at the same time.
    pub at_once: usize,
}

/// A connection can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct ConnectionError {
    /// Which of its settings is wrong.
    pub key: String,
    /// What is wrong.
    pub rule: String,
}

impl ConnectionError {
    /// An error about one of the settings.
    #[must_use]
    pub fn of(key: &str, rule: impl Into<String>) -> Self {
        Self { key: key.to_owned(), rule: rule.into() }
    }
}

/// Reads the connection `name` from its values, whose keys are those of the reference, and adds what is wrong to the problems.
#[must_use]
pub fn read(name: &str, source: &Source, values: &[Given], problems: &mut Vec<Problem>) -> Option<ConnectionSettings> {
    let before = problems.len();
    let prefix = format!("connections.{name}.");
    let wrong = |key: &str, source: &Source, rule: &str| Problem {
        key: format!("{prefix}{key}"),
        source: source.clone(),
        value: None,
        rule: rule.to_owned(),
        suggestion: None,
    };
    if !is_name(name) {
        problems.push(wrong(
            "",
            source,
            "a connection's name has 1 to 40 of a-z, 0-9, `-` and `_`, the first a letter",
        ));
    }
    let (headers, plain): (Vec<&Given>, Vec<&Given>) = values.iter().partition(|given| header(&given.key).is_some());
    let plain: Vec<Given> = plain.into_iter().cloned().collect();
    let mut draft = Draft::default();
    fill(CONNECTION, &mut draft, &plain, &prefix, problems);
    if !plain.iter().any(|given| given.key == "tenants") {
        problems.push(wrong("tenants", source, "is missing: say whose workflows may use it, or `*`"));
    }
    let mut found = BTreeMap::new();
    for given in headers {
        let secret = header(&given.key).and_then(|(kind, name)| Some((name, secret_of(kind, &given.text)?)));
        let Some((name, secret)) = secret else {
            problems.push(wrong(&given.key, &given.source, "has a value that no header can have"));
            continue;
        };
        if found.insert(name.to_ascii_lowercase(), secret).is_some() {
            problems.push(wrong(&given.key, &given.source, "is given twice"));
        }
    }
    let values = draft.finish()?;
    let sources = [
        values.url.clone().map(SecretSource::Text),
        values.url_file.clone().map(SecretSource::File),
        values.url_secret.clone().map(SecretSource::Arn),
    ];
    let mut sources = sources.into_iter().flatten();
    let (url, more) = (sources.next(), sources.next());
    if url.is_none() || more.is_some() {
        problems.push(wrong("url", source, "give one of `url`, `url_file` and `url_secret`"));
    }
    let url = url.filter(|_| problems.len() == before)?;
    let (name, tenants, source) = (name.to_owned(), values.tenants.clone(), source.clone());
    Some(ConnectionSettings { name, tenants, source, url, headers: found, values })
}

/// Reads the connections of a JSON object `{name: {key: value}}`, whose keys are those of the reference, from the variable of
/// this name. What is wrong is added to the problems.
#[must_use]
pub fn read_json(variable: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<ConnectionSettings> {
    let source = Source::Variable(variable.to_owned());
    let mut wrong = |rule: &str| {
        let (key, source, rule) = (variable.to_owned(), source.clone(), rule.to_owned());
        problems.push(Problem { key, source, value: None, rule, suggestion: None });
    };
    let Ok(Value::Object(connections)) = serde_json::from_str(text) else {
        wrong("must be a JSON object of connections by name");
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, settings) in connections {
        let mut values = Vec::new();
        if !flatten("", &settings, &source, &mut values) {
            wrong(&format!("{name:?} must be an object of single values, and of headers by name"));
            continue;
        }
        found.push((name, values));
    }
    found.into_iter().filter_map(|(name, values)| read(&name, &source, &values, problems)).collect()
}

/// The single values of an object and of the objects in it, with dotted keys. Gives whether that is all there is.
fn flatten(prefix: &str, value: &Value, source: &Source, values: &mut Vec<Given>) -> bool {
    let Value::Object(map) = value else { return false };
    map.iter().all(|(name, value)| {
        let key = format!("{prefix}{name}");
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Object(_) if prefix.is_empty() => return flatten(&format!("{key}."), value, source, values),
            Value::Object(_) | Value::Array(_) | Value::Null => return false,
        };
        values.push(Given { key, text, source: source.clone() });
        true
    })
}

impl ConnectionSettings {
    /// The secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        std::iter::once(&self.url).chain(self.headers.values())
    }

    /// The connection, with what `secret` finds. The errors hold no secret.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] with the first thing that is wrong.
    pub fn resolve(
        &self,
        secret: &dyn Fn(&SecretSource) -> Result<SecretString, String>,
    ) -> Result<Connection, ConnectionError> {
        let Values { read_only, private, timeout, at_once, .. } = self.values;
        let url = secret(&self.url).map_err(|why| ConnectionError::of("url", why))?;
        let mut root_certificates = Vec::new();
        if let Some(file) = &self.values.ca_file {
            let pem = std::fs::read(file);
            let wrong = |e| ConnectionError::of("ca_file", format!("{} can't be read: {e}", file.display()));
            root_certificates.push(pem.map_err(wrong)?);
        }
        let scheme = url.expose_secret().split(':').next().unwrap_or_default();
        let connection = match scheme {
            "http" | "https" => {
                let find = |(name, source): (&String, &SecretSource)| {
                    let wrong = |why| ConnectionError::of(&format!("headers.{name}"), why);
                    Ok((name.clone(), secret(source).map_err(wrong)?))
                };
                let headers = self.headers.iter().map(find).collect::<Result<_, ConnectionError>>()?;
                let url = url.expose_secret().to_owned();
                Connection::Http(HttpConnectionSettings { url, private, headers, timeout, root_certificates })
            }
            "postgres" | "postgresql" => {
                Connection::Postgres(PostgresSettings { url, read_only, timeout, at_once, root_certificates })
            }
            "sqlite" => {
                let path = PathBuf::from(&url.expose_secret()["sqlite:".len()..]);
                Connection::Sqlite(SqliteSettings { path, read_only, timeout, at_once })
            }
            _ => return Err(ConnectionError::of("url", "must begin with `https:`, `http:`, `postgres:` or `sqlite:`")),
        };
        match (&connection, self.headers.is_empty()) {
            (Connection::Postgres(_) | Connection::Sqlite(_), false) => {
                Err(ConnectionError::of("headers", "are for http systems: a database has none"))
            }
            (connection, _) => match connection {
                Connection::Http(_) if read_only => Err(ConnectionError::of("read_only", "is for databases")),
                _ => Ok(connection.clone()),
            },
        }
    }
}

/// The rows of the reference, as Markdown.
pub fn reference(page: &mut String) {
    for setting in CONNECTION {
        row(page, &[&format!("`{}`", setting.key), &default(setting), &(setting.says)(), &what(setting)]);
    }
    for (key, says, what) in HEADERS {
        row(page, &[&format!("`{key}`"), "none", says, what]);
    }
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=40).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(fits)
}

/// How a header is given, and its name.
fn header(key: &str) -> Option<(&str, &str)> {
    key.split_once('.')
        .filter(|(kind, name)| matches!(*kind, "headers" | "header_files" | "header_secrets") && !name.is_empty())
}

fn secret_of(kind: &str, text: &str) -> Option<SecretSource> {
    match kind {
        "headers" => {
            let fits = !text.is_empty() && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
            fits.then(|| SecretSource::Text(text.to_owned().into()))
        }
        "header_files" => (!text.trim().is_empty()).then(|| SecretSource::File(text.into())),
        _ => is_arn(text).then(|| SecretSource::Arn(text.to_owned())),
    }
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && is_secret(text, 20)
}

fn arn() -> Rule<String> {
    rule("the ARN of a secret: `arn:aws:secretsmanager:…`", |text| is_arn(text).then(|| text.to_owned()))
}

fn tenants() -> Rule<Tenants> {
    explained("tenants with commas between them, or `*` for all", |text| {
        if text.trim() == "*" {
            return Ok(Tenants::All);
        }
        let parse = |name: &str| name.trim().parse().map_err(|_| format!("{} is none", shown(name, false)));
        text.split(',').map(parse).collect::<Result<BTreeSet<_>, String>>().map(Tenants::Only)
    })
}
