//! From files to templates.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    TemplateError, TemplateProblems, Templates,
    catalogue::Catalogue,
    engine,
    sources::{self, Origin, Source},
    whatsapp_file::WhatsappFile,
};

impl Templates {
    /// The templates that come with Sendoff, in English and German.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when one of them has a mistake; a test holds that none has.
    pub fn standard() -> Result<Self, TemplateError> {
        Self::of(sources::standard().collect()).map_err(|mut problems| problems.0.swap_remove(0))
    }

    /// These templates with an operator's own files, as path and text: `sms/app-assigned/fr.txt`. A file at the path of another
    /// takes its place; the rest is added.
    ///
    /// # Errors
    ///
    /// [`TemplateProblems`] with everything that is wrong: paths that say nothing, parts that are missing, mistakes in Jinja
    /// and in WhatsApp files.
    pub fn with_files(self, files: impl IntoIterator<Item = (String, String)>) -> Result<Self, TemplateProblems> {
        let mut sources = self.sources;
        sources.extend(files.into_iter().map(|(path, text)| {
            let source = Source { text: Cow::Owned(text), origin: Origin::Own };
            (path, source)
        }));
        Self::of(sources)
    }

    fn of(sources: BTreeMap<String, Source>) -> Result<Self, TemplateProblems> {
        let (catalogue, mut problems) = Catalogue::of(&sources);
        let (mut environment, mut whatsapp) = (engine::environment(), BTreeMap::new());
        let mut compile = |name: String, text: Cow<'static, str>| {
            let added = environment.add_template_owned(name.clone(), text);
            added.map_err(|e| TemplateError::new(&name, &e)).err()
        };
        for (path, source) in &sources {
            if !path.ends_with(".json") {
                problems.extend(compile(path.clone(), source.text.clone()));
                continue;
            }
            match WhatsappFile::read(&source.text) {
                Ok(file) => {
                    let parts = super::whatsapp::parts(path, &file);
                    problems.extend(parts.into_iter().filter_map(|(name, text)| compile(name, Cow::Owned(text))));
                    whatsapp.insert(path.clone(), file);
                }
                Err(all) => problems.extend(all.into_iter().map(|problem| TemplateError::plain(path, problem))),
            }
        }
        if problems.is_empty() {
            return Ok(Self { sources, catalogue, environment, whatsapp });
        }
        problems.sort_by(|a, b| (&a.template, a.line).cmp(&(&b.template, b.line)));
        Err(TemplateProblems(problems))
    }
}
