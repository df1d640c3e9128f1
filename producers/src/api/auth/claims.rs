//! What a token has to say, and the check that it says it.

use std::{fmt, time::Duration};

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use sendoff_events::Timestamp;
use serde_json::{Map, Value};

use super::{Caller, KeySet, development};

/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// Longer texts aren't looked at: a token of ours has a few hundred bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Methods that change nothing.
    Read,
    /// The others.
    Write,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// A token that passed.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) caller: Caller,
    pub(super) scopes: Option<String>,
    /// Whether everybody could have signed it.
    pub(super) is_development: bool,
}

impl Verified {
    /// Whether the token allows it. A token without a `scope` claim allows everything.
    pub(super) fn allows(&self, scope: Scope) -> bool {
        let listed = |scopes: &String| scopes.split(' ').any(|s| s == scope.to_string());
        self.scopes.as_ref().is_none_or(listed)
    }
}

/// Why a token is refused. Never says anything of the token's text or of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no bearer token at all.
    #[error("there is no bearer token")]
    NoToken,
    /// It isn't a JWT, or one with extensions that aren't understood.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// It names a key that isn't in the set.
    #[error("the token's key is not known here")]
    UnknownKey,
    /// It wants to be checked otherwise than its key is used.
    #[error("the token's algorithm is not the one of its key")]
    WrongAlgorithm,
    /// It was changed, or signed by somebody else.
    #[error("the token's signature does not fit")]
    BadSignature,
    /// Its `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its `iss` isn't the one that its key is for.
    #[error("the token's issuer is not the one of its key")]
    WrongIssuer,
    /// Its `aud` isn't the one that its key is for.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// It is a development token, and the request is addressed to another host than this machine.
    #[error(
        "everybody knows the development key: its tokens are taken only by requests to localhost or a loopback address that no proxy passed on"
    )]
    DevelopmentElsewhere,
    /// A claim isn't there, or isn't what it has to be.
    #[error("the token lacks a valid claim: exp, iss, aud, sub and tenant are needed")]
    MissingClaim,
}

impl KeySet {
    /// Who the token speaks for. The key decides the algorithm; the token's header only says which key to look up.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: extensions that we don't understand must be refused.
            return Err(Refusal::Malformed);
        }
        let key = self.find(header.kid.as_deref()).ok_or(Refusal::UnknownKey)?;
        let mut rules = Validation::new(key.algorithm);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&key.issuer]);
        rules.set_audience(&[&key.audience]);
        // The library would ask the system's clock; time is ours to inject, so it is checked below.
        rules.validate_exp = false;
        let claims = decode::<Map<String, Value>>(token, &key.verifying, &rules)
            .map_err(|e| match e.kind() {
                ErrorKind::InvalidAlgorithm => Refusal::WrongAlgorithm,
                ErrorKind::InvalidSignature => Refusal::BadSignature,
                ErrorKind::InvalidIssuer => Refusal::WrongIssuer,
                ErrorKind::InvalidAudience => Refusal::WrongAudience,
                ErrorKind::MissingRequiredClaim(_) => Refusal::MissingClaim,
                _ => Refusal::Malformed,
            })?
            .claims;
        check_time(&claims, now)?;
        Ok(Verified { is_development: key.issuer == development::ISSUER, ..accept(&claims)? })
    }
}

fn check_time(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
    let (now, leeway) = (now.as_second() as f64, LEEWAY.as_secs_f64());
    let expires = claims.get("exp").and_then(Value::as_f64).ok_or(Refusal::MissingClaim)?;
    if now >= expires + leeway {
        return Err(Refusal::Expired);
    }
    match claims.get("nbf").map(Value::as_f64) {
        Some(None) => Err(Refusal::MissingClaim),
        Some(Some(from)) if now + leeway < from => Err(Refusal::NotYetValid),
        _ => Ok(()),
    }
}

fn accept(claims: &Map<String, Value>) -> Result<Verified, Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let tenant = text("tenant").and_then(|t| t.parse().ok()).ok_or(Refusal::MissingClaim)?;
    let subject = text("sub").and_then(|s| s.parse().ok()).ok_or(Refusal::MissingClaim)?;
    let scopes = match claims.get("scope") {
        None => None,
        // A scope that isn't text must not count as no scope, which would allow everything.
        Some(scope) => Some(scope.as_str().ok_or(Refusal::MissingClaim)?.to_owned()),
    };
    Ok(Verified { caller: Caller { tenant, subject }, scopes, is_development: false })
}
