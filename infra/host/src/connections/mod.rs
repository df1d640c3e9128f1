//! The systems that workflows may call: how the operator configures them, and how they are reached. A backend reads the settings
//! from where it has them, and brings what it alone can open.

mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod settings;
#[cfg(test)]
mod tests;

pub use open::{OpenSqlite, Opened, open};
#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
pub use settings::{
    Connection, ConnectionError, ConnectionSettings, PostgresSettings, SecretSource, SqliteSettings, read, read_json,
    reference,
};
