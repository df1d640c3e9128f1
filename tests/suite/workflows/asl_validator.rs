//! asl-validator, which knows JSONata.

use std::{
    path::Path,
    process::{Command, Output},
};

use sendoff_tests::servers::node_modules;

/// What it says of the state machines in these files.
pub(super) fn asl_validator<'a>(machines: impl IntoIterator<Item = &'a Path>) -> Output {
    let package = include_str!("../../requirements/asl-validator/package.json");
    let lock = include_str!("../../requirements/asl-validator/package-lock.json");
    let program = node_modules("asl-validator", package, lock).join(".bin/asl-validator");
    let mut command = Command::new(program);
    machines.into_iter().for_each(|machine| {
        command.arg("--json-path").arg(machine);
    });
    command.output().expect("asl-validator runs, and Node with it")
}
