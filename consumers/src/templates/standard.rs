//! The templates that come with Sendoff.

/// A mail that Sendoff has a text for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardMail {
    /// Tells a user about a new app. Asks for `user.name`, `app.name` and `assigned_by.name`.
    AppAssigned,
    /// Tells an owner about a new submission. Asks for `user.name`, `app.name`, `author.name`, `submission.id` and
    /// `submission.fields`.
    SubmissionCreated,
}

impl StandardMail {
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::AppAssigned => "app-assigned",
            Self::SubmissionCreated => "submission-created",
        }
    }
}

/// The document around every HTML part.
pub(super) const LAYOUT: &str = "email/layout.html";

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name)))),+]
    };
}

/// Name and source of each.
pub(super) fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    templates![
        "email/layout.html",
        "email/app-assigned/de/body.html",
        "email/app-assigned/de/body.txt",
        "email/app-assigned/de/subject.txt",
        "email/app-assigned/en/body.html",
        "email/app-assigned/en/body.txt",
        "email/app-assigned/en/subject.txt",
        "email/submission-created/de/body.html",
        "email/submission-created/de/body.txt",
        "email/submission-created/de/subject.txt",
        "email/submission-created/en/body.html",
        "email/submission-created/en/body.txt",
        "email/submission-created/en/subject.txt",
    ]
    .into_iter()
}
