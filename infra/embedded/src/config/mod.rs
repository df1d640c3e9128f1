//! The configuration: flags over environment over `sendoff.toml` over defaults, checked as a whole.
//!
//! Everything that is wrong is told at once ([`ConfigError`]), each value with where it came from. What can be set, and the
//! reference of it, comes from one table in `settings.rs`.

mod auth;
#[cfg(test)]
mod channel_tests;
mod channels;
mod check;
mod connections;
mod reference;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use channels::{Callbacks, Channels, MetaCallbacks, WhatsappBy};
use check::Checker;
pub use check::Mail;
pub use reference::reference;
use sendoff_consumers::{routing::Routing, templates::Templates};
pub use sendoff_host::config::{ConfigError, Effective, Problem, Source};
use sendoff_host::{
    config::{Given, TomlFile, fill, shown, variables},
    connections::Opened,
};
use sendoff_producers::api::KeySet;
use settings::{Draft, SETTINGS};
pub use settings::{LogFormat, Settings};

/// The file that is read from the present folder when none is named.
pub const FILE_NAME: &str = "sendoff.toml";

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
    /// How other messages leave.
    pub channels: Channels,
    /// The texts: the standard ones, and the operator's own over them.
    pub templates: Arc<Templates>,
    /// The rules of who is told of what, where they aren't the standard ones.
    pub routing: Option<Routing>,
    /// The systems that workflows may call.
    pub connections: Opened,
    /// The configured keys; none means that the development key is used, on a loopback address only.
    pub keys: KeySet,
    /// Whether any key is configured.
    pub has_keys: bool,
    /// Whether the API takes the events of load tests.
    pub load_tests: bool,
    /// What is in force and where it came from, in the order of the reference.
    pub effective: Vec<Effective>,
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
        let (connections, mut values) = connections::split(file.values);
        values.extend(variables(SETTINGS, &inputs.variables, &mut problems));
        values.extend(inputs.flags.iter().map(|(flag, key, value)| given(key, value, Source::Flag(flag.clone()))));

        let mut draft = Draft::default();
        fill(SETTINGS, &mut draft, &values, "", &mut problems);
        let effective: Vec<Effective> = SETTINGS.iter().map(|s| Effective::of(s, &values)).collect();
        let connections = connections::open(&connections, draft.data.as_deref(), &mut problems);
        let keys = auth::keys(&file.tables, &mut problems);
        let has_keys = !file.tables.is_empty();
        let mut checker = Checker { draft: &draft, effective: &effective, problems: &mut problems };
        checker.listen(has_keys);
        checker.public(has_keys);
        let mail = checker.mail();
        let channels = checker.channels(mail.as_ref());
        let templates = checker.templates().map(Arc::new);
        let routing = templates.as_ref().and_then(|templates| checker.routing(templates));
        match (draft.finish(), mail, channels, templates) {
            (Some(settings), Some(mail), Some(channels), Some(templates)) if problems.is_empty() => {
                let is_trial = !has_keys && channels.sink && matches!(mail, Mail::Sink);
                let load_tests = settings.load_tests.unwrap_or(is_trial);
                Ok(Self {
                    load_tests,
                    settings,
                    mail,
                    channels,
                    templates,
                    routing,
                    connections,
                    keys,
                    has_keys,
                    effective,
                })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn given(key: &str, text: &str, source: Source) -> Given {
    Given { key: key.to_owned(), text: text.to_owned(), source }
}

fn read_file(file: &ConfigFile, problems: &mut Vec<Problem>) -> TomlFile {
    let path = match file {
        ConfigFile::Usual => Path::new(FILE_NAME),
        ConfigFile::Named(path) => path,
        ConfigFile::Nothing => return TomlFile::default(),
    };
    match fs::read_to_string(path) {
        Ok(text) => TomlFile::read(path, &text, "auth.key", false, problems),
        Err(e) if e.kind() == io::ErrorKind::NotFound && *file == ConfigFile::Usual => TomlFile::default(),
        Err(e) => {
            problems.push(Problem {
                key: "--config".into(),
                source: Source::Flag("--config".into()),
                value: Some(shown(&path.display().to_string(), false)),
                rule: format!("the file can't be read: {e}"),
                suggestion: None,
            });
            TomlFile::default()
        }
    }
}
