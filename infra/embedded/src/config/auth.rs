//! The keys that bearer tokens are checked with: `[[auth.key]]` in the file.

use std::{fs, path::PathBuf};

use sendoff_host::{
    config::{
        Given, Problem, Source, fill,
        rules::{choice, optional, path, text},
    },
    settings,
};
use sendoff_producers::api::{Key, KeyError, KeySet, SharedSecret};

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// HMAC with a shared secret.
    Hs256,
    /// RSA.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

settings! {
    /// A key that bearer tokens are checked with, as it is configured.
    pub(super) struct AuthKey, draft AuthKeyDraft, table AUTH_KEY;

    /// The key's id; tokens name it in `kid`.
    id: String { key: "id", env: None, default: None, secret: false, rule: text("the id that tokens name in `kid`") }
    /// How the tokens are signed. A token can't choose another algorithm.
    algorithm: Algorithm {
        key: "algorithm", env: None, default: None, secret: false,
        rule: choice(&[
            ("HS256", Algorithm::Hs256), ("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa),
        ])
    }
    /// Who must have issued the tokens: their `iss`.
    issuer: String { key: "issuer", env: None, default: None, secret: false, rule: text("the issuer as it stands in the tokens") }
    /// Whom the tokens must be meant for: their `aud`.
    audience: String {
        key: "audience", env: None, default: None, secret: false, rule: text("the audience as it stands in the tokens")
    }
    /// For HS256: a file that holds the shared secret, at least 32 bytes. A line break at its end is not part of it.
    secret_file: Option<PathBuf> {
        key: "secret_file", env: None, default: Some(""), secret: false, rule: optional(path("a file that holds the shared secret"))
    }
    /// For the others: a PEM file that holds the public key.
    public_key_file: Option<PathBuf> {
        key: "public_key_file", env: None, default: Some(""), secret: false,
        rule: optional(path("a PEM file that holds the public key"))
    }
}

/// Builds the keys, and adds what is wrong with them to the problems.
pub(super) fn keys(tables: &[(Source, Vec<Given>)], problems: &mut Vec<Problem>) -> KeySet {
    let mut keys = KeySet::new();
    for (source, values) in tables {
        let mut draft = AuthKeyDraft::default();
        let before = problems.len();
        fill(AUTH_KEY, &mut draft, values, "auth.key.", problems);
        for setting in AUTH_KEY.iter().filter(|s| s.default.is_none() && !values.iter().any(|v| v.key == s.key)) {
            problems.push(problem(setting.key, source, "is missing: every `[[auth.key]]` needs it"));
        }
        // A key that can't be used is always a problem: left out in silence it would leave the wrong ones in force.
        match draft.finish() {
            Some(settings) => {
                let id = settings.id.clone();
                let more = key(settings).and_then(|key| keys.clone().with(&id, key).map_err(|e| ("id", e.to_string())));
                match more {
                    Ok(more) => keys = more,
                    Err((name, why)) => problems.push(problem(name, source, &why)),
                }
            }
            None if problems.len() > before => {}
            None => problems.push(problem("id", source, "is not complete")),
        }
    }
    keys
}

fn problem(name: &str, source: &Source, rule: &str) -> Problem {
    Problem {
        key: format!("auth.key.{name}"),
        source: source.clone(),
        value: None,
        rule: rule.to_owned(),
        suggestion: None,
    }
}

fn key(given: AuthKey) -> Result<Key, (&'static str, String)> {
    let AuthKey { algorithm, issuer, audience, secret_file, public_key_file, .. } = given;
    let (name, file, other, unwanted) = match algorithm {
        Algorithm::Hs256 => ("secret_file", secret_file, "public_key_file", public_key_file),
        _ => ("public_key_file", public_key_file, "secret_file", secret_file),
    };
    if unwanted.is_some() {
        return Err((other, format!("has no place beside this algorithm, which needs `{name}`")));
    }
    let file = file.ok_or_else(|| (name, "is missing: this algorithm needs it".to_owned()))?;
    let bytes = fs::read(&file).map_err(|e| (name, format!("{} can't be read: {e}", file.display())))?;
    let wrong = |e: KeyError| (name, format!("{}: {e}", file.display()));
    match algorithm {
        Algorithm::Hs256 => {
            let secret = SharedSecret::new(bytes.trim_ascii_end()).map_err(wrong)?;
            Ok(Key::hs256(&issuer, &audience, &secret))
        }
        Algorithm::Rs256 => Key::rs256(&issuer, &audience, &bytes).map_err(wrong),
        Algorithm::Es256 => Key::es256(&issuer, &audience, &bytes).map_err(wrong),
        Algorithm::EdDsa => Key::eddsa(&issuer, &audience, &bytes).map_err(wrong),
    }
}
