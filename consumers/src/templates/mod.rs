//! The texts of messages: for each event, channel and language; and those that apps bring along.
//!
//! Templates are Jinja (minijinja). A variable that doesn't exist is an error, not a hole in the message. What is put into an
//! HTML part is escaped. Data is never taken for a template. A template can neither run nor grow without end: fuel covers both
//! its steps and the bytes it makes, for each part. What comes out holds no control characters and nothing that overrides the
//! direction of text.
//!
//! Besides its data each template sees `brand`: `name`, `logo_url`, `color`, `text_color` (black or white, to be read on that
//! colour) and `footer`. What a tenant hasn't given is an empty string, and the colour a blue. `unsubscribe_url` in the data of
//! a mail becomes its last line.

mod branding;
mod catalogue;
mod check;
pub(crate) mod clean;
mod content_sids;
mod engine;
mod error;
mod flaws;
mod load;
mod locale;
mod mail;
mod paragraphs;
mod place;
mod push;
mod rendered;
mod samples;
mod sms;
mod sources;
mod whatsapp;
mod whatsapp_file;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use catalogue::Catalogue;
use minijinja::{Environment, Value, value::Serde};
use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;
use sources::Source;
use whatsapp_file::WhatsappFile;

pub use catalogue::{TemplateFile, TemplateInfo};
pub use check::{CheckReport, Finding};
pub use error::{TemplateError, TemplateProblems};
pub use flaws::flaws;
pub use mail::MailContent;
pub use push::PushContent;
pub use rendered::Rendered;
pub use samples::{Sample, samples};
pub use sources::Origin;

/// All templates, compiled: the standard ones, and an operator's own.
pub struct Templates {
    sources: BTreeMap<String, Source>,
    catalogue: Catalogue,
    environment: Environment<'static>,
    whatsapp: BTreeMap<String, WhatsappFile>,
}

impl Templates {
    /// Which templates there are, by channel, name and language.
    pub fn list(&self) -> impl Iterator<Item = &TemplateInfo> {
        self.catalogue.iter()
    }

    /// The language that somebody with this locale gets a template in: `de-CH`, else `de`, else `en`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no template of this name for the channel; says which there are.
    pub fn language(&self, channel: Channel, name: &str, locale: &str) -> Result<&str, TemplateError> {
        self.catalogue.best(channel, name, locale)
    }

    /// What the template at `path` makes of the data.
    fn part(&self, path: &str, data: Value) -> Result<String, TemplateError> {
        let template = self.environment.get_template(path).map_err(|e| TemplateError::new(path, &e))?;
        engine::render(&template, data)
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("files", &self.sources.len()).finish_non_exhaustive()
    }
}

/// The data with `brand` beside it.
fn with_brand(data: &impl Serialize, branding: &Branding) -> Value {
    let brand = Value::from(Serde(branding::Look::from(branding)));
    minijinja::context! { brand, ..Value::from(Serde(data)) }
}
