//! The configuration: flags over environment over `sendoff.toml` over defaults, checked as a whole.
//!
//! Everything that is wrong is told at once ([`ConfigError`]), each value with where it came from. What can be set, and the
//! reference of it, comes from one table in `settings.rs`.

mod auth;
mod check;
mod file;
mod problem;
mod reference;
mod rules;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use check::Mail;
use file::{File, Given};
pub use problem::{ConfigError, Problem, Source};
use problem::{nearest, shown};
pub use reference::reference;
use sendoff_producers::api::KeySet;
use settings::{Draft, SETTINGS};
pub use settings::{LogFormat, Settings};
use table::{Broken, Setting};

/// The file that is read from the present folder when none is named.
pub const FILE_NAME: &str = "sendoff.toml";

/// What stands for bytes that aren't UTF-8 once an environment variable was made a text. No value has it.
const NOT_UTF8: char = char::REPLACEMENT_CHARACTER;

/// What the configuration is made from.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Flags: what was typed (`--listen`), the key it sets, and the value.
    pub flags: Vec<(String, String, String)>,
    /// The environment. Bytes that aren't UTF-8 are replaced (`to_string_lossy`); no setting takes such a value.
    pub variables: BTreeMap<String, String>,
    /// The file.
    pub file: ConfigFile,
}

/// Which file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// `sendoff.toml` in the present folder, if there is one.
    #[default]
    Usual,
    /// This one; it must exist.
    Named(PathBuf),
    /// None.
    Nothing,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Config {
    /// Every setting.
    pub settings: Settings,
    /// Where mail goes.
    pub mail: Mail,
    /// The configured keys; none means that the development key is used, on a loopback address only.
    pub keys: KeySet,
    /// Whether any key is configured.
    pub has_keys: bool,
    /// What is in force and where it came from, in the order of the reference.
    pub effective: Vec<Effective>,
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its key.
    pub key: &'static str,
    /// Its value as it was given; `(secret)` when it is one, empty when there is none.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl Config {
    /// The configuration from all its sources.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is wrong in any of them.
    pub fn load(inputs: &Inputs) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let file = read_file(&inputs.file, &mut problems);
        // From the weakest to the strongest: what comes later wins.
        let mut values = file.values;
        values.extend(variables(&inputs.variables, &mut problems));
        values.extend(inputs.flags.iter().map(|(flag, key, value)| given(key, value, Source::Flag(flag.clone()))));

        let mut draft = Draft::default();
        fill(SETTINGS, &mut draft, &values, "", &mut problems);
        let effective: Vec<Effective> = SETTINGS.iter().map(|s| effective(s, &values)).collect();
        let keys = auth::keys(&file.auth_keys, &mut problems);
        let has_keys = !file.auth_keys.is_empty();
        let mail = check::check(&draft, has_keys, &effective, &mut problems);
        match (draft.finish(), mail) {
            (Some(settings), Some(mail)) if problems.is_empty() => {
                Ok(Self { settings, mail, keys, has_keys, effective })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn given(key: &str, text: &str, source: Source) -> Given {
    Given { key: key.to_owned(), text: text.to_owned(), source }
}

fn read_file(file: &ConfigFile, problems: &mut Vec<Problem>) -> File {
    let path = match file {
        ConfigFile::Usual => Path::new(FILE_NAME),
        ConfigFile::Named(path) => path,
        ConfigFile::Nothing => return File::default(),
    };
    match fs::read_to_string(path) {
        Ok(text) => file::read(path, &text, problems),
        Err(e) if e.kind() == io::ErrorKind::NotFound && *file == ConfigFile::Usual => File::default(),
        Err(e) => {
            problems.push(Problem {
                key: "--config".into(),
                source: Source::Flag("--config".into()),
                value: Some(shown(&path.display().to_string(), false)),
                rule: format!("the file can't be read: {e}"),
                suggestion: None,
            });
            File::default()
        }
    }
}

/// The variables that name a setting; those that only look like it are problems.
fn variables(environment: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Vec<Given> {
    const PREFIX: &str = "SENDOFF_";
    let mut found = Vec::new();
    for (name, value) in environment {
        if let Some(setting) = SETTINGS.iter().find(|s| s.env == Some(name)) {
            found.push(given(setting.key, value, Source::Variable(name.clone())));
        } else if let Some(word) = name.strip_prefix(PREFIX) {
            let known = SETTINGS.iter().filter_map(|s| s.env?.strip_prefix(PREFIX));
            problems.push(Problem {
                key: name.clone(),
                source: Source::Variable(name.clone()),
                value: None,
                rule: "there is no such variable".into(),
                suggestion: nearest(word, known).map(|near| format!("{PREFIX}{near}")),
            });
        }
    }
    found
}

/// Reads the defaults and every value into the draft, the later over the earlier, and adds those that break their rule, or belong to no
/// setting, to the problems.
fn fill<D>(table: &[Setting<D>], draft: &mut D, values: &[Given], prefix: &str, problems: &mut Vec<Problem>) {
    for setting in table {
        if let Some(default) = setting.default {
            // A test holds that every default keeps its rule; if one did not, its setting would be missing below.
            let _ = (setting.set)(draft, default);
        }
    }
    for Given { key, text, source } in values {
        let problem = |value, rule, suggestion| Problem {
            key: format!("{prefix}{key}"),
            source: source.clone(),
            value,
            rule,
            suggestion,
        };
        let Some(setting) = table.iter().find(|s| s.key == key) else {
            let suggestion = nearest(key, table.iter().map(|s| s.key)).map(|near| format!("{prefix}{near}"));
            // A key that isn't known may hold anything, a password too: the value isn't shown.
            problems.push(problem(None, "there is no such setting".into(), suggestion));
            continue;
        };
        // Nothing but a default may be empty: an empty variable is a mistake, not a choice.
        let read = if text.trim().is_empty() || text.contains(NOT_UTF8) {
            Err(Broken(None))
        } else {
            (setting.set)(draft, text)
        };
        if let Err(Broken(why)) = read {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            let rule = format!("must be {}{why}", (setting.says)());
            problems.push(problem(Some(shown(text, setting.secret)), rule, None));
        }
    }
}

fn effective<D>(setting: &Setting<D>, values: &[Given]) -> Effective {
    let (text, source) = match values.iter().rev().find(|v| v.key == setting.key) {
        Some(given) => (given.text.as_str(), given.source.clone()),
        None => (setting.default.unwrap_or_default(), Source::Default),
    };
    let value = if setting.secret && !text.is_empty() { "(secret)" } else { text };
    Effective { key: setting.key, value: value.to_owned(), source }
}
