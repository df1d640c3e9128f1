//! Which language a person gets.

/// The languages that the standard templates are written in; the first is the last resort.
pub(super) const LANGUAGES: [&str; 2] = ["en", "de"];

/// The best language for a BCP 47 tag: the tag itself, else with its last part cut off, and so on; else English.
/// (RFC 4647 § 3.4, "lookup".)
pub(super) fn best(locale: &str) -> &'static str {
    let mut range = locale.replace('_', "-");
    loop {
        if let Some(language) = LANGUAGES.iter().find(|language| language.eq_ignore_ascii_case(&range)) {
            return language;
        }
        match range.rfind('-') {
            Some(end) => range.truncate(end),
            None => return LANGUAGES[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn a_locale_falls_back_to_its_language_and_then_to_english() {
        for (locale, language) in [
            ("de", "de"),
            ("de-CH", "de"),
            ("de-Latn-CH-1996", "de"),
            ("DE_at", "de"),
            ("en-GB", "en"),
            ("fr-CH", "en"),
            ("deu", "en"),
            ("", "en"),
            ("-", "en"),
        ] {
            assert_eq!(best(locale), language, "{locale}");
        }
    }
}
