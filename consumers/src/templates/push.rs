//! Notifications on phones.

use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;

use super::{TemplateError, Templates, clean, place, with_brand};

/// The largest title and body together, in bytes of UTF-8: FCM takes 4096 for the whole message, and what the app is told
/// besides needs room.
const MOST: usize = 3584;

/// A notification's title and text. Personal, like whatever was put into it: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PushContent {
    /// One line.
    pub title: String,
    /// The text below it.
    pub body: String,
}

impl Templates {
    /// A notification in the best language there is for `locale`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no such template, the data lacks what it asks for, a part is empty or both are too long.
    pub fn render_push(
        &self,
        name: &str,
        locale: &str,
        data: &impl Serialize,
        branding: &Branding,
    ) -> Result<PushContent, TemplateError> {
        let language = self.catalogue.best(Channel::Push, name, locale)?;
        let data = with_brand(data, branding);
        let [title_path, body_path] =
            ["/title.txt", "/body.txt"].map(|p| place::path(Channel::Push, name, language, p));
        let title = clean::title(&self.part(&title_path, data.clone())?);
        let title = title.ok_or_else(|| TemplateError::empty(&title_path, "title"))?;
        let body = clean::lines(&self.part(&body_path, data)?);
        let body = body.ok_or_else(|| TemplateError::empty(&body_path, "text"))?;
        let size = title.len() + body.len();
        if size > MOST {
            let problem = format!("with its title it gives {size} bytes, and {MOST} are the most");
            return Err(TemplateError::plain(&body_path, problem));
        }
        Ok(PushContent { title, body })
    }
}
