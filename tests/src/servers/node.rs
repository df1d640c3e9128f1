//! Node programs, each with its pinned packages in a folder of its own.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use sha2::{Digest, Sha256};

/// The folder `node_modules` with exactly what these two files say (the texts of `package.json` and `package-lock.json`);
/// made when it isn't there. Test processes that need it at the same time wait for the one that makes it.
///
/// # Panics
///
/// When it can't be made: without npm, or without a package registry.
#[must_use]
pub fn node_modules(name: &str, package: &str, lock: &str) -> PathBuf {
    let digest = Sha256::digest([package, lock].concat()).iter().take(4).fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let folder = super::process::folder().join(format!("{name}-{digest}"));
    let done = folder.join("complete");
    fs::create_dir_all(&folder).expect("a folder below the target folder");
    // Held until this function returns; the system lets go of it also when the process is killed.
    let held = File::create(folder.join("lock")).expect("a lock file");
    held.lock().expect("the lock");
    if !done.exists() {
        fs::write(folder.join("package.json"), package).expect("the package is written");
        fs::write(folder.join("package-lock.json"), lock).expect("the lock is written");
        let quiet =
            ["ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--fetch-retries", "10", "--prefix"];
        let output = Command::new("npm").args(quiet).arg(&folder).current_dir(&folder).output();
        let hint = "the tests install it with npm on first use; they need Node 20 or newer and a package registry";
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("`{name}` can't be installed: {}\n{hint}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("`{name}` can't be installed: npm can't be run: {error}\n{hint}"),
        }
        fs::write(done, "").expect("it is marked as complete");
    }
    folder.join("node_modules")
}
