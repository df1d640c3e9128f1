//! Where a template stands: its path says what it is.

use sendoff_producers::model::Channel;

/// The document around the HTML part of every mail.
pub(super) const HTML_LAYOUT: &str = "email/layout.html";
/// What stands around the text part of every mail.
pub(super) const TEXT_LAYOUT: &str = "email/layout.txt";

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// One of the layouts.
    Layout,
    /// A part of a template.
    Part { channel: Channel, name: String, locale: String },
}

/// What a template of a channel consists of, in its folder or as its file.
pub(super) const fn parts(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Email => &["/subject.txt", "/body.html", "/body.txt"],
        Channel::Push => &["/title.txt", "/body.txt"],
        Channel::Sms => &[".txt"],
        Channel::Whatsapp => &[".json"],
    }
}

/// The path of a part: `email/app-assigned/en/body.txt`, `sms/app-assigned/en.txt`.
pub(super) fn path(channel: Channel, name: &str, locale: &str, part: &str) -> String {
    format!("{}/{name}/{locale}{part}", channel.name())
}

/// What stands at a path.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn of(path: &str) -> Result<Place, String> {
    if path == HTML_LAYOUT || path == TEXT_LAYOUT {
        return Ok(Place::Layout);
    }
    let (folder, rest) = path.split_once('/').unwrap_or((path, ""));
    let Some(channel) = Channel::ALL.into_iter().find(|channel| channel.name() == folder) else {
        return Err("it stands in none of the folders `email`, `sms`, `whatsapp` and `push`".into());
    };
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let part = parts(channel).iter().find_map(|part| Some((*part, rest.strip_suffix(part)?)));
    let Some((_, locale)) = part.filter(|(_, locale)| !locale.contains('/')) else {
        let known: Vec<_> = parts(channel).iter().map(|part| format!("`{folder}/NAME/LOCALE{part}`")).collect();
        return Err(format!("it is no part of a template: those are {}", known.join(", ")));
    };
    if !is_name(name) {
        return Err(format!(
            "`{name}` is no name for a template: take lower-case letters, digits and hyphens, 60 at most"
        ));
    }
    if !is_locale(locale) {
        return Err(format!("`{locale}` is no locale: take a BCP 47 tag with hyphens, such as `de` or `pt-BR`"));
    }
    Ok(Place::Part { channel, name: name.into(), locale: locale.into() })
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=60).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(fits)
}

fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language =
        parts.next().is_some_and(|l| (2..=3).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphabetic()));
    text.len() <= 35
        && language
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_stands_there() {
        for (channel, part, path) in [
            (Channel::Email, "/body.html", "email/app-assigned/pt-BR/body.html"),
            (Channel::Push, "/title.txt", "push/app-assigned/pt-BR/title.txt"),
            (Channel::Sms, ".txt", "sms/app-assigned/pt-BR.txt"),
            (Channel::Whatsapp, ".json", "whatsapp/app-assigned/pt-BR.json"),
        ] {
            let place = Place::Part { channel, name: "app-assigned".into(), locale: "pt-BR".into() };
            assert_eq!(of(path), Ok(place));
            assert_eq!(super::path(channel, "app-assigned", "pt-BR", part), path);
        }
        assert_eq!(of("email/layout.txt"), Ok(Place::Layout));
    }

    #[test]
    fn a_path_that_says_nothing_is_refused_with_what_would() {
        for (path, why) in [
            ("fax/app-assigned/en.txt", "none of the folders"),
            ("email", "no part of a template: those are `email/NAME/LOCALE/subject.txt`"),
            ("email/app-assigned/en/body.htm", "no part of a template"),
            ("sms/app-assigned/en/body.txt", "no part of a template: those are `sms/NAME/LOCALE.txt`"),
            ("sms/App/en.txt", "`App` is no name"),
            ("sms//en.txt", "`` is no name"),
            ("sms/app/english.txt", "`english` is no locale"),
            ("sms/app/pt_BR.txt", "`pt_BR` is no locale"),
            ("sms/../en.txt", "`..` is no name"),
        ] {
            let refused = of(path).unwrap_err();
            assert!(refused.contains(why), "{path}: {refused}");
        }
    }
}
