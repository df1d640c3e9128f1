//! What PostgreSQL's errors mean: <https://www.postgresql.org/docs/16/errcodes-appendix.html>. Their texts may hold values of the
//! statement and of the tables, so they aren't repeated, but for those about the text of the statement itself.

use sendoff_consumers::action::DatabaseError;
use tokio_postgres::{Error, error::DbError};

/// What the codes mean that people meet most.
const CONDITIONS: [(&str, &str); 22] = [
    ("22001", "a text is too long for its column"),
    ("22003", "a number is out of its type's range"),
    ("22007", "a date or time can't be read"),
    ("22008", "a date or time is out of range"),
    ("22012", "a division by zero"),
    ("22021", "a text holds a character that isn't allowed"),
    ("22P02", "a value can't be read as the type that it is needed as"),
    ("23502", "a value is missing"),
    ("23503", "a foreign key doesn't hold"),
    ("23505", "there is one already"),
    ("23514", "a check doesn't hold"),
    ("25006", "it may only be read"),
    ("28000", "this user may not log in, or not this way"),
    ("28P01", "the password is wrong"),
    ("3D000", "there is no such database"),
    ("40001", "another transaction was in the way"),
    ("40P01", "a deadlock"),
    ("53300", "there are too many connections"),
    ("55P03", "a lock wasn't given in time"),
    ("57014", "the statement took longer than the connection's `timeout`"),
    ("57P01", "it is being shut down"),
    ("57P03", "it takes no connections yet"),
];

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
    if let Some((_, condition)) = CONDITIONS.iter().find(|(known, _)| *known == code) {
        text.push_str(&format!(", {condition}"));
    }
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
