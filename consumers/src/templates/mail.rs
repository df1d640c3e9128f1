//! Mails.

use minijinja::Value;
use sendoff_producers::model::{Branding, Channel, MailTemplate};
use serde::Serialize;
use url::Url;

use super::{
    TemplateError, Templates, clean, engine, locale, paragraphs,
    place::{self, HTML_LAYOUT, TEXT_LAYOUT},
    with_brand,
};

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

impl Templates {
    /// A mail in the best language there is for `locale`, in the tenant's clothes.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no such template, the data lacks what it asks for, or the mail would grow too large.
    pub fn render_mail(
        &self,
        name: &str,
        locale: &str,
        data: &impl Serialize,
        branding: &Branding,
    ) -> Result<MailContent, TemplateError> {
        let language = self.catalogue.best(Channel::Email, name, locale)?;
        let path = |part| place::path(Channel::Email, name, language, part);
        let data = with_brand(data, branding);
        let subject = path("/subject.txt");
        let subject = clean::title(&self.part(&subject, data.clone())?)
            .ok_or_else(|| TemplateError::empty(&subject, "subject"))?;
        let html = self.part(&path("/body.html"), data.clone())?;
        let text = self.part(&path("/body.txt"), data.clone())?;
        self.laid_out(language, subject, &html, &text, &data)
    }

    /// A mail by an app's own template, in the tenant's clothes. Errors call its parts `{name}/subject` and `{name}/text`.
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
        branding: &Branding,
    ) -> Result<MailContent, TemplateError> {
        let data = with_brand(data, branding);
        let part = |part: &str, source: &str| -> Result<String, TemplateError> {
            // The name decides about escaping: both parts are text, and escaped when they become HTML.
            let name = format!("{name}/{part}");
            let template =
                self.environment.template_from_named_str(&name, source).map_err(|e| TemplateError::new(&name, &e))?;
            engine::render(&template, data.clone())
        };
        let parts =
            || -> Result<_, TemplateError> { Ok((part("subject", &template.subject)?, part("text", &template.text)?)) };
        let (subject, text) = engine::on_a_deep_stack(name, parts)??;
        let subject =
            clean::title(&subject).ok_or_else(|| TemplateError::empty(&format!("{name}/subject"), "subject"))?;
        let html = paragraphs::html(&clean::text(&text));
        let language = locale::best(locale, self.catalogue.languages(Channel::Email));
        self.laid_out(language, subject, &html, &text, &data)
    }

    /// The whole mail around its content.
    fn laid_out(
        &self,
        language: &str,
        subject: String,
        html: &str,
        text: &str,
        data: &Value,
    ) -> Result<MailContent, TemplateError> {
        let brand = data.get_attr("brand").unwrap_or_default();
        let unsubscribe_url = unsubscribe_url(data)?;
        let around = |layout: &str, content: Value| -> Result<String, TemplateError> {
            let (subject, brand, unsubscribe_url) = (&subject, &brand, &unsubscribe_url);
            let data = minijinja::context! { locale => language, subject, content, brand, unsubscribe_url };
            Ok(clean::text(&self.part(layout, data)?).into_owned())
        };
        let html = around(HTML_LAYOUT, Value::from_safe_string(html.to_owned()))?;
        let text = around(TEXT_LAYOUT, Value::from(text))?;
        Ok(MailContent { html, text, subject })
    }
}

/// The link in the data that unsubscribes; empty when there is none.
fn unsubscribe_url(data: &Value) -> Result<String, TemplateError> {
    let given = data.get_attr("unsubscribe_url").unwrap_or_default();
    if given.is_undefined() || given.is_none() {
        return Ok(String::new());
    }
    // Plain http is what a development machine has.
    let url =
        given.as_str().and_then(|text| Url::parse(text).ok()).filter(|url| matches!(url.scheme(), "https" | "http"));
    let problem = || TemplateError::plain("email", "`unsubscribe_url` in its data is not a web address".into());
    url.map(String::from).ok_or_else(problem)
}
