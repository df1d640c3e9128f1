//! The files that templates are made of: those that come with Sendoff, and an operator's own.

use std::borrow::Cow;

/// A file.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) text: Cow<'static, str>,
    pub(super) origin: Origin,
}

/// Whose a template's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It comes with Sendoff.
    Standard,
    /// It comes from the operator's folder.
    Own,
}

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name)))),+]
    };
}

/// Path and text of each file that comes with Sendoff.
pub(super) fn standard() -> impl Iterator<Item = (String, Source)> {
    templates![
        "email/layout.html",
        "email/layout.txt",
        "email/app-assigned/de/body.html",
        "email/app-assigned/de/body.txt",
        "email/app-assigned/de/subject.txt",
        "email/app-assigned/en/body.html",
        "email/app-assigned/en/body.txt",
        "email/app-assigned/en/subject.txt",
        "email/approval/de/body.html",
        "email/approval/de/body.txt",
        "email/approval/de/subject.txt",
        "email/approval/en/body.html",
        "email/approval/en/body.txt",
        "email/approval/en/subject.txt",
        "email/submission-created/de/body.html",
        "email/submission-created/de/body.txt",
        "email/submission-created/de/subject.txt",
        "email/submission-created/en/body.html",
        "email/submission-created/en/body.txt",
        "email/submission-created/en/subject.txt",
        "sms/app-assigned/de.txt",
        "sms/app-assigned/en.txt",
        "sms/submission-created/de.txt",
        "sms/submission-created/en.txt",
        "whatsapp/app-assigned/de.json",
        "whatsapp/app-assigned/en.json",
        "whatsapp/submission-created/de.json",
        "whatsapp/submission-created/en.json",
        "push/app-assigned/de/body.txt",
        "push/app-assigned/de/title.txt",
        "push/app-assigned/en/body.txt",
        "push/app-assigned/en/title.txt",
        "push/submission-created/de/body.txt",
        "push/submission-created/de/title.txt",
        "push/submission-created/en/body.txt",
        "push/submission-created/en/title.txt",
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), Source { text: Cow::Borrowed(text), origin: Origin::Standard }))
}
