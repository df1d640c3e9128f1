//! The functions, built as they are deployed.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::DeflateEncoder};

use crate::BARE;

/// The program among them that is no function.
const WORKER: &str = "worker";
/// What an archive of one file named `bootstrap` has beside the compressed file: two headers and the end of the directory.
const ARCHIVE: u64 = 30 + 9 + 46 + 9 + 22;

/// A function's program.
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) raw: u64,
    /// The size in bytes of the archive that is deployed.
    pub(crate) zipped: u64,
}

/// The bare function, and those of these names, or all.
pub(crate) fn all(names: &[String], build: bool) -> Vec<Built> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let target = target(&root);
    let bare = root.join("tests/peers/bare-lambda/Cargo.toml");
    if build {
        cargo(&["--target-dir".as_ref(), target.join("peers").as_ref(), "--manifest-path".as_ref(), bare.as_ref()]);
    }
    let mut built = vec![Built::of(BARE, target.join("peers/function/peer-bare-lambda"))];
    let names = if names.is_empty() { functions(&root) } else { names.to_vec() };
    let manifest = root.join("Cargo.toml");
    let mut arguments = vec!["--manifest-path".as_ref(), manifest.as_os_str(), "-p".as_ref(), "sendoff-aws".as_ref()];
    for name in &names {
        arguments.extend([OsStr::new("--bin"), OsStr::new(name)]);
    }
    if build {
        cargo(&arguments);
    }
    built.extend(names.iter().map(|name| Built::of(name, target.join("function").join(name))));
    built
}

/// The names of all functions.
fn functions(root: &Path) -> Vec<String> {
    let files = fs::read_dir(root.join("infra/aws/src/bin")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let mut names: Vec<_> = names.filter(|name| name != WORKER).collect();
    names.sort();
    names
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(root)
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["target_directory"].as_str().unwrap().into()
}

fn cargo(arguments: &[&OsStr]) {
    let built = Command::new(env!("CARGO")).args(["build", "--profile=function"]).args(arguments).status().unwrap();
    assert!(built.success(), "cargo can't build it: {arguments:?}");
}

impl Built {
    fn of(name: &str, path: PathBuf) -> Self {
        let program = fs::read(&path).unwrap();
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&program).unwrap();
        let zipped = zip.finish().unwrap().len() as u64 + ARCHIVE;
        Self { name: name.to_owned(), path, raw: program.len() as u64, zipped }
    }
}
