//! A data folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sendoff_embedded::{
    Store, StoreOptions,
    config::{Config, ConfigFile, FILE_NAME, Inputs, Source},
};
use sendoff_host::{Exit, Stopped, config::TomlFile};

use super::{Access, Backend, Deployment, Native, Place};
use crate::Session;

/// What only the AWS backend is told by. Where a data folder is asked for by name, it says nothing.
const ONLY_ON_AWS: &str = "SENDOFF_QUEUE_URL_BASE";
/// The rule that a plan has to be approved.
const APPROVAL: &str = "dlq.approval";

pub(super) fn open(session: &Session, place: &Place, access: Access) -> Result<Deployment, Stopped> {
    let Config { settings: config, effective, .. } = configuration(session, place)?;
    let folder = session.folder.join(&config.data);
    if folder.is_file() {
        let why = format!("{} is a file: name the data folder that it is in, not the file", folder.display());
        return Err(Stopped::new(Exit::Usage, why));
    }
    let options = StoreOptions {
        durability: config.durability,
        max_body: config.topic_limit,
        clock: Arc::clone(&session.clock),
        ..StoreOptions::default()
    };
    let store = match access {
        Access::Look => Store::open_read_only(&folder, options)?,
        Access::Change => Store::open_beside(&folder, options)?,
    };
    let is_set_for_this_call =
        effective.iter().any(|it| it.key == APPROVAL && matches!(it.source, Source::Variable(_)));
    let work = place.work.as_ref().map_or_else(|| folder.join("dlq"), |work| session.folder.join(work));
    Ok(Deployment {
        backend: Backend::Sqlite(config.data),
        letters: store.dead_letter_queues(),
        audit: store.audit(),
        inbox: store.inbox(),
        blobs: store.blobs(),
        records: store.records(),
        work,
        inbox_keep: config.inbox_keep,
        needs_approval: config.needs_approval || !is_set_for_this_call && is_demanded_beside(&folder),
        native: Native::Embedded(store),
    })
}

/// Whether the `sendoff.toml` beside a data folder demands an approval: the rule holds in whichever folder the tool is called. One
/// that can't be read is taken to demand it.
fn is_demanded_beside(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Some(file) = folder.parent().map(|above| above.join(FILE_NAME)) else { return false };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    let mut problems = Vec::new();
    let values = TomlFile::read(&file, &text, "auth.key", false, &mut problems).values;
    values.iter().rfind(|given| given.key == APPROVAL).map_or(!problems.is_empty(), |given| given.text != "none")
}

/// The folder that would be opened; `None` when the configuration doesn't say.
pub(super) fn folder(session: &Session, place: &Place) -> Option<PathBuf> {
    Some(session.folder.join(configuration(session, place).ok()?.settings.data))
}

