//! The rules of what the channels are told: addresses of providers, rates, secrets, orders.

use std::{collections::BTreeSet, time::Duration};

use secrecy::SecretString;
use sendoff_consumers::{Rate, channels::PhoneNumber};
use url::{Host, Url};

use super::{super::Rule, explained, rule};

/// The most messages a second that a rate may allow: more than any provider takes.
const FASTEST: f64 = 10_000.0;

/// How many messages may go out a second: a number, with or without a fraction. One a minute is `0.0167`.
#[must_use]
pub fn rate() -> Rule<Rate> {
    rule("a number of messages a second from 0.001 to 10000, such as `14` or `0.5`", |text| {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let count: f64 = text.parse().ok().filter(|count| plain && (0.001..=FASTEST).contains(count))?;
        // What is allowed in a second may go at once after a quiet time.
        let burst = format!("{:.0}", count.floor().max(1.0)).parse().ok()?;
        Some(Rate { interval: Duration::from_secs_f64(1.0 / count), burst })
    })
}

/// A phone number in E.164 form.
#[must_use]
pub fn phone() -> Rule<PhoneNumber> {
    explained("a phone number in E.164 form, such as `+4930123456`", str::parse)
}

/// The address of a provider's API: https, or http on this machine. Gives it without a slash at its end.
#[must_use]
pub fn base_url(says: &'static str) -> Rule<String> {
    rule(says, base)
}

/// The address that the world reaches this deployment at. Gives it without a slash at its end.
#[must_use]
pub fn public_url() -> Rule<String> {
    rule("an https address without query, such as `https://notify.example.org` (http only for this machine)", base)
}

fn base(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_bare = url.username().is_empty() && url.password().is_none() && !text.contains(['?', '#']);
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    (is_bare && is_safe && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.trim_end_matches('/').to_owned())
}

/// A secret of at least `least` bytes, without spaces or control characters: what a copied line often has and no secret does.
#[must_use]
pub fn secret(says: &'static str, least: usize) -> Rule<SecretString> {
    rule(says, move |text| is_secret(text, least).then(|| SecretString::from(text.to_owned())))
}

/// Whether a text can be a secret of at least `least` bytes.
#[must_use]
pub fn is_secret(text: &str, least: usize) -> bool {
    text.len() >= least.max(1) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// An id of digits.
#[must_use]
pub fn digits(says: &'static str) -> Rule<String> {
    rule(says, |text| {
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.to_owned())
    })
}

/// A JSON object that is a secret.
#[must_use]
pub fn json_object(says: &'static str) -> Rule<SecretString> {
    rule(says, |text| {
        let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
        is_object.then(|| SecretString::from(text.to_owned()))
    })
}

/// Several of what `inner` takes, with commas between them, none of them twice.
#[must_use]
pub fn list<T: 'static>(says: &'static str, inner: Rule<T>) -> Rule<Vec<T>> {
    let Rule { parse, .. } = inner;
    rule(says, move |text| {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let different: BTreeSet<_> = parts.iter().collect();
        (different.len() == parts.len()).then_some(())?;
        parts.into_iter().map(|part| parse(part).ok()).collect()
    })
}

/// Who can carry WhatsApp messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhatsappCarrier {
    /// Twilio.
    Twilio,
    /// Meta, whose WhatsApp is.
    Meta,
}

impl WhatsappCarrier {
    /// Its word in settings and in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Meta => "meta",
        }
    }
}

/// Who carries WhatsApp messages, in the order in which they are tried.
#[must_use]
pub fn whatsapp_carriers() -> Rule<Vec<WhatsappCarrier>> {
    let one = rule("`twilio` or `meta`", |text| {
        [WhatsappCarrier::Twilio, WhatsappCarrier::Meta].into_iter().find(|carrier| carrier.word() == text)
    });
    list("`twilio`, `meta`, or both in the order in which they are tried, such as `twilio,meta`", one)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read<T>(rule: &Rule<T>, text: &str) -> Option<T> {
        (rule.parse)(text).ok()
    }

    #[test]
    fn a_rate_is_a_number_of_messages_a_second() {
        let rate = rate();
        assert_eq!(read(&rate, "14"), Some(Rate::per_second(14)).map(|r| Rate { interval: r.interval, ..r }));
        assert_eq!(read(&rate, "0.5"), Some(Rate { interval: Duration::from_secs(2), burst: 1 }));
        assert_eq!(read(&rate, "10000").unwrap().burst, 10_000);
        for wrong in ["", "0", "-1", "0.0001", "10001", "1e3", "inf", "NaN", "14/s", " 14"] {
            assert_eq!(read(&rate, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_that_secrets_go_to_is_https_or_this_machine() {
        let rule = base_url("x");
        for (text, expected) in [
            ("https://api.twilio.com", Some("https://api.twilio.com")),
            ("https://api.twilio.com/", Some("https://api.twilio.com")),
            ("https://notify.example.org/v1/", Some("https://notify.example.org/v1")),
            ("http://127.0.0.1:4010", Some("http://127.0.0.1:4010")),
            ("http://[::1]:4010", Some("http://[::1]:4010")),
            ("http://localhost", Some("http://localhost")),
            ("http://api.twilio.com", None),
            ("http://127.0.0.1.example.org", None),
            ("https://u:p@api.twilio.com", None),
            ("https://api.twilio.com?x", None),
            ("https://api.twilio.com#x", None),
            ("https://api.twilio.com/\r\nx", None),
            ("ftp://localhost", None),
            ("api.twilio.com", None),
        ] {
            assert_eq!(read(&rule, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_has_its_length_and_no_spaces() {
        let rule = secret("x", 16);
        assert_eq!(read(&rule, "0123456789abcdef").unwrap().expose_secret(), "0123456789abcdef");
        for wrong in ["", "short", "0123456789abcdef ", "0123456789\nabcdef", "0123456789äbcdef"] {
            assert!(read(&rule, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn carriers_stand_in_their_order_and_once_each() {
        use WhatsappCarrier::{Meta, Twilio};
        let rule = whatsapp_carriers();
        assert_eq!(read(&rule, "twilio"), Some(vec![Twilio]));
        assert_eq!(read(&rule, "meta, twilio"), Some(vec![Meta, Twilio]));
        for wrong in ["", "twilio,", "twilio,twilio", "Twilio", "vonage"] {
            assert_eq!(read(&rule, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_phone_number_tells_what_is_wrong_with_it() {
        let rule = phone();
        assert!(read(&rule, "+4930123456").is_some());
        let Err(super::super::super::Broken(why)) = (rule.parse)("004930123456") else { panic!("it isn't one") };
        assert!(why.unwrap().contains("write + instead"));
    }
}
