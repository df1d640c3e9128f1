//! The key for trying things out. Everybody knows it, so it opens nothing but a server on the loopback address, to requests that are
//! addressed to this machine.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header, uri::Authority};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::{Key, SharedSecret, SigningKey};

/// The id that development tokens name in `kid`.
pub(super) const ID: &str = "development";

/// The secret of development tokens. Public on purpose: any JWT library can make one.
pub(super) const SECRET: &[u8] = b"sendoff development key: loopback only, never a secret";

pub(super) const ISSUER: &str = "sendoff-development";
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

/// What a proxy adds to a request that it passes on, beside all that begins with `x-forwarded-`.
const PASSED_ON: [&str; 3] = ["forwarded", "via", "x-real-ip"];

/// Whether a request is addressed to this machine, by each `Host` that it names, and doesn't say that it was passed on. What a web page
/// sends through a name that leads here has that name. A proxy may name this machine, and add nothing: one that does isn't seen.
pub(super) fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let passed_on = |name: &str| PASSED_ON.contains(&name) || name.starts_with("x-forwarded-");
    !headers.keys().any(|name| passed_on(name.as_str())) && names_this_machine(headers)
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    headers.get_all(header::HOST).iter().all(|host| {
        let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| {
            let host = authority.host();
            let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        })
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_requests_to_this_machine_are_for_it() {
        let host = |host: &'static str| HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        for here in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "[::1]", "[::1]:8080"] {
            assert!(is_for_this_machine(&host(here)), "{here}");
        }
        for elsewhere in [
            "notify.example.org",
            "localhost.example.org",
            "10.0.0.1:8080",
            "127.0.0.1.nip.io",
            "[::2]",
            "",
            "a b",
            "::1",
        ] {
            assert!(!is_for_this_machine(&host(elsewhere)), "{elsewhere}");
        }
        let mut two = host("localhost");
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_for_this_machine(&two));
        for proxy in ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-proto"] {
            let mut passed_on = host("127.0.0.1:8080");
            passed_on.append(proxy, HeaderValue::from_static("203.0.113.9"));
            assert!(!is_for_this_machine(&passed_on), "{proxy}");
        }
        // In the process, or by HTTP/1.0, no host is named.
        assert!(is_for_this_machine(&HeaderMap::new()));
    }
}
