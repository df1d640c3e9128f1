//! The rules that values keep.

mod channels;

use std::{borrow::Cow, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use jiff::SignedDuration;
use sendoff_consumers::channels::email::{Sender, SmtpUrl};

pub use channels::{
    WhatsappCarrier, base_url, digits, is_secret, json_object, list, phone, public_url, rate, secret, whatsapp_carriers,
};

use super::{Broken, Rule};

/// A rule that says everything by itself.
#[must_use]
pub fn rule<T>(says: impl Into<Cow<'static, str>>, parse: impl Fn(&str) -> Option<T> + 'static) -> Rule<T> {
    Rule { says: says.into(), parse: Box::new(move |text| parse(text).ok_or(Broken(None))) }
}

/// A rule whose parser has more to say about what is wrong.
#[must_use]
pub fn explained<T, E: ToString>(says: &'static str, parse: impl Fn(&str) -> Result<T, E> + 'static) -> Rule<T> {
    Rule { says: says.into(), parse: Box::new(move |text| parse(text).map_err(|e| Broken(Some(e.to_string())))) }
}

/// The same rule, where nothing may be given at all.
#[must_use]
pub fn optional<T: 'static>(inner: Rule<T>) -> Rule<Option<T>> {
    let Rule { says, parse } = inner;
    Rule { says, parse: Box::new(move |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }) }
}

/// Any text but the empty one.
#[must_use]
pub fn text(what: &'static str) -> Rule<String> {
    rule(what, |text| (!text.trim().is_empty()).then(|| text.to_owned()))
}

/// A path; a relative one starts at the folder that the process runs in.
#[must_use]
pub fn path(what: &'static str) -> Rule<PathBuf> {
    rule(what, |text| (!text.trim().is_empty()).then(|| PathBuf::from(text)))
}

/// An address to listen at.
#[must_use]
pub fn address() -> Rule<SocketAddr> {
    rule("an IP address and a port, such as `127.0.0.1:8080` (port 0 takes a free one)", |text| text.parse().ok())
}

/// One of a few words.
#[must_use]
pub fn choice<T: Copy + 'static>(choices: &'static [(&'static str, T)]) -> Rule<T> {
    let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
    rule(words.join(" or "), |text| choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
}

/// A whole number.
#[must_use]
pub fn count(range: RangeInclusive<usize>) -> Rule<usize> {
    let says = format!("a whole number from {} to {}", range.start(), range.end());
    rule(says, move |text| text.parse().ok().filter(|number| range.contains(number)))
}

/// A number of bytes, with or without a unit.
#[must_use]
pub fn bytes(range: RangeInclusive<usize>) -> Rule<usize> {
    let says = format!(
        "a number of bytes, KiB or MiB from {} to {}, such as `{}`",
        show_bytes(*range.start()),
        show_bytes(*range.end()),
        show_bytes(*range.end() / 2)
    );
    rule(says, move |text| parse_bytes(text).filter(|number| range.contains(number)))
}

fn parse_bytes(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: usize = match unit.trim_start() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

fn show_bytes(number: usize) -> String {
    match number {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => n.to_string(),
    }
}

/// A span of time, with its unit.
#[must_use]
pub fn duration(range: RangeInclusive<u64>) -> Rule<Duration> {
    let says =
        format!("a duration of {} to {} seconds with its unit, such as `30s` or `2m`", range.start(), range.end());
    rule(says, move |text| {
        let duration = Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?;
        (range.contains(&duration.as_secs()) && (duration.as_secs() < *range.end() || duration.subsec_nanos() == 0))
            .then_some(duration)
    })
}

/// A span of time in whole days.
#[must_use]
pub fn days(range: RangeInclusive<u64>) -> Rule<Duration> {
    let says = format!("a number of days from {} to {}", range.start(), range.end());
    rule(says, move |text| {
        text.parse().ok().filter(|days| range.contains(days)).map(|days| Duration::from_secs(days * 24 * 3600))
    })
}

/// The address of a mail server, with its password.
#[must_use]
pub fn smtp_url() -> Rule<SmtpUrl> {
    explained("the address of a mail server, such as `smtps://user:password@mail.example.org`", str::parse)
}

/// A sender: an address, with or without a name.
#[must_use]
pub fn sender() -> Rule<Sender> {
    explained("a sender such as `Sendoff <no-reply@example.org>`", str::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(rule: &Rule<T>, text: &str) -> Option<T> {
        (rule.parse)(text).ok()
    }

    #[test]
    fn bytes_come_with_and_without_a_unit() {
        let rule = bytes(1024..=1 << 20);
        assert_eq!(read(&rule, "4096"), Some(4096));
        assert_eq!(read(&rule, "256 KiB"), Some(256 << 10));
        assert_eq!(read(&rule, "1MiB"), Some(1 << 20));
        for wrong in ["", "1", "2MiB", "1 kb", "-1", "99999999999999999999 MiB"] {
            assert_eq!(read(&rule, wrong), None, "{wrong}");
        }
        assert_eq!(rule.says, "a number of bytes, KiB or MiB from 1 KiB to 1 MiB, such as `512 KiB`");
    }

    #[test]
    fn a_duration_needs_its_unit_and_its_range() {
        let rule = duration(1..=600);
        assert_eq!(read(&rule, "90s"), Some(Duration::from_secs(90)));
        assert_eq!(read(&rule, "1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(read(&rule, "10m"), Some(Duration::from_secs(600)));
        for wrong in ["60", "0s", "500ms", "11m", "600.1s", "-5s", "soon", ""] {
            assert_eq!(read(&rule, wrong), None, "{wrong}");
        }
    }
}
