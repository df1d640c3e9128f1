//! The keys that tokens are checked with.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey};

use super::{DevelopmentKey, development};

/// A key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A shared secret is too short to withstand guessing.
    #[error("an HS256 secret needs at least 32 bytes, this one has {0}: make one with `openssl rand -base64 48`")]
    ShortSecret(usize),
    /// A shared secret is a PEM file: whoever knows that public file could sign tokens with it.
    #[error("the HS256 secret is a PEM file: give a public key as RS256, ES256 or EdDSA instead")]
    SecretIsPem,
    /// The secret is the development key, which everybody knows.
    #[error("the HS256 secret is the development key, which everybody knows: make your own")]
    SecretIsPublic,
    /// A PEM file holds a private key, which has no place on the side that only checks.
    #[error("the PEM file holds a private key: give the public one, `openssl pkey -in key.pem -pubout`")]
    Private,
    /// A PEM file holds no public key of this algorithm.
    #[error("the PEM file holds no public key for {algorithm}: {why}")]
    NotPem {
        /// The algorithm it was given for.
        algorithm: &'static str,
        /// What the decoder says.
        why: String,
    },
    /// Two keys have the same id.
    #[error("two keys have the id `{0}`: give each its own")]
    Duplicate(String),
}

/// A key that tokens are checked with: one algorithm, one issuer, one audience. Debug output shows no key material.
#[derive(Clone)]
pub struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) verifying: DecodingKey,
}

/// A secret that both sides share, of at least 32 bytes. Debug output hides it.
#[derive(Clone)]
pub struct SharedSecret(pub(super) Vec<u8>);

impl SharedSecret {
    /// The secret with these bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it has less than 32 bytes, is a PEM file, or is the development key.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        if bytes == development::SECRET {
            Err(KeyError::SecretIsPublic)
        } else if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            Err(KeyError::SecretIsPem)
        } else if bytes.len() < 32 {
            Err(KeyError::ShortSecret(bytes.len()))
        } else {
            Ok(Self(bytes))
        }
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Key {
    /// Checks HS256 tokens of `issuer` for `audience` with a shared secret.
    #[must_use]
    pub fn hs256(issuer: &str, audience: &str, secret: &SharedSecret) -> Self {
        Self::of(Algorithm::HS256, issuer, audience, DecodingKey::from_secret(&secret.0))
    }

    /// Checks RS256 tokens with an RSA public key in PEM form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] and [`KeyError::NotPem`].
    pub fn rs256(issuer: &str, audience: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let key = public(pem, "RS256", DecodingKey::from_rsa_pem)?;
        Ok(Self::of(Algorithm::RS256, issuer, audience, key))
    }

    /// Checks ES256 tokens with a P-256 public key in PEM form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] and [`KeyError::NotPem`].
    pub fn es256(issuer: &str, audience: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let key = public(pem, "ES256", DecodingKey::from_ec_pem)?;
        Ok(Self::of(Algorithm::ES256, issuer, audience, key))
    }

    /// Checks EdDSA tokens with an Ed25519 public key in PEM form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] and [`KeyError::NotPem`].
    pub fn eddsa(issuer: &str, audience: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let key = public(pem, "EdDSA", DecodingKey::from_ed_pem)?;
        Ok(Self::of(Algorithm::EdDSA, issuer, audience, key))
    }

    fn of(algorithm: Algorithm, issuer: &str, audience: &str, verifying: DecodingKey) -> Self {
        Self { algorithm, issuer: issuer.to_owned(), audience: audience.to_owned(), verifying }
    }
}

fn public(
    pem: &[u8],
    algorithm: &'static str,
    read: fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>,
) -> Result<DecodingKey, KeyError> {
    if pem.windows(11).any(|window| window == b"PRIVATE KEY") {
        return Err(KeyError::Private);
    }
    read(pem).map_err(|e| KeyError::NotPem { algorithm, why: e.to_string() })
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, issuer, audience, .. } = self;
        write!(f, "Key({algorithm:?}, iss {issuer:?}, aud {audience:?})")
    }
}

/// The keys that the API accepts, each under the id that tokens name in `kid`. An empty set accepts nobody.
///
/// A set never changes; keys are rotated by building a new one. Whoever fetches keys from a JWKS address does it there.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: BTreeMap<String, Arc<Key>>,
}

impl KeySet {
    /// The set with no key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set with one key more.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] when the id is taken.
    pub fn with(mut self, id: &str, key: Key) -> Result<Self, KeyError> {
        match self.keys.insert(id.to_owned(), Arc::new(key)) {
            None => Ok(self),
            Some(_) => Err(KeyError::Duplicate(id.to_owned())),
        }
    }

    /// The set that accepts the development key too. Only a loopback address gives one.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] when its id is taken.
    pub fn with_development(self, key: &DevelopmentKey) -> Result<Self, KeyError> {
        self.with(development::ID, key.verifying())
    }

    /// The key that a token names; without a name, the only one there is. Looking it up is all that `kid` is used for.
    pub(super) fn find(&self, id: Option<&str>) -> Option<Arc<Key>> {
        match id {
            Some(id) => self.keys.get(id).cloned(),
            None if self.keys.len() == 1 => self.keys.values().next().cloned(),
            None => None,
        }
    }
}
