//! The files that workflows are checked and tried with.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use sendoff_embedded::program::{Exit, Stopped};
use sendoff_producers::model::User;
use sendoff_workflows::{Definition, Plan, Problems, definition};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::problems;

/// The largest file that is read, in bytes: as large as a definition may be.
const MOST: u64 = definition::MAX_BYTES as u64;

/// A definition, with the text that its author wrote.
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
}

/// A definition without faults.
pub(super) struct Checked {
    pub(super) definition: Definition,
    pub(super) plan: Plan,
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self, Stopped> {
        Ok(Self { file: path.display().to_string(), text: text(path)? })
    }

    /// What the text says. The problems come with the definition as far as it could be read.
    pub(super) fn check(&self) -> Result<Checked, (Problems, Option<Box<Definition>>)> {
        let definition = Definition::read(&self.text).map_err(|found| (found, None))?;
        match Plan::of(&definition) {
            Ok(plan) => Ok(Checked { definition, plan }),
            Err(found) => Err((definition::in_text(found, &self.text), Some(Box::new(definition)))),
        }
    }
}

/// A definition that has to be good: otherwise its problems are the end.
pub(super) fn checked(path: &Path) -> Result<Checked, Stopped> {
    let source = Source::read(path)?;
    source.check().map_err(|(found, definition)| {
        Stopped::failed(problems::page(&source.file, &found, definition.as_deref()).trim_end())
    })
}

/// A submission, as far as a run knows it.
#[derive(Debug, Deserialize)]
pub(super) struct Submission {
    #[serde(default)]
    pub(super) app_id: Option<String>,
    #[serde(default)]
    pub(super) submission_id: Option<String>,
    #[serde(default)]
    pub(super) author_id: Option<String>,
    #[serde(default = "first")]
    pub(super) revision: u64,
    pub(super) fields: Map<String, Value>,
    /// Who a dry run knows, by their ids.
    #[serde(default)]
    pub(super) users: Option<BTreeMap<String, User>>,
}

const fn first() -> u64 {
    1
}

pub(super) fn submission(path: &Path) -> Result<Submission, Stopped> {
    json("--submission", path, "a submission as JSON")
}

/// A JSON file that a flag names.
pub(super) fn json<T: DeserializeOwned>(flag: &str, path: &Path, what: &str) -> Result<T, Stopped> {
    let wrong = |error| Stopped::new(Exit::Usage, format!("{flag}: {} is not {what}: {error}", path.display()));
    serde_json::from_str(&text(path)?).map_err(wrong)
}

fn text(path: &Path) -> Result<String, Stopped> {
    let wrong = |why: String| Stopped::new(Exit::Usage, format!("{}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(format!("it can't be read: {error}")))?;
    file.take(MOST + 1).read_to_string(&mut text).map_err(|error| wrong(format!("it can't be read: {error}")))?;
    if text.len() as u64 > MOST {
        return Err(wrong(format!("it is larger than {} KiB", MOST / 1024)));
    }
    Ok(text)
}
