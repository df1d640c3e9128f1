//! Making tokens: for the command line, the demo and tests.

use std::{fmt, time::Duration};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use sendoff_events::{Clock, TenantId, UserId};
use serde_json::json;

use super::SharedSecret;

/// A key that tokens are signed with. Debug output shows no key material.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    issuer: String,
    audience: String,
    signing: EncodingKey,
}

/// A token couldn't be made.
#[derive(Debug, thiserror::Error)]
#[error("the token can't be signed: {0}")]
pub struct MintError(String);

impl SigningKey {
    /// Signs HS256 tokens of `issuer` for `audience`, which name the key `id`.
    #[must_use]
    pub fn hs256(id: &str, issuer: &str, audience: &str, secret: &SharedSecret) -> Self {
        Self {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            signing: EncodingKey::from_secret(&secret.0),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, issuer, audience, .. } = self;
        write!(f, "SigningKey({id:?}, iss {issuer:?}, aud {audience:?})")
    }
}

/// A token by which `subject` may read and write in `tenant`, from now and for `ttl`.
///
/// # Errors
///
/// [`MintError`] when signing fails.
pub fn mint(
    key: &SigningKey,
    tenant: &TenantId,
    subject: &UserId,
    ttl: Duration,
    clock: &dyn Clock,
) -> Result<String, MintError> {
    let now = clock.now().as_second();
    let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
    let claims = json!({
        "iss": key.issuer,
        "aud": key.audience,
        "sub": subject,
        "tenant": tenant,
        "iat": now,
        "exp": now.saturating_add_unsigned(ttl.as_secs()),
    });
    encode(&header, &claims, &key.signing).map_err(|e| MintError(e.to_string()))
}
