//! Text messages.

use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;

use super::{TemplateError, Templates, clean, place, with_brand};

/// The longest text that providers take, in characters.
pub(super) const MOST: usize = 1600;

impl Templates {
    /// The text of an SMS in the best language there is for `locale`: lines without control characters and without empty ones
    /// between them, 1600 characters at most.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no such template, the data lacks what it asks for, or the text is empty or too long.
    pub fn render_sms(
        &self,
        name: &str,
        locale: &str,
        data: &impl Serialize,
        branding: &Branding,
    ) -> Result<String, TemplateError> {
        let language = self.catalogue.best(Channel::Sms, name, locale)?;
        let path = place::path(Channel::Sms, name, language, ".txt");
        let text = self.part(&path, with_brand(data, branding))?;
        short(&path, clean::lines(&text), MOST)
    }
}

/// The text, unless it is empty or too long.
pub(super) fn short(path: &str, text: Option<String>, most: usize) -> Result<String, TemplateError> {
    let text = text.ok_or_else(|| TemplateError::empty(path, "text"))?;
    let count = text.chars().count();
    if count > most {
        return Err(TemplateError::plain(path, format!("it gives {count} characters, and {most} are the most")));
    }
    Ok(text)
}
