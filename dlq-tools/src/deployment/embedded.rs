//! A data folder.

use std::{path::PathBuf, sync::Arc};

use sendoff_embedded::{
    Store, StoreOptions,
    config::{Config, ConfigFile, FILE_NAME, Inputs},
};
use sendoff_host::{Exit, Stopped};

use super::{Access, Backend, Deployment, Native, Place};
use crate::Session;

/// What only the AWS backend is told by. Where a data folder is asked for by name, it says nothing.
const ONLY_ON_AWS: &str = "SENDOFF_QUEUE_URL_BASE";

pub(super) fn open(session: &Session, place: &Place, access: Access) -> Result<Deployment, Stopped> {
    let config = configuration(session, place)?.settings;
    let folder = session.folder.join(&config.data);
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
        needs_approval: config.needs_approval,
        native: Native::Embedded(store),
    })
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
