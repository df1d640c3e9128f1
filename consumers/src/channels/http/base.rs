//! Addresses that come from settings.

use url::{Host, Url};

/// The address of an API, without a slash at its end: https, or http on this machine. `None` for any other text.
pub(crate) fn base_url(text: &str) -> Option<&str> {
    let url = bare_url(text)?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "https" || is_here).then(|| text.trim_end_matches('/'))
}

/// An http or https URL that has neither user, query nor fragment.
pub(crate) fn bare_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none() && !text.contains(['?', '#']);
    let is_clean = text.chars().all(|c| c.is_ascii_graphic());
    (is_bare && is_clean && matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_leaves_this_machine_only_over_https() {
        for (text, expected) in [
            ("https://api.twilio.com", Some("https://api.twilio.com")),
            ("https://api.twilio.com/", Some("https://api.twilio.com")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://localhost:8080/twilio/", Some("http://localhost:8080/twilio")),
            ("http://[::1]:1", Some("http://[::1]:1")),
            ("http://api.twilio.com", None),
            ("http://127.0.0.1.example.org", None),
            ("https://u:p@api.twilio.com", None),
            ("https://api.twilio.com?x=1", None),
            ("https://api.twilio.com#x", None),
            ("https://api.twilio.com/\r\nx", None),
            ("ftp://localhost", None),
            ("api.twilio.com", None),
            ("", None),
        ] {
            assert_eq!(base_url(text), expected, "{text}");
        }
    }
}
