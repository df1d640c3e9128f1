//! `sendoff config`: what is in force.

use sendoff_embedded::config::{Config, Effective};
use sendoff_embedded::program::{Exit, Stopped, print};
use serde::Serialize;

use super::args::{self, TableOrJson};

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    source: String,
}

pub(super) fn run(command: &args::Config, config: &Config) -> Result<Exit, Stopped> {
    match command {
        args::Config::Check => print::prose("the configuration is right"),
        args::Config::Show { output: TableOrJson::Table } => {
            let row = |e: &Effective| [e.key.to_owned(), e.value.clone(), e.source.to_string()];
            print::data(print::table(["KEY", "VALUE", "SOURCE"], config.effective.iter().map(row)))?;
        }
        args::Config::Show { output: TableOrJson::Json } => {
            let row = |Effective { key, value, source }: &Effective| Row {
                key,
                value: value.clone(),
                source: source.to_string(),
            };
            print::json(&config.effective.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    Ok(Exit::Done)
}
