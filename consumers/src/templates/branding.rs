//! Whose message it is: the variable `brand` of every template.

use sendoff_producers::model::Branding;
use serde::Serialize;
use url::Url;

use super::clean;

/// The colour of whoever has none: a blue that white text is easy to read on.
const COLOR: &str = "#1d4ed8";

/// A tenant's branding, fit to be shown: what isn't given is empty, and what isn't as it should be is left out. It is checked
/// here again, since a record may have been written by something else than the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Look {
    /// One line, 100 characters at most; or empty.
    pub(super) name: String,
    /// An https address; or empty.
    pub(super) logo_url: String,
    /// `#` and six hexadecimal digits.
    pub(super) color: String,
    /// What text on that colour is written in: black or white, whichever is easier to read.
    pub(super) text_color: &'static str,
    /// One line, 500 characters at most; or empty.
    pub(super) footer: String,
}

impl From<&Branding> for Look {
    fn from(branding: &Branding) -> Self {
        let Branding { name, logo_url, color, footer } = branding;
        let color = color.as_deref().filter(|color| is_color(color)).unwrap_or(COLOR).to_owned();
        Self {
            name: line(name.as_deref(), 100),
            logo_url: logo_url.as_deref().and_then(https).unwrap_or_default(),
            text_color: text_color(&color),
            color,
            footer: line(footer.as_deref(), 500),
        }
    }
}

fn line(text: Option<&str>, most: usize) -> String {
    text.and_then(clean::one_line).map(|line| line.chars().take(most).collect()).unwrap_or_default()
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The address as the URL standard writes it: without quotes, spaces and control characters.
fn https(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && text.len() <= 500)?;
    let plain = url.username().is_empty() && url.password().is_none();
    let safe = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\' | '`');
    (plain && url.as_str().chars().all(safe)).then(|| url.into())
}

/// Black or white, by the relative luminance of the background (WCAG 2.2).
fn text_color(color: &str) -> &'static str {
    let channel = |at: usize| {
        let byte = color.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default();
        let value = f64::from(byte) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    // Where the contrast to black, (l + 0.05) / 0.05, equals that to white, 1.05 / (l + 0.05).
    if luminance > 0.179 { "#000000" } else { "#ffffff" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brand(name: &str, logo_url: &str, color: &str, footer: &str) -> Look {
        let some = |text: &str| Some(text.to_owned());
        Look::from(&Branding { name: some(name), logo_url: some(logo_url), color: some(color), footer: some(footer) })
    }

    #[test]
    fn a_good_branding_is_taken_as_it_is() {
        let brand = brand("Acme & Sons", "https://acme.example/logo.png?x=1&y=2", "#FFCC00", "Acme, 1 Road, Town");
        assert_eq!(
            (
                brand.name.as_str(),
                brand.logo_url.as_str(),
                brand.color.as_str(),
                brand.text_color,
                brand.footer.as_str()
            ),
            ("Acme & Sons", "https://acme.example/logo.png?x=1&y=2", "#FFCC00", "#000000", "Acme, 1 Road, Town")
        );
    }

    #[test]
    fn nothing_given_leaves_nothing_but_a_colour() {
        let brand = Look::from(&Branding::default());
        assert_eq!((brand.color.as_str(), brand.text_color), (COLOR, "#ffffff"));
        assert!(brand.name.is_empty() && brand.logo_url.is_empty() && brand.footer.is_empty());
    }

    #[test]
    fn a_colour_that_is_none_is_replaced() {
        for hostile in
            ["red", "#12345", "#1234567", "#12345g", "#fff;background:url(//eve.example)", "#fff\"><b", "", "#ééé"]
        {
            assert_eq!(brand("", "", hostile, "").color, COLOR, "{hostile}");
        }
    }

    #[test]
    fn a_logo_that_is_not_at_a_plain_https_address_is_left_out() {
        for hostile in [
            "http://acme.example/logo.png",
            "javascript:alert(1)",
            "data:image/svg+xml,<svg onload=alert(1)>",
            "//acme.example/logo.png",
            "https://user:secret@acme.example/logo.png",
            "https://acme.example/'onerror='alert(1)",
            "logo.png",
            "",
            &format!("https://acme.example/{}", "x".repeat(500)),
        ] {
            assert_eq!(brand("", hostile, "", "").logo_url, "", "{hostile}");
        }
        let quoted = brand("", "https://acme.example/\" onerror=\"x", "", "").logo_url;
        assert_eq!(quoted, "https://acme.example/%22%20onerror=%22x");
    }

    #[test]
    fn names_and_footers_are_one_line_of_bounded_length() {
        let brand = brand("A\r\nBcc: eve\u{202E}", "", "", &"x".repeat(900));
        assert_eq!((brand.name.as_str(), brand.footer.len()), ("A Bcc: eve", 500));
    }
}
