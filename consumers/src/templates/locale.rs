//! Which language a person gets.

/// The language that every template is written in: the last resort.
pub(super) const LAST_RESORT: &str = "en";

/// The best of these languages for a BCP 47 tag: the tag itself, else with its last part cut off, and so on; else English.
/// (RFC 4647 § 3.4, "lookup".)
pub(super) fn best<'a>(locale: &str, languages: impl Iterator<Item = &'a str> + Clone) -> &'a str {
    let mut range = locale.replace('_', "-");
    loop {
        if let Some(language) = languages.clone().find(|language| language.eq_ignore_ascii_case(&range)) {
            return language;
        }
        match range.rfind('-') {
            Some(end) => range.truncate(end),
            None => return LAST_RESORT,
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
            ("pt-br", "pt-BR"),
            ("pt", "en"),
            ("en-GB", "en"),
            ("fr-CH", "en"),
            ("deu", "en"),
            ("", "en"),
            ("-", "en"),
        ] {
            assert_eq!(best(locale, ["de", "en", "pt-BR"].into_iter()), language, "{locale}");
        }
    }
}
