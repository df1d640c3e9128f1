//! Mail texts: the standard ones, by locale, and those that apps bring along.
//!
//! Templates are Jinja (minijinja). A variable that doesn't exist is an error, not a hole in the mail. What is put into an
//! HTML part is escaped. Data is never taken for a template. A template can neither run nor grow without end: fuel covers
//! both its steps and the bytes it makes.

mod engine;
mod error;
mod locale;
mod paragraphs;
mod standard;
mod subject;

#[cfg(test)]
mod tests;

use minijinja::{Environment, Value, value::Serde};
use sendoff_producers::model::MailTemplate;
use serde::Serialize;

pub use error::TemplateError;
pub use standard::StandardMail;

/// A mail's subject and its two bodies. Personal, like whatever was put into it: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct MailContent {
    /// One line, without control characters.
    pub subject: String,
    /// The HTML part: a whole document.
    pub html: String,
    /// The text part.
    pub text: String,
}

/// All standard templates, compiled.
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// The templates that come with Sendoff, in English and German.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when one of them has a mistake; a test holds that none has.
    pub fn standard() -> Result<Self, TemplateError> {
        let mut environment = engine::environment();
        for (name, source) in standard::sources() {
            environment.add_template(name, source).map_err(|e| TemplateError::new(name, &e))?;
        }
        Ok(Self { environment })
    }

    /// A standard mail in the best language there is for `locale`: `de-CH`, else `de`, else `en`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when the data lacks what the template asks for, or the mail would grow too large.
    pub fn render(
        &self,
        mail: StandardMail,
        locale: &str,
        data: &impl Serialize,
    ) -> Result<MailContent, TemplateError> {
        let language = locale::best(locale);
        let data = Value::from(Serde(data));
        let part = |part: &str| -> Result<String, TemplateError> {
            let name = format!("email/{}/{language}/{part}", mail.folder());
            let template = self.environment.get_template(&name).map_err(|e| TemplateError::new(&name, &e))?;
            engine::render(&template, data.clone())
        };
        let subject = subject::one_line(&part("subject.txt")?)
            .ok_or_else(|| TemplateError::empty_subject(&format!("email/{}/{language}/subject.txt", mail.folder())))?;
        let html = self.document(language, &subject, &part("body.html")?)?;
        Ok(MailContent { html, text: part("body.txt")?, subject })
    }

    /// A mail by an app's own template. Errors call its parts `{name}/subject` and `{name}/text`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when the template has a mistake, asks for what isn't there, is too costly, or gives no subject.
    pub fn render_custom(
        &self,
        name: &str,
        template: &MailTemplate,
        locale: &str,
        data: &impl Serialize,
    ) -> Result<MailContent, TemplateError> {
        let data = Value::from(Serde(data));
        let part = |part: &str, source: &str| -> Result<String, TemplateError> {
            // The name decides about escaping: both parts are text, and escaped when they become HTML.
            let name = format!("{name}/{part}");
            let template =
                self.environment.template_from_named_str(&name, source).map_err(|e| TemplateError::new(&name, &e))?;
            engine::render(&template, data.clone())
        };
        let subject = subject::one_line(&part("subject", &template.subject)?)
            .ok_or_else(|| TemplateError::empty_subject(&format!("{name}/subject")))?;
        let text = part("text", &template.text)?;
        let html = self.document(locale::best(locale), &subject, &paragraphs::html(&text))?;
        Ok(MailContent { subject, html, text })
    }

    /// The whole HTML document around a part that is HTML already.
    fn document(&self, language: &str, subject: &str, content: &str) -> Result<String, TemplateError> {
        let layout = standard::LAYOUT;
        let template = self.environment.get_template(layout).map_err(|e| TemplateError::new(layout, &e))?;
        let content = Value::from_safe_string(content.to_owned());
        engine::render(&template, minijinja::context! { locale => language, subject, content })
    }
}
