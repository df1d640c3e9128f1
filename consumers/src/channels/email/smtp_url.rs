//! Where mail is handed over, as one URL.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

/// A mail server and the way to talk to it:
///
/// | URL | means | default port |
/// |---|---|---|
/// | `smtps://user:pass@host` | TLS from the first byte | 465 |
/// | `smtp+starttls://user:pass@host` | STARTTLS, and nothing is sent without it | 587 |
/// | `smtp://host` | STARTTLS where it is offered; `?tls=required` demands it, `?tls=none` never uses it | 25 |
///
/// User and password are percent-encoded. They are sent over an encrypted connection only, or to this machine itself.
#[derive(Clone)]
pub struct SmtpUrl {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub tls: SmtpTls,
    /// Whom to log in as.
    pub credentials: Option<SmtpCredentials>,
}

/// Whom to log in as.
#[derive(Clone)]
pub struct SmtpCredentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// Whether and how a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS; without it nothing is sent.
    Required,
    /// By STARTTLS if the server offers it. A handshake that fails is an error, not a reason to go on in the clear.
    Opportunistic,
    /// Never.
    None,
}

/// The text is not the URL of a mail server. It doesn't repeat the text: a password may stand in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the SMTP URL is not valid: {0}")]
pub struct SmtpUrlError(String);

impl SmtpUrl {
    /// Whether the server is this machine itself, so that nothing can be overheard on the way.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for SmtpUrl {
    type Err = SmtpUrlError;

    fn from_str(text: &str) -> Result<Self, SmtpUrlError> {
        let wrong = |why: &str| SmtpUrlError(why.into());
        let url =
            Url::parse(text).map_err(|e| SmtpUrlError(format!("{e}; it reads like smtps://user:pass@host:465")))?;
        let (mut tls, default_port) = match url.scheme() {
            "smtps" => (SmtpTls::Implicit, 465),
            "smtp+starttls" => (SmtpTls::Required, 587),
            "smtp" => (SmtpTls::Opportunistic, 25),
            _ => return Err(wrong("its scheme must be smtp, smtp+starttls or smtps")),
        };
        // The crate leaves the host of an unknown scheme as it is.
        let host = match Host::parse(url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| wrong("it has no host"))?) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(address)) => address.to_string(),
            Ok(Host::Ipv6(address)) => address.to_string(),
            Err(e) => return Err(SmtpUrlError(format!("its host can't be read: {e}"))),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong(
                "it must not have a path or a fragment; is a `/`, `?` or `#` in the password not percent-encoded?",
            ));
        }
        for (key, value) in url.query_pairs() {
            tls = match (url.scheme(), &*key, &*value) {
                ("smtp", "tls", "required") => SmtpTls::Required,
                ("smtp", "tls", "opportunistic") => SmtpTls::Opportunistic,
                ("smtp", "tls", "none") => SmtpTls::None,
                ("smtp", "tls", _) => return Err(wrong("tls must be required, opportunistic or none")),
                (_, "tls", _) => return Err(wrong("tls= goes with the scheme smtp only; the other two demand TLS")),
                _ => return Err(wrong("the only parameter it may have is tls")),
            };
        }
        let decode = |part: &str| {
            let text = percent_decode_str(part).decode_utf8().map_err(|_| wrong("user and password must be UTF-8"))?;
            if text.chars().any(char::is_control) {
                return Err(wrong("user and password must not have control characters"));
            }
            Ok(text.into_owned())
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) => return Err(wrong("it has a password and no user")),
            (_, None) => return Err(wrong("it has a user and no password")),
            (user, Some(password)) => Some(SmtpCredentials { user: decode(user)?, password: decode(password)?.into() }),
        };
        let url = Self { host, port: url.port().unwrap_or(default_port), tls, credentials };
        if url.tls == SmtpTls::None && url.credentials.is_some() && !url.is_loopback() {
            return Err(wrong("tls=none would send the password in the clear; use tls=required or smtps"));
        }
        Ok(url)
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without user and password.
impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, query) = match self.tls {
            SmtpTls::Implicit => ("smtps", ""),
            SmtpTls::Required => ("smtp+starttls", ""),
            SmtpTls::Opportunistic => ("smtp", ""),
            SmtpTls::None => ("smtp", "?tls=none"),
        };
        let user = if self.credentials.is_some() { "***@" } else { "" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{user}{open}{}{close}:{}{query}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn each_scheme_has_its_encryption_and_its_port() {
        for (given, shown) in [
            ("smtps://u:p@mail.example.org", "smtps://***@mail.example.org:465"),
            ("smtp+starttls://u:p@mail.example.org", "smtp+starttls://***@mail.example.org:587"),
            ("smtp://mail.example.org", "smtp://mail.example.org:25"),
            ("smtp://mail.example.org:2525/?tls=required", "smtp+starttls://mail.example.org:2525"),
            ("smtp://mail.example.org?tls=opportunistic", "smtp://mail.example.org:25"),
            ("smtp://127.0.0.1:1025?tls=none", "smtp://127.0.0.1:1025?tls=none"),
            ("smtp://[::1]:1025", "smtp://[::1]:1025"),
            ("smtp://u:p@localhost?tls=none", "smtp://***@localhost:25?tls=none"),
        ] {
            assert_eq!(given.parse::<SmtpUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let url: SmtpUrl = "smtps://ada%40example.org:p%3A%2F%40ss+w@mail.example.org".parse().unwrap();
        let credentials = url.credentials.unwrap();
        assert_eq!((&*credentials.user, credentials.password.expose_secret()), ("ada@example.org", "p:/@ss+w"));
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_the_secret() {
        for (given, why) in [
            ("mail.example.org:25", "scheme"),
            ("https://u:hunter2@mail.example.org", "scheme must be"),
            ("smtp://", "host"),
            ("smtps://u:hunter2@mail.example.org?tls=none", "goes with the scheme smtp only"),
            ("smtp://mail.example.org?tls=maybe", "required, opportunistic or none"),
            ("smtp://mail.example.org?timeout=5", "only parameter"),
            ("smtp://u:hunter2@mail.example.org?tls=none", "in the clear"),
            ("smtp://u@mail.example.org", "no password"),
            ("smtp://:hunter2@mail.example.org", "no user"),
            ("smtps://u:hunter2%0d%0a@mail.example.org", "control characters"),
            ("smtps://u:hunter2%ff@mail.example.org", "UTF-8"),
            ("smtps://u:hunter2@mail.example.org/inbox", "path"),
            ("smtps://u:hunter2@mail.example.org:99999", "port"),
        ] {
            let error = given.parse::<SmtpUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{given}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_neither_user_nor_password() {
        let url: SmtpUrl = "smtps://ada:hunter2@mail.example.org".parse().unwrap();
        assert_eq!(format!("{url:?}"), "smtps://***@mail.example.org:465");
    }
}
