//! What every configuration is made of: a table of settings, the rules that their values keep, and what can be wrong, told
//! all at once. Which settings there are, and where values come from, is each backend's own.

mod problem;
pub mod reference;
pub mod rules;
mod table;
#[cfg(feature = "toml")]
mod toml;
mod values;

pub use problem::{ConfigError, Problem, Source, nearest, shown};
pub use table::{Broken, Rule, Setting};
#[cfg(feature = "toml")]
pub use toml::TomlFile;
pub use values::{BESIDE, Effective, Given, fill, variables};