/// The configuration of `sendoff`, which says where the data is.
fn configuration(session: &Session, place: &Place) -> Result<Config, Stopped> {
    let named = match &place.backend {
        Some(Backend::Sqlite(path)) => Some(("--backend", path.display().to_string())),
        _ => None,
    };
    if let (Some((_, path)), Some(data)) = (&named, &place.data) {
        let why = format!("--backend sqlite:{path} and --data {data} both name the data folder: leave one of them out");
        return Err(Stopped::new(Exit::Usage, why));
    }
    let data = named.or_else(|| place.data.clone().map(|data| ("--data", data)));
    let mut variables = session.variables.clone();
    if place.backend.is_some() && variables.contains_key(ONLY_ON_AWS) {
        // They are those of a deployment on AWS; but who demands an approval demands it here, too.
        variables.retain(|name, _| !name.starts_with("SENDOFF_") || name == "SENDOFF_DLQ_APPROVAL");
    }
    let usual = session.folder.join(FILE_NAME);
    let file = match &place.config {
        Some(file) => ConfigFile::Named(session.folder.join(file)),
        None if usual.exists() => ConfigFile::Named(usual),
        None => ConfigFile::Nothing,
    };
    let flags = data.into_iter().map(|(flag, data)| (flag.to_owned(), "data".to_owned(), data)).collect();
    Config::load(&Inputs { flags, variables, file }).map_err(Stopped::from)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use sendoff_consumers::{AuditError, AuditNote, DeadLettersError};
    use sendoff_embedded::{Store, StoreOptions};
    use sendoff_host::Exit;

    use super::{Access, Backend, Deployment, Place, Session, open};

    fn session(folder: &Path, variables: &[(&str, &str)]) -> Session {
        Session {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect::<BTreeMap<_, _>>(),
            folder: folder.to_owned(),
            ..Session::of_this_process()
        }
    }

    fn refused(opened: Result<Deployment, super::Stopped>) -> (Exit, String) {
        match opened {
            Ok(_) => panic!("it was opened"),
            Err(stopped) => (stopped.exit, stopped.message.unwrap_or_default()),
        }
    }

    async fn data(folder: &Path) {
        Store::open(folder, StoreOptions::default()).unwrap().shutdown().await;
    }

    #[tokio::test]
    async fn the_folder_is_found_from_the_configuration_in_the_present_folder() {
        let present = tempfile::tempdir().unwrap();
        data(&present.path().join("data")).await;
        fs::write(present.path().join("sendoff.toml"), "data = \"data\"\n[dlq]\napproval = \"required\"\n").unwrap();
        let found = open(&session(present.path(), &[]), &Place::default(), Access::Look).unwrap();
        assert_eq!(found.backend, Backend::Sqlite("data".into()));
        assert_eq!(found.work, present.path().join("data/dlq"));
        assert!(found.needs_approval);
        let name = present.path().join("data").canonicalize().unwrap();
        assert_eq!(found.letters.deployment(), format!("data folder {}", name.display()));
    }

    #[tokio::test]
    async fn an_approval_that_the_file_beside_the_data_demands_is_demanded_from_everywhere() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = home.path().join("data");
        data(&folder).await;
        let named = || Place { data: Some(folder.display().to_string()), ..Place::default() };
        let needs = |variables: &[(&str, &str)], place: Place| {
            open(&session(elsewhere.path(), variables), &place, Access::Look).unwrap().needs_approval
        };
        assert!(!needs(&[], named()), "there is no file yet");
        let file = home.path().join("sendoff.toml");
        for (text, expected) in [
            ("data = \"data\"\n[dlq]\napproval = \"required\"\n", true),
            ("dlq.approval = \"none\"\n", false),
            ("data = \"data\"\n", false),
            ("[dlq\n", true),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(needs(&[], named()), expected, "{text}");
        }
        let backend = Place { backend: Some(Backend::Sqlite(folder.clone())), ..Place::default() };
        assert!(needs(&[], backend));
        assert!(needs(&[("SENDOFF_DATA", folder.to_str().unwrap())], Place::default()));
        assert!(!needs(&[("SENDOFF_DLQ_APPROVAL", "none")], named()), "who calls has said otherwise");
    }

    #[tokio::test]
    async fn a_folder_that_is_named_stands_above_the_rest_and_names_once() {
        let present = tempfile::tempdir().unwrap();
        data(&present.path().join("named")).await;
        let variables = [
            ("SENDOFF_QUEUE_URL_BASE", "https://sqs/1/x-"),
            ("SENDOFF_TOPIC_ARN", "x"),
            ("SENDOFF_DLQ_APPROVAL", "required"),
        ];
        let session = session(present.path(), &variables);
        let named = Place { backend: Some(Backend::Sqlite("named".into())), ..Place::default() };
        let found = open(&session, &named, Access::Change).unwrap();
        assert!(found.needs_approval, "who demands an approval demands it for any deployment");
        let twice = Place { data: Some("other".into()), ..named };
        let (exit, why) = refused(open(&session, &twice, Access::Look));
        assert!(exit == Exit::Usage && why.contains("both name the data folder"), "{why}");
    }

    #[tokio::test]
    async fn what_is_only_looked_at_is_not_changed_and_not_made() {
        let present = tempfile::tempdir().unwrap();
        let session = session(present.path(), &[]);
        let place = Place { data: Some("none".into()), ..Place::default() };
        assert_eq!(refused(open(&session, &place, Access::Change)).0, Exit::Unreachable);
        assert!(!present.path().join("none").exists());

        data(&present.path().join("none")).await;
        let found = open(&session, &place, Access::Look).unwrap();
        let made = found.letters.create("email-quarantine").await;
        assert!(matches!(&made, Err(DeadLettersError::Refused(why)) if why.contains("read-only")), "{made:?}");
        let (who, action, target, because) = ("grace".into(), "purge".into(), "x".into(), "y".into());
        let noted = found.audit.append(&AuditNote { who, action, event: None, target, because }).await;
        assert!(matches!(&noted, Err(AuditError::Unavailable(why)) if why.contains("read-only")), "{noted:?}");
        assert!(!found.work.exists());
    }
}
