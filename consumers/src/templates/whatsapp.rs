//! WhatsApp messages.

use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;

use super::{
    TemplateError, Templates, clean, place,
    sms::{self, short},
    whatsapp_file::{self, Piece, WhatsappFile},
    with_brand,
};
use crate::channels::whatsapp::{WhatsappContent, WhatsappTemplate};

impl Templates {
    /// A WhatsApp message in the best language there is for `locale`: a template of Meta's with its parameters, or free text
    /// where the file names none.
    ///
    /// Parameters are one line without runs of spaces, as Meta demands.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no such template, the data lacks what it asks for, a parameter is empty (Meta refuses
    /// it), or the text is too long (1024 characters; free text 1600).
    pub fn render_whatsapp(
        &self,
        name: &str,
        locale: &str,
        data: &impl Serialize,
        branding: &Branding,
    ) -> Result<WhatsappContent, TemplateError> {
        let language = self.catalogue.best(Channel::Whatsapp, name, locale)?;
        let path = place::path(Channel::Whatsapp, name, language, ".json");
        let missing = || TemplateError::plain(&path, "it is missing".into());
        let file = self.whatsapp.get(&path).ok_or_else(missing)?;
        let data = with_brand(data, branding);
        let Some(template) = &file.template else {
            let text = self.part(&text_of(&path), data)?;
            return short(&path, clean::lines(&text), sms::MOST).map(WhatsappContent::Text);
        };
        let mut parameters = Vec::with_capacity(file.parameters.len());
        for place in 1..=file.parameters.len() {
            let path = parameter_of(&path, place);
            let parameter = clean::one_line(&self.part(&path, data.clone())?);
            parameters.push(parameter.ok_or_else(|| TemplateError::empty(&path, "text, which Meta refuses"))?);
        }
        let pieces = file.pieces().map_err(|problem| TemplateError::plain(&path, problem))?;
        let text = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Place(place) => parameters.get(place.checked_sub(1)?).map(String::as_str),
        });
        let text = short(&path, text.collect::<Option<String>>(), whatsapp_file::MOST)?;
        Ok(WhatsappContent::Template(WhatsappTemplate {
            name: template.clone(),
            language: file.language.clone().unwrap_or_default(),
            content_sid: file.content_sid.clone(),
            parameters,
            text,
        }))
    }
}

/// What of a file is Jinja, each with the name that errors call it by.
pub(super) fn parts(path: &str, file: &WhatsappFile) -> Vec<(String, String)> {
    if file.template.is_none() {
        return vec![(text_of(path), file.text.clone())];
    }
    let parameters = file.parameters.iter().enumerate();
    parameters.map(|(at, text)| (parameter_of(path, at + 1), text.clone())).collect()
}

fn parameter_of(path: &str, place: usize) -> String {
    format!("{path}/parameters/{place}")
}

fn text_of(path: &str) -> String {
    format!("{path}/text")
}
