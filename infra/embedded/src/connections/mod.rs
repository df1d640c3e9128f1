//! The systems that workflows may call, as this backend opens them.

mod sqlite;
#[cfg(test)]
mod tests;

use std::{fs, path::Path, sync::Arc};

use secrecy::SecretString;
use sendoff_consumers::{
    action::Database,
    channels::webhook::{Lookup, SystemLookup},
};
use sendoff_host::connections::{ConnectionError, ConnectionSettings, Opened, SecretSource, SqliteSettings, open};
use sqlite::SqliteDatabase;

/// What was opened, with one connection more. `data` is the folder that everything is kept in: no connection leads there.
///
/// # Errors
///
/// [`ConnectionError`] when its settings can't be used.
pub(crate) fn open_connection(
    opened: Opened,
    settings: &ConnectionSettings,
    data: &Path,
) -> Result<Opened, ConnectionError> {
    let connection = settings.resolve(&secret)?;
    let lookup: Arc<dyn Lookup> = Arc::new(SystemLookup);
    let sqlite = |settings: &SqliteSettings| sqlite(settings, data);
    open(opened, &settings.name, settings.tenants.clone(), &connection, &lookup, &sqlite)
}

fn secret(source: &SecretSource) -> Result<SecretString, String> {
    match source {
        SecretSource::Text(text) => Ok(text.clone()),
        SecretSource::File(file) => match fs::read_to_string(file) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(error) => Err(format!("{} can't be read: {error}", file.display())),
        },
        SecretSource::Arn(_) => Err("is in a secret of AWS, which only functions can read: give a file".into()),
    }
}

fn sqlite(settings: &SqliteSettings, data: &Path) -> Result<Arc<dyn Database>, ConnectionError> {
    let path = settings.path.canonicalize();
    let missing = |e| ConnectionError::of("url", format!("{} can't be opened: {e}", settings.path.display()));
    let path = path.map_err(missing)?;
    if data.canonicalize().is_ok_and(|data| path.starts_with(data)) {
        return Err(ConnectionError::of("url", "leads into the data folder: a workflow must not write there"));
    }
    Ok(Arc::new(SqliteDatabase::new(&SqliteSettings { path, ..settings.clone() })))
}
