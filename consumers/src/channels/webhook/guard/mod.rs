//! What a customer's endpoint may be: an https address on the public internet, and nothing that stands behind our walls.

mod address;
mod client;
mod resolver;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

pub(crate) use client::GuardedClient;
pub(super) use resolver::Checked;
use resolver::Unchecked;
pub use resolver::{Lookup, SystemLookup};
use url::{Host, Url};

/// The longest URL.
const MAX_URL: usize = 2000;
/// Names that are never public, with everything below them: RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and what routers and
/// clusters use.
const PRIVATE_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "home.arpa",
    "test",
    "onion",
];

/// An address that isn't called, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address is not allowed: {0}")]
pub struct Refusal(pub(super) String);

/// A server that the rules don't hold for: one of ours, for development and tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    host: String,
    port: u16,
}

/// The text isn't `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form host:port, as in `localhost:8080` or `[::1]:8080`")]
pub struct AllowedError(String);

/// The rules for a webhook's address:
///
/// - its scheme is https, it holds no user or password, and its port is 443 or above 1023;
/// - it is no longer than 2,000 characters;
/// - its host is a full name that isn't a private one such as `localhost` or `db.internal`, or a public IP address. What is meant
///   counts, not how it is written: `https://2130706433` is `127.0.0.1`;
/// - when it is called, *every* address that its name resolves to is public. The name is resolved once for each call, and the call
///   goes to one of the addresses that were checked, so an answer that changes in between changes nothing. Redirects are not
///   followed.
///
/// None of this goes for servers on the list of [`Allowed`] ones, which may be called by plain http, too.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: BTreeSet<Allowed>,
}

/// An address that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The address, in the form in which it was checked.
    pub(super) url: Url,
    /// Whether its host may resolve to anything.
    pub(super) exempt: bool,
}

impl Guard {
    /// The rules, which don't hold for `allowed`.
    #[must_use]
    pub fn new(allowed: impl IntoIterator<Item = Allowed>) -> Self {
        Self { allowed: allowed.into_iter().collect() }
    }

    /// Whether the address may be called, as far as that can be said without resolving its name. For when an endpoint is
    /// registered; it is checked again at each call.
    ///
    /// # Errors
    ///
    /// [`Refusal`] names the rule.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        self.target(url).map(drop)
    }

    pub(super) fn target(&self, text: &str) -> Result<Target, Refusal> {
        let refuse = |why: String| Err(Refusal(why));
        if text.len() > MAX_URL {
            return refuse(format!("it is longer than {MAX_URL} characters"));
        }
        let url = Url::parse(text).map_err(|error| Refusal(format!("it is not a URL: {error}")))?;
        if !matches!(url.scheme(), "https" | "http") {
            return refuse("its scheme is not https".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it holds a user or a password".into());
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return refuse("it names no host".into());
        };
        if self.allowed.contains(&Allowed { host: host.to_string(), port }) {
            return Ok(Target { url, exempt: true });
        }
        if url.scheme() != "https" {
            return refuse("its scheme is not https".into());
        }
        if port != 443 && port < 1024 {
            return refuse(format!("its port is {port}: only 443 and ports above 1023 are called"));
        }
        match host {
            Host::Ipv4(v4) => check_address(IpAddr::V4(v4))?,
            Host::Ipv6(v6) => check_address(IpAddr::V6(v6))?,
            Host::Domain(name) => check_name(name)?,
        }
        Ok(Target { url, exempt: false })
    }
}

/// Whether an address is on the public internet.
pub(super) fn check_address(address: IpAddr) -> Result<(), Refusal> {
    match address::not_public(address) {
        None => Ok(()),
        Some(what) => Err(Refusal(format!("{address} is not public: it is {what}"))),
    }
}

/// Whether a name may be resolved. The parser of URLs has put it into lower case.
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.ends_with('.') {
        return Err(Refusal("its host ends with a dot".into()));
    }
    if !name.contains('.') && !PRIVATE_NAMES.contains(&name) {
        return Err(Refusal(format!("`{name}` is not a full name: it would be looked for in our own network")));
    }
    let below =
        |private: &&&str| name.strip_suffix(**private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match PRIVATE_NAMES.iter().find(below) {
        Some(private) => Err(Refusal(format!("names in `{private}` are not public"))),
        None => Ok(()),
    }
}

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let refused = || AllowedError(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(refused)?;
        // As it would stand in a URL.
        let host = Host::parse(host).map_err(|_| refused())?.to_string();
        Ok(Self { host, port })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
