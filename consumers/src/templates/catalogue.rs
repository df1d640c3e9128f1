//! Which templates there are.

use std::collections::{BTreeMap, btree_map::Entry};

use sendoff_producers::model::Channel;
use serde::Serialize;

use super::{
    TemplateError, locale,
    place::{self, Place},
    sources::{Origin, Source},
};

/// A template in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateInfo {
    /// The channel.
    pub channel: Channel,
    /// Its name: `app-assigned`.
    pub name: String,
    /// Its language, a BCP 47 tag.
    pub locale: String,
    /// The files it consists of, and whose each is.
    pub files: Vec<TemplateFile>,
}

/// A file of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateFile {
    /// Its path below the templates' folder.
    pub path: String,
    /// Whose it is.
    pub origin: Origin,
}

/// All templates by channel and name, and each by its languages.
#[derive(Default)]
pub(super) struct Catalogue(BTreeMap<(Channel, String), BTreeMap<String, TemplateInfo>>);

impl Catalogue {
    /// The templates that these files make up, and what is wrong with their paths.
    pub(super) fn of(sources: &BTreeMap<String, Source>) -> (Self, Vec<TemplateError>) {
        let (mut catalogue, mut problems) = (Self::default(), Vec::new());
        for (path, source) in sources {
            match place::of(path) {
                Ok(Place::Layout) => {}
                Ok(Place::Part { channel, name, locale }) => catalogue.add(path, source.origin, channel, name, locale),
                Err(problem) => problems.push(TemplateError::plain(path, problem)),
            }
        }
        catalogue.incomplete(&mut problems);
        (catalogue, problems)
    }

    fn add(&mut self, path: &str, origin: Origin, channel: Channel, name: String, locale: String) {
        let file = TemplateFile { path: path.to_owned(), origin };
        match self.0.entry((channel, name.clone())).or_default().entry(locale.clone()) {
            Entry::Occupied(mut known) => known.get_mut().files.push(file),
            Entry::Vacant(new) => {
                new.insert(TemplateInfo { channel, name, locale, files: vec![file] });
            }
        }
    }

    fn incomplete(&self, problems: &mut Vec<TemplateError>) {
        for ((channel, name), locales) in &self.0 {
            for locale in locales.keys() {
                let wanted = place::parts(*channel).iter().map(|part| place::path(*channel, name, locale, part));
                let there = |path: &String| locales[locale].files.iter().any(|file| file.path == *path);
                let missing = wanted.filter(|path| !there(path));
                problems.extend(missing.map(|path| TemplateError::plain(&path, "it is missing".into())));
            }
            if !locales.contains_key(locale::LAST_RESORT) {
                let template = format!("{}/{name}", channel.name());
                let problem = "it has no text in `en`, which everybody gets whose language it lacks".into();
                problems.push(TemplateError::plain(&template, problem));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TemplateInfo> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// The languages of all templates of a channel, some of them more than once.
    pub(super) fn languages(&self, channel: Channel) -> impl Iterator<Item = &str> + Clone {
        let locales = self.0.iter().filter(move |((of, _), _)| *of == channel).flat_map(|(_, locales)| locales.keys());
        locales.map(String::as_str)
    }

    /// The best language there is of a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when there is no template of this name, with what there is.
    pub(super) fn best(&self, channel: Channel, name: &str, locale: &str) -> Result<&str, TemplateError> {
        match self.0.get(&(channel, name.to_owned())) {
            Some(locales) => Ok(locale::best(locale, locales.keys().map(String::as_str))),
            None => Err(self.unknown(channel, name)),
        }
    }

    fn unknown(&self, channel: Channel, name: &str) -> TemplateError {
        let template = format!("{}/{}", channel.name(), name.chars().take(60).collect::<String>());
        let elsewhere: Vec<_> = self.0.keys().filter(|(_, known)| known == name).map(|(of, _)| of.name()).collect();
        let names: Vec<_> = self.0.keys().filter(|(of, _)| *of == channel).map(|(_, name)| name.as_str()).collect();
        let problem = match (elsewhere.is_empty(), nearest(name, &names)) {
            (false, _) => format!("there is none on this channel, only for {}", elsewhere.join(", ")),
            (true, Some(near)) => format!("there is no such template; did you mean `{near}`?"),
            (true, None) => format!("there is no such template; there are {}", names.join(", ")),
        };
        TemplateError::plain(&template, problem)
    }
}

fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let near = candidates.iter().map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate));
    let near = near.filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(4));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}
