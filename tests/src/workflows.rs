//! The examples of workflows, and what is made of them.
#![expect(clippy::expect_used, reason = "a test fails where it can't go on")]

use std::{fs, path::Path};

use sendoff_workflows::{
    Plan,
    asl::{self, Functions, Output},
};
use serde_json::Value;

/// Where they stand, from the root of the repository.
pub const FOLDER: &str = "consumers/workflows/examples";

/// All examples, by name.
///
/// # Panics
///
/// When one can't be read, or is wrong.
#[must_use]
pub fn examples() -> Vec<(String, Plan)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER);
    let files = fs::read_dir(folder).expect("there are examples").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).expect("an example is readable");
        let plan = Plan::read(&text).unwrap_or_else(|problems| panic!("{}: {problems}", file.display()));
        (name, plan)
    };
    files.iter().map(read).collect()
}

/// The state machine of an example, as it is kept beside it.
///
/// # Panics
///
/// When it has no room in Step Functions.
#[must_use]
pub fn machine(plan: &Plan) -> Value {
    asl::compile(plan, &Functions::placeholders(), Output::Nothing).unwrap_or_else(|problems| panic!("{problems}"))
}
