//! The keys that bearer tokens are checked with, as they stand in a secret: a JSON document, described in `docs/CONFIG.md`.

use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::Clock;
use sendoff_producers::api::{Key, KeyError, KeySet, SharedSecret};
use serde::Deserialize;

use crate::{Aws, Secret, SecretError};

/// Reads the keys that a secret holds.
///
/// # Errors
///
/// [`SecretError`] when it can't be read, or is no such document.
pub async fn auth_keys(secret: &Secret, aws: &Aws, clock: &dyn Clock) -> Result<KeySet, SecretError> {
    Ok(secret.parse::<Document>(aws, clock).await?.0)
}

/// The keys in such a document. The error doesn't repeat what stands in it.
pub(crate) fn keys_of(text: &str) -> Result<KeySet, String> {
    text.parse::<Document>().map(|document| document.0).map_err(|error| format!("the keys' secret: {error}"))
}

struct Document(KeySet);

/// Why the document can't be used. It doesn't repeat what stands in it, but for the key's id.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("it is not the JSON document that docs/CONFIG.md describes (line {line}, column {column})")]
    Shape { line: usize, column: usize },
    #[error("it has no keys")]
    Empty,
    #[error("the key `{id}`: {error}")]
    Key { id: String, error: KeyError },
    #[error("the key `{id}` needs `{needed}` and nothing else for its algorithm")]
    Material { id: String, needed: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<Given>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    id: String,
    algorithm: Algorithm,
    issuer: String,
    audience: String,
    secret: Option<SecretText>,
    public_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[derive(Clone, Copy, Deserialize)]
enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl FromStr for Document {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        // The parser's own message may repeat a value.
        let shape = |e: serde_json::Error| DocumentError::Shape { line: e.line(), column: e.column() };
        let Keys { keys } = serde_json::from_str(text).map_err(shape)?;
        if keys.is_empty() {
            return Err(DocumentError::Empty);
        }
        let add = |set: KeySet, given: Given| {
            let id = given.id.clone();
            let key = key(given)?;
            set.with(&id, key).map_err(|error| DocumentError::Key { id, error })
        };
        keys.into_iter().try_fold(KeySet::new(), add).map(Self)
    }
}

fn key(given: Given) -> Result<Key, DocumentError> {
    let Given { id, algorithm, issuer, audience, secret, public_key } = given;
    let key = match (algorithm, secret, public_key) {
        (Algorithm::Hs256, Some(secret), None) => {
            SharedSecret::new(secret.0.expose_secret()).map(|secret| Key::hs256(&issuer, &audience, &secret))
        }
        (Algorithm::Hs256, ..) => return Err(DocumentError::Material { id, needed: "secret" }),
        (Algorithm::Rs256, None, Some(pem)) => Key::rs256(&issuer, &audience, pem.as_bytes()),
        (Algorithm::Es256, None, Some(pem)) => Key::es256(&issuer, &audience, pem.as_bytes()),
        (Algorithm::EdDsa, None, Some(pem)) => Key::eddsa(&issuer, &audience, pem.as_bytes()),
        _ => return Err(DocumentError::Material { id, needed: "public_key" }),
    };
    key.map_err(|error| DocumentError::Key { id, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<Document>().map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_shared_secret_makes_a_key() {
        let keys = r#"{"keys": [{"id": "a", "algorithm": "HS256", "issuer": "i", "audience": "s",
                       "secret": "an example secret of more than 32 bytes"}]}"#;
        assert!(keys.parse::<Document>().is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        assert_eq!(wrong(r#"{"keys": []}"#), "it has no keys");
        let short =
            r#"{"keys": [{"id": "a", "algorithm": "HS256", "issuer": "i", "audience": "s", "secret": "hunter2"}]}"#;
        assert!(wrong(short).starts_with("the key `a`: ") && !wrong(short).contains("hunter2"), "{}", wrong(short));
        let misplaced = short.replace("HS256", "RS256");
        assert_eq!(wrong(&misplaced), "the key `a` needs `public_key` and nothing else for its algorithm");
        for text in ["hunter2", &short.replace("HS256", "none"), r#"{"keys": "hunter2"}"#] {
            let told = wrong(text);
            assert!(told.starts_with("it is not the JSON document") && !told.contains("hunter2"), "{told}");
        }
    }
}
