//! What settings must be to each other.

use std::{fs, io, path::Path};

use sendoff_consumers::channels::email::{SmtpSettings, SmtpUrl};

use super::{Effective, Problem, Source, settings::Draft};

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Mail {
    /// To the mail server inside the process, which keeps it.
    Sink,
    /// To this mail server.
    Server(SmtpSettings),
}

/// Checks the settings against each other. Gives where mail goes, unless that is one of the problems.
pub(super) fn check(
    draft: &Draft,
    has_keys: bool,
    effective: &[Effective],
    problems: &mut Vec<Problem>,
) -> Option<Mail> {
    let mut report = |key: &str, rule: String| {
        let source = effective.iter().find(|e| e.key == key).map_or(Source::Default, |e| e.source.clone());
        problems.push(Problem { key: key.to_owned(), source, value: None, rule, suggestion: None });
    };
    if let Some(listen) = draft.listen
        && !listen.ip().is_loopback()
        && !has_keys
    {
        report(
            "listen",
            format!(
                "{listen} can be reached by others, and there is no `[[auth.key]]` to check their tokens with: configure \
                 one, or listen at 127.0.0.1"
            ),
        );
    }
    let (url, file) = (draft.smtp_url.clone()?, draft.smtp_url_file.clone()?);
    let url = match (url, file) {
        (Some(_), Some(_)) => {
            report("smtp.url_file", "is given beside `smtp.url`: give one of them".into());
            return None;
        }
        (Some(url), None) => Some(url),
        (None, Some(file)) => match read_url(&file) {
            Ok(url) => Some(url),
            Err(why) => {
                report("smtp.url_file", why);
                return None;
            }
        },
        (None, None) => None,
    };
    let mut root_certificates = Vec::new();
    if let Some(file) = draft.smtp_ca_file.clone()? {
        match fs::read(&file) {
            Ok(pem) => root_certificates.push(pem),
            Err(e) => report("smtp.ca_file", unreadable(&file, &e)),
        }
    }
    match (url, draft.mail_sink?) {
        (Some(_), Some(true)) => {
            report("mail.sink", "is on beside a mail server (`smtp.url`): mail can only go to one of them".into());
            None
        }
        (None, Some(false)) => {
            report(
                "mail.sink",
                "is off and there is no mail server (`smtp.url`): mail would have nowhere to go".into(),
            );
            None
        }
        (Some(url), _) => Some(Mail::Server(SmtpSettings { root_certificates, ..SmtpSettings::new(url) })),
        (None, _) => Some(Mail::Sink),
    }
}

fn read_url(file: &Path) -> Result<SmtpUrl, String> {
    let text = fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
    text.trim().parse::<SmtpUrl>().map_err(|e| format!("{}: {e}", file.display()))
}

fn unreadable(file: &Path, error: &io::Error) -> String {
    format!("{} can't be read: {error}", file.display())
}
