//! PostgreSQL. Each statement gets a connection of its own, and a transaction: a handshake is cheaper than a doubt.

mod bind;
mod error;
mod give;
mod tls;

use std::{fmt, io, net::IpAddr, pin::pin, time::Duration};

use futures::TryStreamExt as _;
use secrecy::ExposeSecret as _;
use sendoff_consumers::action::{Accept, Database, DatabaseError, MAX_ROWS, Refusal, Rows, Statement};
use sendoff_events::BoxFuture;
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Config,
    config::{Host, SslMode},
};

use self::{bind::Bound, error::classify, tls::Rustls};
use super::{ConnectionError, PostgresSettings};

/// What is said of an address that can't be read.
const ADDRESS: &str = "isn't the address of a PostgreSQL database, `postgres://user:password@host/database`. Its `sslmode` may be \
    `disable`, `prefer` or `require`, which checks the certificate as `verify-full` does; an authority of your own is a `ca_file`";
/// How long a statement waits for its turn.
const TURN: Duration = Duration::from_secs(3);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a good-bye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// The most bytes of rows that are read.
const MAX_BYTES: usize = 1024 * 1024;

/// A PostgreSQL database, as [`Database`].
pub struct PostgresDatabase {
    config: Config,
    tls: Rustls,
    read_only: bool,
    timeout: Duration,
    permits: Semaphore,
}

impl PostgresDatabase {
    /// The database of these settings. The connection is encrypted, and the server's certificate checked, unless the address says
    /// `sslmode=disable` or leads to this machine. There it is encrypted if the address says `sslmode=require`.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] when the address or a certificate can't be used.
    pub fn new(settings: &PostgresSettings) -> Result<Self, ConnectionError> {
        // The parser's own words might repeat parts of the password.
        let wrong = |_| ConnectionError::of("url", ADDRESS);
        let mut config: Config = settings.url.expose_secret().parse().map_err(wrong)?;
        if config.get_hosts().is_empty() {
            return Err(ConnectionError::of("url", "names no host"));
        }
        config.connect_timeout(CONNECT).application_name("sendoff");
        if config.get_ssl_mode() == SslMode::Prefer {
            // A server that nobody else reaches has a certificate of its own making, if any.
            let here = config.get_hosts().iter().all(is_here);
            config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
        }
        let tls = Rustls::new(&settings.root_certificates)?;
        let permits = Semaphore::new(settings.at_once);
        Ok(Self { config, tls, read_only: settings.read_only, timeout: settings.timeout, permits })
    }

    async fn connect(&self) -> Result<Session, DatabaseError> {
        let connected = timeout(CONNECT * 2, self.config.connect(self.tls.clone())).await;
        let late = |_| DatabaseError::Unreachable("the database took too long to connect".into());
        let (client, connection) = connected.map_err(late)?.map_err(|error| error::connecting(&error))?;
        let task = tokio::spawn(connection);
        Ok(Session { client, task: Task(task) })
    }

    async fn perform(&self, statement: &Statement, accept: Accept) -> Result<Map<String, Value>, DatabaseError> {
        let turn = timeout(TURN, self.permits.acquire()).await;
        let crowded = || DatabaseError::Unreachable("too many statements run at the same time".into());
        let _permit = turn.map_err(|_| crowded())?.map_err(|_| crowded())?;
        let session = self.connect().await?;
        let done = self.transact(&session.client, statement, accept).await;
        match (session.end().await, done) {
            (Some(broken), Err(DatabaseError::Busy(_))) if tls::is_too_much(&broken) => Err(too_large(tls::MAX_READ)),
            (_, done) => done,
        }
    }

    async fn transact(
        &self,
        client: &Client,
        statement: &Statement,
        accept: Accept,
    ) -> Result<Map<String, Value>, DatabaseError> {
        let mode = if self.read_only { "READ ONLY" } else { "READ WRITE" };
        let millis = self.timeout.as_millis();
        let begin = format!("BEGIN {mode}; SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = {millis}");
        client.batch_execute(&begin).await.map_err(|error| classify(&error))?;
        let rows = rows(client, statement).await?;
        let outputs = accept(&rows).map_err(DatabaseError::Declined)?;
        match client.batch_execute("COMMIT").await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(error::committing(&error)),
        }
    }
}

/// Runs the statement and reads what it gives. Dropping the connection afterwards rolls it back.
async fn rows(client: &Client, statement: &Statement) -> Result<Rows, DatabaseError> {
    let failed = |error: tokio_postgres::Error| classify(&error);
    let prepared = client.prepare(&statement.sql.numbered('$')).await.map_err(failed)?;
    if prepared.params().len() != statement.values.len() {
        return Err(DatabaseError::Refused("the statement has parameters that aren't written `:name`".into()));
    }
    let stream = client.query_raw(&prepared, statement.values.iter().map(Bound)).await.map_err(failed)?;
    let mut stream = pin!(stream);
    let (mut found, mut bytes) = (Rows::default(), 0);
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        bytes += row.raw_size_bytes();
        if bytes > MAX_BYTES {
            return Err(too_large(MAX_BYTES));
        }
        found.rows.push(give::row(&row));
        if found.rows.len() > MAX_ROWS {
            // One too many: it isn't accepted.
            return Ok(found);
        }
    }
    found.affected = stream.rows_affected().unwrap_or_default();
    Ok(found)
}

fn too_large(most: usize) -> DatabaseError {
    let why = format!("the statement gives more than {most} bytes: ask for less");
    DatabaseError::Declined(Refusal { reason: "result-too-large", why })
}

impl Database for PostgresDatabase {
    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        accept: Accept,
    ) -> BoxFuture<'a, Result<Map<String, Value>, DatabaseError>> {
        Box::pin(self.perform(statement, accept))
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDatabase").field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

/// A connection, and the task that moves its bytes.
struct Session {
    client: Client,
    task: Task,
}

/// Ends with whoever waits for it: a statement that was given up is rolled back by the server.
struct Task(JoinHandle<Result<(), tokio_postgres::Error>>);

impl Session {
    /// Says good-bye, so that the server doesn't log a connection that broke off. Gives what has broken it off before.
    async fn end(self) -> Option<tokio_postgres::Error> {
        let Self { client, mut task } = self;
        drop(client);
        timeout(GOODBYE, &mut task.0).await.ok()?.ok()?.err()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether the host is this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

/// An error of TLS as one of the connection.
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_this_machine_may_be_unencrypted_unasked() {
        let mode = |at: &str, more: &str| {
            let settings = PostgresSettings {
                url: format!("postgres://u:secret@{at}/d{more}").into(),
                read_only: false,
                timeout: Duration::from_secs(20),
                at_once: 5,
                root_certificates: Vec::new(),
            };
            PostgresDatabase::new(&settings).map(|database| database.config.get_ssl_mode())
        };
        for (at, more, expected) in [
            ("db.example.org", "", SslMode::Require),
            ("db.example.org", "?sslmode=prefer", SslMode::Require),
            ("db.example.org", "?sslmode=disable", SslMode::Disable),
            ("localhost,db.example.org", "", SslMode::Require),
            ("127.0.0.1", "", SslMode::Disable),
            ("localhost", "", SslMode::Disable),
            ("localhost", "?sslmode=require", SslMode::Require),
        ] {
            assert_eq!(mode(at, more).unwrap(), expected, "{at}{more}");
        }
        let error = mode("db.example.org", "?sslmode=verify-full").unwrap_err().to_string();
        assert!(error.contains("`require`") && error.contains("ca_file") && !error.contains("secret"), "{error}");
    }
}
