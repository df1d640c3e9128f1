//! What PostgreSQL's errors mean: <https://www.postgresql.org/docs/16/errcodes-appendix.html>. Their texts may hold values of the
//! statement and of the tables, so they aren't repeated, but for those about the text of the statement itself.

use sendoff_consumers::action::DatabaseError;
use tokio_postgres::{Error, error::DbError};

/// An error before the commit: nothing was changed.
pub(super) fn classify(error: &Error) -> DatabaseError {
    match error.as_db_error() {
        Some(error) => told(error),
        None => DatabaseError::Busy("the connection to the database broke off before the commit".into()),
    }
}

/// An error while connecting.
pub(super) fn connecting(error: &Error) -> DatabaseError {
    match error.as_db_error() {
        // A wrong password, too, is for the operator to mend, and not for each run to fail by.
        Some(error) => DatabaseError::Unreachable(format!("the database refuses the connection: {}", words(error))),
        None => DatabaseError::Unreachable(format!("the database can't be reached: {}", chain(error))),
    }
}

/// An error of the commit.
pub(super) fn committing(error: &Error) -> DatabaseError {
    match error.as_db_error() {
        // Statement completion unknown, and connections that broke off.
        Some(error) if error.code().code() != "40003" && !error.code().code().starts_with("08") => told(error),
        _ => DatabaseError::Unknown("the connection to the database broke off during the commit".into()),
    }
}

fn told(error: &DbError) -> DatabaseError {
    let (code, text) = (error.code().code(), words(error));
    match (code, &code[..2]) {
        // Serialization failure, deadlock, lock not available, out of time.
        ("40001" | "40P01" | "55P03" | "57014", _) => DatabaseError::Busy(text),
        // Insufficient resources, operator intervention, connection exceptions, system errors.
        (_, "53" | "57" | "58" | "08") => DatabaseError::Unreachable(text),
        _ => DatabaseError::Refused(text),
    }
}

/// The error without values.
fn words(error: &DbError) -> String {
    let code = error.code().code();
    let mut text = format!("the database answered with the error {code}");
    // Syntax errors and names that don't exist: the text speaks of the statement, which is no secret.
    if code.starts_with("42") {
        text.push_str(": ");
        text.push_str(error.message());
    }
    for (what, name) in [("constraint", error.constraint()), ("table", error.table()), ("column", error.column())] {
        if let Some(name) = name {
            text.push_str(&format!(", {what} `{name}`"));
        }
    }
    text
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
