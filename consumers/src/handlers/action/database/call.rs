//! What a call of a database asks for.

use sendoff_workflows::sql::{IDEMPOTENCY_KEY, MAX_SQL};
use serde_json::Value;

use super::{
    super::{
        ActionError,
        fields::Fields,
        head::{Head, MAX_LINE},
        mapping::Columns,
    },
    DATABASE, Sql, Statement,
};

/// A call, read.
pub(in super::super) struct DatabaseCall {
    pub(super) head: Head,
    pub(super) connection: String,
    pub(super) statement: Statement,
    pub(super) returns: Columns,
}

impl DatabaseCall {
    pub(in super::super) fn read(text: &str) -> Result<Self, ActionError> {
        let (head, mut fields) = Head::read(DATABASE, text)?;
        let connection = fields.text("connection", MAX_LINE)?;
        let sql: Sql = fields.text("sql", MAX_SQL)?.parse().map_err(|error| fields.wrong("sql", error))?;
        let values = values(&sql, &head, &mut fields)?;
        let returns = Columns::read(&mut fields, "returns")?;
        fields.done()?;
        Ok(Self { head, connection, statement: Statement { sql, values }, returns })
    }
}

/// A value for each name in the statement, and none that it doesn't name.
fn values(sql: &Sql, head: &Head, fields: &mut Fields) -> Result<Vec<Value>, ActionError> {
    let mut given = fields.map("params")?;
    if given.contains_key(IDEMPOTENCY_KEY) {
        return Err(fields.wrong("params", format_args!("can't set `{IDEMPOTENCY_KEY}`: it is the call's own")));
    }
    given.insert(IDEMPOTENCY_KEY.to_owned(), head.id.to_string().into());
    let mut value = |name: &String| {
        let missing = || fields.wrong("params", format_args!("has no `{name}`, which the statement names"));
        given.remove(name).ok_or_else(missing)
    };
    let values = sql.names().iter().map(&mut value).collect::<Result<_, _>>()?;
    given.remove(IDEMPOTENCY_KEY);
    match given.keys().next() {
        None => Ok(values),
        Some(name) => {
            let rule = format!("has `{}`, which the statement doesn't name", name.escape_debug());
            Err(fields.wrong("params", rule))
        }
    }
}
