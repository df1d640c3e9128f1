//! The port to databases.

use std::{sync::Arc, time::Duration};

use sendoff_events::BoxFuture;
use serde_json::{Map, Value};

use super::{super::asking::Refusal, Sql};

/// A statement, with a value for each of its parameters.
#[derive(Debug)]
pub struct Statement {
    /// The text.
    pub sql: Sql,
    /// The values, in the order of [`Sql::names`]. They are bound, and never part of the text.
    pub values: Vec<Value>,
}

/// What a statement gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Its rows, by the names of the columns: at most [`MAX_ROWS`](super::MAX_ROWS), or one more where there are too many.
    pub rows: Vec<Map<String, Value>>,
    /// How many rows it has changed; of a statement that only reads, how many it has given.
    pub affected: u64,
}

/// Says of a statement's rows what becomes of them, before the transaction is committed. After an error it is rolled back.
pub type Accept = Arc<dyn Fn(&Rows) -> Result<Map<String, Value>, Refusal> + Send + Sync>;

/// A statement that was not carried out, or nobody knows. The texts hold none of its values, and none of the database's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Its rows were not accepted; it was rolled back.
    #[error("{}", .0.why)]
    Declined(Refusal),
    /// The database refuses it, and always will: a constraint, a mistake in the text. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It may do the next time: a deadlock, a lock that others hold, out of time. Nothing was changed.
    #[error("{0}")]
    Busy(String),
    /// The database can't be reached, or takes nobody. Nothing was changed.
    #[error("{0}")]
    Unreachable(String),
    /// It may have been committed.
    #[error("{0}")]
    Unknown(String),
}

/// A database.
pub trait Database: Send + Sync {
    /// Whether it refuses to change anything.
    fn is_read_only(&self) -> bool;

    /// How long a statement may take.
    fn timeout(&self) -> Duration;

    /// Carries the statement out in a transaction of its own, and commits it if `accept` accepts its rows.
    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        accept: Accept,
    ) -> BoxFuture<'a, Result<Map<String, Value>, DatabaseError>>;
}
