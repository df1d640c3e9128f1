//! The key for trying things out. Everybody knows it, so it opens nothing but a server on the loopback address.

use std::net::SocketAddr;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::{Key, SharedSecret, SigningKey};

/// The id that development tokens name in `kid`.
pub(super) const ID: &str = "development";

/// The secret of development tokens. Public on purpose: any JWT library can make one.
pub(super) const SECRET: &[u8] = b"sendoff development key: loopback only, never a secret";

const ISSUER: &str = "sendoff-development";
const AUDIENCE: &str = "sendoff";

/// Leave to use the development key: HS256, `kid` `development`, `iss` `sendoff-development`, `aud` `sendoff`, and the secret
/// `sendoff development key: loopback only, never a secret`.
#[derive(Debug, Clone, Copy)]
pub struct DevelopmentKey(());

/// The development key was asked for on an address that others can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the development key works on loopback addresses only, and {0} is not one: configure a key of your own")]
pub struct NotLoopback(pub SocketAddr);

impl DevelopmentKey {
    /// The development key for a server that listens on `address`.
    ///
    /// # Errors
    ///
    /// [`NotLoopback`] when others could reach that address.
    ///
    /// # Examples
    ///
    /// ```
    /// use sendoff_producers::api::DevelopmentKey;
    ///
    /// assert!(DevelopmentKey::loopback("127.0.0.1:8080".parse().unwrap()).is_ok());
    /// assert!(DevelopmentKey::loopback("0.0.0.0:8080".parse().unwrap()).is_err());
    /// ```
    pub fn loopback(address: SocketAddr) -> Result<Self, NotLoopback> {
        if address.ip().is_loopback() { Ok(Self(())) } else { Err(NotLoopback(address)) }
    }

    /// The key to sign development tokens with.
    #[must_use]
    pub fn signing(&self) -> SigningKey {
        SigningKey::hs256(ID, ISSUER, AUDIENCE, &SharedSecret(SECRET.to_vec()))
    }

    pub(super) fn verifying(&self) -> Key {
        Key {
            algorithm: Algorithm::HS256,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            verifying: DecodingKey::from_secret(SECRET),
        }
    }
}
