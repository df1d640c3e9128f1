//! `X-Twilio-Signature`. <https://www.twilio.com/docs/usage/security#validating-requests>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, hmac};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::callbacks::body::from_hex;

/// The addresses that Twilio may have signed: without a port, and with it. Which one it takes has changed over time, so its own
/// libraries try both.
pub(super) fn urls(base: &Url, path: &str, query: Option<&str>) -> [String; 2] {
    let (scheme, host) = (base.scheme(), base.host_str().unwrap_or_default());
    let port = base.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    let below = base.path().trim_end_matches('/');
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    ["", &port].map(|port| format!("{scheme}://{host}{port}{below}{path}{query}"))
}

/// Whether one of the tokens signed one of the addresses with these parameters.
pub(super) fn is_valid(tokens: &[SecretString], urls: &[String], parameters: &[(String, String)], given: &str) -> bool {
    let Ok(given) = STANDARD.decode(given) else { return false };
    // Sorted by name, then by value, each pair once: how Twilio's libraries take names that occur twice.
    let mut pairs: Vec<_> = parameters.iter().collect();
    pairs.sort();
    pairs.dedup();
    let parameters: String = pairs.into_iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
    tokens.iter().any(|token| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.expose_secret().as_bytes());
        urls.iter().any(|url| hmac::verify(&key, format!("{url}{parameters}").as_bytes(), &given).is_ok())
    })
}

/// Whether `hash` is the body's SHA-256 in hexadecimal digits.
pub(super) fn is_hash_of(hash: &str, body: &[u8]) -> bool {
    from_hex(hash).is_some_and(|hash| hash == digest::digest(&digest::SHA256, body).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Option<&str> = Some("foo=1&bar=2");

    fn valid(base: &str, parameters: &[(&str, &str)], signature: &str) -> bool {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let urls = urls(&base.parse().unwrap(), "/myapp.php", QUERY);
        is_valid(&["12345".into()], &urls, &parameters, signature)
    }

    const PARAMETERS: [(&str, &str); 5] = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
    ];

    /// Signatures that Twilio publishes with its libraries.
    #[test]
    fn the_signatures_that_twilio_publishes_are_valid() {
        assert!(valid("https://mycompany.com", &PARAMETERS, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        assert!(valid("https://mycompany.com:1234", &PARAMETERS, "RSOYDt4T1cUTdK1PDd93/VVr8B8="), "without its port");
        assert!(valid("http://mycompany.com:1234", &PARAMETERS, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="), "with its port");
        assert!(valid("https://mycompany.com", &PARAMETERS, "kvajT1Ptam85bY51eRf/AJRuM3w="), "with port 443");
        assert!(valid("http://mycompany.com", &PARAMETERS, "0ZXoZLH/DfblKGATFgpif+LLRf4="), "with port 80");
        let twice = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")];
        assert!(valid("https://mycompany.com", &twice, "IK+Dwps556ElfBT0I3Rgjkr1wJU="), "a name that occurs twice");
        let repeated = [twice[0], twice[1], twice[2], twice[3], twice[2]];
        assert!(valid("https://mycompany.com", &repeated, "IK+Dwps556ElfBT0I3Rgjkr1wJU="), "a pair that occurs twice");
    }

    #[test]
    fn a_body_is_signed_by_its_hash_in_the_address() {
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let query = format!("foo=1&bar=2&bodySHA256={hash}");
        let urls = urls(&"https://mycompany.com".parse().unwrap(), "/myapp.php", Some(&query));
        assert!(is_valid(&["12345".into()], &urls, &[], "a9nBmqA0ju/hNViExpshrM61xv4="));
        assert!(is_hash_of(hash, b"{\"property\": \"value\", \"boolean\": true}"));
        assert!(!is_hash_of(hash, b"{\"property\": \"value\", \"boolean\": false}"));
        assert!(!is_hash_of("", b"") && !is_hash_of(&hash[..62], b""));
    }

    #[test]
    fn whatever_was_changed_is_not_what_was_signed() {
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        let base = "https://mycompany.com";
        assert!(!valid("https://mycompany.org", &PARAMETERS, signature));
        assert!(!valid("https://mycompany.com/below", &PARAMETERS, signature));
        assert!(!valid(base, &PARAMETERS[..4], signature));
        let mut more = PARAMETERS.to_vec();
        more.push(("CallSid", "CA0"));
        assert!(!valid(base, &more, signature));
        for signature in ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "?"] {
            assert!(!valid(base, &PARAMETERS, signature), "{signature}");
        }
    }
}
