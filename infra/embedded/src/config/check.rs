//! What settings must be to each other.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sendoff_consumers::{
    channels::email::{SmtpSettings, SmtpUrl},
    routing::Routing,
    templates::{TemplateProblems, Templates},
};

use super::{Effective, Problem, Source, settings::Draft};
use crate::template_folder;

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Mail {
    /// To the mail server inside the process, which keeps it.
    Sink,
    /// To mail servers outside of it.
    Servers {
        /// This one.
        first: Box<SmtpSettings>,
        /// And this one while the first can't be used.
        fallback: Option<Box<SmtpSettings>>,
    },
}

/// A value that is checked against others: `None` when it is one of the problems itself, so that nothing more is told of it.
pub(super) type Checked<T> = Option<T>;

/// Checks settings against each other, and adds what is wrong to the problems.
pub(super) struct Checker<'a> {
    pub(super) draft: &'a Draft,
    pub(super) effective: &'a [Effective],
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn report(&mut self, key: &str, rule: impl Into<String>) {
        let source = self.effective.iter().find(|e| e.key == key).map_or(Source::Default, |e| e.source.clone());
        self.problems.push(Problem { key: key.to_owned(), source, value: None, rule: rule.into(), suggestion: None });
    }

    /// An address that others reach needs keys.
    pub(super) fn listen(&mut self, has_keys: bool) {
        if let Some(listen) = self.draft.listen
            && !listen.ip().is_loopback()
            && !has_keys
        {
            self.report(
                "listen",
                format!(
                    "{listen} can be reached by others, and there is no `[[auth.key]]` to check their tokens with: \
                     configure one, or listen at 127.0.0.1"
                ),
            );
        }
    }

    /// So does one that they are told.
    pub(super) fn public(&mut self, has_keys: bool) {
        // An address without TLS is one of this machine.
        if let Some(Some(url)) = &self.draft.public_url
            && url.starts_with("https:")
            && !has_keys
        {
            let why = format!(
                "says that others reach this at {url}, and there is no `[[auth.key]]` to check their tokens with: everybody knows the \
                 development key. Configure a key"
            );
            self.report("public.url", why);
        }
    }

    /// Where mail goes.
    pub(super) fn mail(&mut self) -> Checked<Mail> {
        let draft = self.draft;
        let first = self.one_of("smtp.url", &draft.smtp_url, &draft.smtp_url_file, smtp_url);
        let fallback =
            self.one_of("smtp.fallback_url", &draft.smtp_fallback_url, &draft.smtp_fallback_url_file, smtp_url);
        let (first, fallback) = (first?, fallback?);
        let mut root_certificates = Vec::new();
        if let Some(file) = draft.smtp_ca_file.clone()? {
            match fs::read(&file) {
                Ok(pem) => root_certificates.push(pem),
                Err(e) => self.report("smtp.ca_file", unreadable(&file, &e)),
            }
        }
        let server =
            |url| Box::new(SmtpSettings { root_certificates: root_certificates.clone(), ..SmtpSettings::new(url) });
        match (first, fallback, draft.mail_sink?) {
            (Some(_), _, Some(true)) => {
                self.report("mail.sink", "is on beside a mail server (`smtp.url`): mail can only go to one of them");
                None
            }
            (None, Some(_), _) => {
                self.report("smtp.fallback_url", "stands in for `smtp.url`, which isn't given: give that one too");
                None
            }
            (None, None, Some(false)) => {
                let why = "is off and there is no mail server (`smtp.url`): mail would have nowhere to go";
                self.report("mail.sink", why);
                None
            }
            (Some(url), fallback, _) => Some(Mail::Servers { first: server(url), fallback: fallback.map(server) }),
            (None, None, _) => Some(Mail::Sink),
        }
    }

    /// The standard templates with those of the folder that is named, and with their ids at Twilio.
    pub(super) fn templates(&mut self) -> Option<Templates> {
        let folder = self.draft.templates_dir.clone()?;
        let sids = self.draft.twilio_content_sids.clone()?.unwrap_or_default();
        let loaded = template_folder::load(folder.as_deref()).map_err(|problems| ("templates.dir", problems));
        let known =
            loaded.and_then(|all| all.with_content_sids(&sids).map_err(|problems| ("twilio.content_sids", problems)));
        match known {
            Ok(templates) => Some(templates),
            Err((key, TemplateProblems(problems))) => {
                problems.iter().for_each(|problem| self.report(key, problem.to_string()));
                None
            }
        }
    }

    /// The rules in the file that is named, if one is.
    pub(super) fn routing(&mut self, templates: &Templates) -> Option<Routing> {
        let file = self.draft.routing_file.clone().flatten()?;
        let parse = |text: &str| Routing::parse(text, templates).map_err(|e| e.to_string());
        match read_file(&file, parse) {
            Ok(routing) => Some(routing),
            Err(why) => {
                self.report("routing.file", why);
                None
            }
        }
    }

    /// What is given by itself or in a file, but not by both.
    pub(super) fn one_of<T: Clone>(
        &mut self,
        key: &str,
        value: &Option<Option<T>>,
        file: &Option<Option<PathBuf>>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Checked<Option<T>> {
        let file_key = format!("{key}_file");
        match (value.clone()?, file.clone()?) {
            (Some(_), Some(_)) => {
                self.report(&file_key, format!("is given beside `{key}`: give one of them"));
                None
            }
            (Some(value), None) => Some(Some(value)),
            (None, None) => Some(None),
            (None, Some(file)) => match read_file(&file, read) {
                Ok(value) => Some(Some(value)),
                Err(why) => {
                    self.report(&file_key, why);
                    None
                }
            },
        }
    }
}

fn smtp_url(text: &str) -> Result<SmtpUrl, String> {
    text.parse::<SmtpUrl>().map_err(|e| e.to_string())
}

/// What stands in a file, without the white space around it. The error tells of the file, and nothing of what stands there.
fn read_file<T>(file: &Path, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
    let text = fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
    read(text.trim()).map_err(|why| format!("{}: {why}", file.display()))
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> String {
    format!("{} can't be read: {error}", file.display())
}
