//! `cargo bench -p sendoff-load --bench million [-- SCENARIO]`: a load test in one process with the embedded system, with a million
//! events unless another scenario is named, by the program `load` as people start it.

use std::{path::Path, process::Command};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/million.toml");
    // `cargo bench` adds the flag.
    let named = std::env::args_os().skip(1).find(|argument| argument != "--bench");
    let scenario = named.unwrap_or(folder.into());
    let status = Command::new(env!("CARGO_BIN_EXE_load")).arg("run").arg(scenario).status();
    let code = status.ok().and_then(|status| status.code()).unwrap_or(1);
    std::process::exit(code);
}
