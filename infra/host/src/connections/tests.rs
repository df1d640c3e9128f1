use std::{collections::BTreeSet, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::action::Tenants;

use super::*;
use crate::config::{Given, Problem, Source};

fn source() -> Source {
    Source::File { path: "sendoff.toml".into(), line: 3 }
}

fn given(values: &[(&str, &str)]) -> Vec<Given> {
    values.iter().map(|(key, text)| Given { key: (*key).into(), text: (*text).into(), source: source() }).collect()
}

fn read_one(values: &[(&str, &str)]) -> Result<ConnectionSettings, Vec<String>> {
    let mut problems = Vec::new();
    let settings = read("crm", &source(), &given(values), &mut problems);
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(told(&problems)),
    }
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| problem.to_string().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn resolve(settings: &ConnectionSettings) -> Result<Connection, ConnectionError> {
    settings.resolve(&|source| match source {
        SecretSource::Text(text) => Ok(text.clone()),
        SecretSource::File(path) => Err(format!("{} can't be read", path.display())),
        SecretSource::Arn(arn) => Ok(SecretString::from(format!("of {arn}"))),
    })
}

#[test]
fn the_address_says_what_a_connection_is() {
    let http = [
        ("url", "https://crm.example.org/api"),
        ("tenants", "acme, globex"),
        ("timeout", "5s"),
        ("headers.Authorization", "Bearer s3cret"),
    ];
    let settings = read_one(&http).unwrap();
    let tenants: BTreeSet<_> = ["acme", "globex"].map(|name| name.parse().unwrap()).into();
    assert_eq!((&*settings.name, &settings.tenants), ("crm", &Tenants::Only(tenants)));
    let Ok(Connection::Http(http)) = resolve(&settings) else { panic!("{settings:?}") };
    assert_eq!(
        (&*http.url, http.private, http.timeout),
        ("https://crm.example.org/api", false, Duration::from_secs(5))
    );
    assert_eq!(http.headers["authorization"].expose_secret(), "Bearer s3cret");

    let postgres = [("url", "postgres://u:s3cret@db.example.org/stock"), ("tenants", "*"), ("read_only", "true")];
    let settings = read_one(&postgres).unwrap();
    assert_eq!(settings.tenants, Tenants::All);
    let Ok(Connection::Postgres(postgres)) = resolve(&settings) else { panic!("{settings:?}") };
    assert!(postgres.read_only && postgres.timeout == Duration::from_secs(20) && postgres.at_once == 5);

    let Ok(Connection::Sqlite(sqlite)) =
        resolve(&read_one(&[("url", "sqlite:/srv/stock.db"), ("tenants", "*")]).unwrap())
    else {
        panic!("it is SQLite")
    };
    assert_eq!(sqlite.path, std::path::Path::new("/srv/stock.db"));
}

#[test]
fn no_secret_shows_in_what_is_printed() {
    let values = [("url", "postgres://u:s3cret@db.example.org/stock"), ("tenants", "*"), ("headers.X", "s3cret")];
    let settings = read_one(&values).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let error = resolve(&settings).unwrap_err();
    assert!(error.key == "headers" && !error.to_string().contains("s3cret"), "a database has no headers: {error}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let problems = read_one(&[
        ("url", "https://a.example"),
        ("url_file", "/run/url"),
        ("tenants", "acme, not a tenant"),
        ("timeout", "1h"),
        ("pasword", "s3cret"),
        ("headers.X", "a\r\ns3cret"),
        ("header_secrets.Y", "no arn"),
    ])
    .unwrap_err();
    for part in ["tenants", "timeout", "pasword", "headers.X", "header_secrets.Y"] {
        assert!(
            problems.iter().any(|problem| problem.contains(&format!("connections.crm.{part}"))),
            "{part}: {problems:?}"
        );
    }
    assert!(!problems.concat().contains("s3cret"), "{problems:?}");
    let twice = read_one(&[("url", "https://a.example"), ("url_file", "/run/url"), ("tenants", "*")]).unwrap_err();
    assert!(twice.concat().contains("give one of"), "{twice:?}");
    let none = read_one(&[]).unwrap_err();
    assert!(none.iter().any(|problem| problem.contains("tenants")), "{none:?}");
    let again = read_one(&[("url", "https://a.example"), ("tenants", "*"), ("headers.X", "1"), ("headers.x", "2")]);
    assert!(again.unwrap_err().concat().contains("given twice"));
    let mut problems = Vec::new();
    let values = given(&[("url", "https://a.example"), ("tenants", "*")]);
    assert!(read("No Name", &source(), &values, &mut problems).is_none() && problems.len() == 1);
    for (url, key) in [("ftp://a.example", "url"), ("gopher:x:y:z", "url")] {
        assert_eq!(resolve(&read_one(&[("url", url), ("tenants", "*")]).unwrap()).unwrap_err().key, key);
    }
    let missing = resolve(&read_one(&[("url_file", "/nowhere/url"), ("tenants", "*")]).unwrap()).unwrap_err();
    assert!(missing.key == "url" && missing.to_string().contains("/nowhere/url"), "{missing}");
    let ca = [("url", "https://a.example"), ("tenants", "*"), ("ca_file", "/nowhere/ca.pem")];
    assert_eq!(resolve(&read_one(&ca).unwrap()).unwrap_err().key, "ca_file");
}

#[test]
fn a_variable_holds_the_same_settings_as_json() {
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:crm";
    let text = serde_json::json!({
        "crm": { "url": "https://crm.example.org", "tenants": "acme", "header_secrets": { "Authorization": arn } },
        "stock": { "url_secret": arn, "tenants": "*", "read_only": true, "at_once": 2 },
    });
    let mut problems = Vec::new();
    let found = read_json("SENDOFF_CONNECTIONS", &text.to_string(), &mut problems);
    assert!(problems.is_empty() && found.len() == 2, "{problems:?}");
    assert!(found[1].secrets().any(|secret| matches!(secret, SecretSource::Arn(found) if found == arn)));
    let Ok(Connection::Http(http)) = resolve(&found[0]) else { panic!("{found:?}") };
    assert_eq!(http.headers["authorization"].expose_secret(), format!("of {arn}"));
    for wrong in
        ["", "[]", "{", r#"{"crm": 1}"#, r#"{"crm": {"url": ["x"]}}"#, r#"{"crm": {"headers": {"a": {"b": 1}}}}"#]
    {
        let mut problems = Vec::new();
        assert!(read_json("SENDOFF_CONNECTIONS", wrong, &mut problems).is_empty(), "{wrong}");
        assert!(told(&problems).concat().contains("SENDOFF_CONNECTIONS"), "{wrong}: {problems:?}");
    }
}

#[test]
fn every_setting_stands_in_the_reference() {
    let mut page = String::new();
    reference(&mut page);
    for key in ["url", "tenants", "private", "read_only", "timeout", "at_once", "ca_file", "headers.NAME"] {
        assert!(page.contains(&format!("| `{key}` |")), "{key}: {page}");
    }
}
