//! Statements in databases, through connections that the operator has configured.

mod call;
mod port;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub use port::{Accept, Database, DatabaseError, Rows, Statement};
use sendoff_events::BoxFuture;
pub use sendoff_workflows::sql::{Sql, SqlError};
use serde_json::{Map, Value, json};

pub(super) use self::call::DatabaseCall;
use super::{
    ActionError, ActionResult, Actions, Connections,
    asking::{Came, Reach, Refusal, TOO_LARGE, ask, fits, policy},
    mapping::Columns,
    outcome::Telling,
    perform::perform,
};
use crate::{Context, Effect, Limits, NotSent, RouterPorts, SendOutcome};

/// The action's name.
pub(super) const DATABASE: &str = "database";
/// The most rows of a result.
pub const MAX_ROWS: usize = 1000;
/// What an attempt may take longer than its statement: waiting for its turn, connecting, and the end of the transaction.
const MARGIN: Duration = Duration::from_secs(20);

/// Carries out the statements that calls ask for, each in a transaction of its own.
///
/// A statement is repeated when nobody knows whether it was committed, if it can only read, or names `:idempotency_key`, by
/// which it sees to it that twice is once. Any other isn't: then a person decides. What the call says of the rows is checked
/// before the commit, so a statement that gives something else has changed nothing.
pub struct DatabaseActions {
    ports: RouterPorts,
    connections: Connections<Arc<dyn Database>>,
}

impl DatabaseActions {
    /// Asks the databases of `connections`, through the inbox of `ports`.
    #[must_use]
    pub const fn new(ports: RouterPorts, connections: Connections<Arc<dyn Database>>) -> Self {
        Self { ports, connections }
    }
}

impl Actions for DatabaseActions {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let call = DatabaseCall::read(call)?;
            let database = self.connections.find(&call.head.tenant, &call.connection)?;
            let repeatable = database.is_read_only() || call.statement.sql.is_idempotent();
            let effect = if repeatable { Effect::Repeatable } else { Effect::Once };
            let policy = policy(effect, database.timeout() + MARGIN);
            let DatabaseCall { head, connection, statement, returns } = call;
            let (statement, accept) = (&statement, accept(returns));
            let connection = &*connection;
            let job = |cx: Arc<Context>| async move {
                ask(&cx, DATABASE, Reach::Outside(outputs(0.into(), Vec::new())), |_| async move {
                    let done = database.run(statement, accept).await;
                    if let Err(DatabaseError::Unreachable(reason)) = &done {
                        tracing::warn!(connection, reason, "a database can't be used; the statement is tried again");
                    }
                    came(done)
                })
                .await
            };
            let telling = Telling::Outputs(outputs(Value::Null, Vec::new()));
            perform(&self.ports, policy, &head, telling, limits, job).await
        })
    }
}

/// What the call says of the rows.
fn accept(returns: Columns) -> Accept {
    Arc::new(move |rows: &Rows| {
        if rows.rows.len() > MAX_ROWS {
            return Err(Refusal::new(TOO_LARGE, format!("the statement gives more than {MAX_ROWS} rows: use `limit`")));
        }
        let found = match returns.is_empty() {
            true => Vec::new(),
            false => rows.rows.iter().map(|row| returns.of(row)).collect::<Result<_, _>>()?,
        };
        let outputs = outputs(rows.affected.into(), found);
        fits(&outputs).map(|()| outputs)
    })
}

/// What the step's result has beside its status.
fn outputs(affected: Value, rows: Vec<Map<String, Value>>) -> Map<String, Value> {
    let first = rows.first().cloned().map_or(Value::Null, Value::Object);
    Map::from_iter([("affected".to_owned(), affected), ("first".to_owned(), first), ("rows".to_owned(), json!(rows))])
}

fn came(result: Result<Map<String, Value>, DatabaseError>) -> Came {
    match result {
        Ok(outputs) => Came::Done(outputs),
        Err(DatabaseError::Declined(refusal)) => Came::Refused(refusal),
        Err(DatabaseError::Refused(why)) => Came::Refused(Refusal::new("refused", why)),
        Err(DatabaseError::Busy(reason)) => Came::Not(SendOutcome::NotSent(NotSent::Transient { reason })),
        Err(DatabaseError::Unreachable(reason)) => {
            Came::Not(SendOutcome::NotSent(NotSent::Throttled { after: None, reason }))
        }
        Err(DatabaseError::Unknown(reason)) => {
            Came::Not(SendOutcome::Unknown { provider: Some(DATABASE.into()), reason })
        }
    }
}
