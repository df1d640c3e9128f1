//! Connections, opened. Nothing is reached yet: each call does that by itself.

use std::sync::Arc;

use sendoff_consumers::{
    action::{Connections, Database, HttpConnection, Tenants},
    channels::webhook::Lookup,
};

use super::{Connection, ConnectionError, PostgresSettings, SqliteSettings};

/// What workflows may call.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The systems that are called over HTTP.
    pub http: Connections<HttpConnection>,
    /// The databases.
    pub databases: Connections<Arc<dyn Database>>,
}

/// How a SQLite database is opened, by those who can.
pub type OpenSqlite<'a> = &'a dyn Fn(&SqliteSettings) -> Result<Arc<dyn Database>, ConnectionError>;

/// What was opened, with one connection more. Names of hosts are found by `lookup`.
///
/// # Errors
///
/// [`ConnectionError`] when its settings can't be used.
pub fn open(
    opened: Opened,
    name: &str,
    tenants: Tenants,
    connection: &Connection,
    lookup: &Arc<dyn Lookup>,
    sqlite: OpenSqlite<'_>,
) -> Result<Opened, ConnectionError> {
    let Opened { http, databases } = opened;
    Ok(match connection {
        Connection::Http(settings) => {
            let connection = HttpConnection::new(settings, Arc::clone(lookup));
            let connection = connection.map_err(|e| ConnectionError::of("url", e.to_string()))?;
            Opened { http: http.with(name, tenants, connection), databases }
        }
        Connection::Postgres(settings) => {
            Opened { http, databases: databases.with(name, tenants, postgres(settings)?) }
        }
        Connection::Sqlite(settings) => Opened { http, databases: databases.with(name, tenants, sqlite(settings)?) },
    })
}

#[cfg(feature = "postgres")]
fn postgres(settings: &PostgresSettings) -> Result<Arc<dyn Database>, ConnectionError> {
    Ok(Arc::new(super::PostgresDatabase::new(settings)?))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &PostgresSettings) -> Result<Arc<dyn Database>, ConnectionError> {
    Err(ConnectionError::of("url", "this program can't speak to PostgreSQL: build it with `--features postgres`"))
}
