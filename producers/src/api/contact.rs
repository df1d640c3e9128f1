//! Rules for how people are reached: an address that passes here can be handed to a provider.

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
    let valid = text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.len() <= 64 && local.split('.').all(atom) && domain.contains('.') && domain.split('.').all(label)
        });
    if valid { Ok(text) } else { Err(RULE.into()) }
}

/// A phone number in E.164 form.
pub(super) fn phone(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let valid = text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if valid { Ok(text) } else { Err("is not a phone number in E.164 form such as `+4930123456`".into()) }
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
