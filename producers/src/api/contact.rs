//! Rules for how people are reached: an address that passes here can be handed to a provider.

use axum::http::Uri;
use jiff::tz::TimeZoneDatabase;
use serde_json::Value;

use super::fields::string;

/// An email address that goes over SMTP without extensions: ASCII, an unquoted local part, a dotted domain.
pub(super) fn email(value: Value) -> Result<String, String> {
    const RULE: &str = "is not an email address such as `ada@example.org`";
    let text = string(value)?;
    let atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // What ends in a number is read as an address of IPv4, and no top-level domain begins with a digit.
    let is_named =
        |domain: &str| domain.rsplit_once('.').is_some_and(|(_, top)| !top.starts_with(|c: char| c.is_ascii_digit()));
    let valid = text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.len() <= 64 && local.split('.').all(atom) && is_named(domain) && domain.split('.').all(label)
        });
    if valid { Ok(text) } else { Err(RULE.into()) }
}

/// A phone number in E.164 form. What is wrong is told without the number.
pub(super) fn phone(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let wrong = |why: &str| Err(format!("is not a phone number in E.164 form such as `+4930123456`: {why}"));
    if text.starts_with("00") {
        return wrong("it begins with 00: write + instead");
    }
    let Some(digits) = text.strip_prefix('+') else {
        return wrong("it doesn't begin with + and the country code");
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return wrong("only digits may follow the +, without spaces, dashes or brackets");
    }
    if digits.starts_with('0') {
        return wrong("no country code begins with 0");
    }
    match digits.len() {
        0..7 => wrong("it has fewer than 7 digits"),
        7..=15 => Ok(text),
        _ => wrong("it has more than 15 digits"),
    }
}

/// A time of the day, `HH:MM`.
pub(super) fn time_of_day(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let number = |digits: &str, most: u32| {
        digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse().is_ok_and(|n: u32| n <= most)
    };
    let valid = text.split_once(':').is_some_and(|(hour, minute)| number(hour, 23) && number(minute, 59));
    if valid { Ok(text) } else { Err("is not a time of the day from `00:00` to `23:59`".into()) }
}

/// The registration token of a device. What is wrong is told without the token.
pub(super) fn push_token(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let valid = (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if valid { Ok(text) } else { Err("is not a registration token: 1 to 4096 visible ASCII characters".into()) }
}

/// An https address without a user, a password or anything that needs escaping. It is stored as it was given.
pub(super) fn https(value: Value) -> Result<String, String> {
    let text = string(value)?;
    match web_address(&text) {
        Some(uri) if uri.scheme_str() == Some("https") => Ok(text),
        _ => Err("is not an https address such as `https://hooks.example.org/sendoff`".into()),
    }
}

/// The text as the address of something on the web.
pub(super) fn web_address(text: &str) -> Option<Uri> {
    // No quotes, brackets and backslashes: parsers that repair addresses read different hosts in them.
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b);
    if text.len() > 2000 || !text.bytes().all(plain) {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let named = !authority.host().is_empty() && !authority.as_str().contains('@');
    let numbered = !authority.as_str().ends_with(':') && authority.port().is_none_or(|port| port.as_u16() > 0);
    (named && numbered).then_some(uri)
}

/// A language tag (BCP 47): a language, then subtags.
pub(super) fn locale(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let mut parts = text.split('-');
    let language = parts.next().is_some_and(|l| matches!(l.len(), 2 | 3) && l.bytes().all(|b| b.is_ascii_alphabetic()));
    let valid = text.len() <= 35
        && language
        && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if valid { Ok(text) } else { Err("is not a language tag such as `en` or `de-CH`".into()) }
}

/// The name of an IANA time zone, spelt as the database spells it. The database is the one we carry, so that the answer
/// doesn't depend on the machine.
pub(super) fn time_zone(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let zone = TimeZoneDatabase::bundled().get(&text).ok();
    let name = zone.as_ref().and_then(|zone| zone.iana_name());
    name.map(str::to_owned).ok_or_else(|| "is not an IANA time zone such as `Europe/Berlin`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: fn(Value) -> Result<String, String>, text: &str) -> bool {
        rule(text.into()).is_ok()
    }

    #[test]
    fn an_email_address_can_not_smuggle_a_header_or_a_second_recipient() {
        for good in ["ada@example.org", "a.b+tag@sub.example.co", "o'hara@example.org"] {
            assert!(accepts(email, good), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "ada@127.0.0.1",
            "ada@shop.1",
            "ada@shop.0x7f",
            "a@b@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org,eve@example.org",
            "ada @example.org",
            "ada@exa mple.org",
            "ada@-example.org",
            "ada@example..org",
            ".ada@example.org",
            "ada..b@example.org",
            "<ada@example.org>",
            "äda@example.org",
            "\u{0}ada@example.org",
            &long,
        ] {
            assert!(!accepts(email, bad), "{bad:?}");
        }
    }

    #[test]
    fn phones_are_e164() {
        assert!(accepts(phone, "+4930123456"));
        for bad in ["4930123456", "+0301234567", "+49 30 123456", "+123456", "+1234567890123456", "+49301234٥6"] {
            assert!(!accepts(phone, bad), "{bad}");
        }
    }

    #[test]
    fn locales_are_language_tags() {
        for good in ["en", "de-CH", "zh-Hant-TW"] {
            assert!(accepts(locale, good), "{good}");
        }
        for bad in ["", "e", "english", "de_CH", "de-", "../etc/passwd", "en-a"] {
            assert!(!accepts(locale, bad), "{bad}");
        }
    }

    #[test]
    fn time_zones_are_known_and_get_their_proper_spelling() {
        assert_eq!(time_zone("europe/berlin".into()).unwrap(), "Europe/Berlin");
        assert_eq!(time_zone("UTC".into()).unwrap(), "UTC");
        for bad in ["Mars/Olympus", "../../etc/passwd", "+02:00", ""] {
            assert!(!accepts(time_zone, bad), "{bad}");
        }
    }
}
