//! The functions, built as they are deployed.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::DeflateEncoder};

use sendoff_tests::servers::{node_modules, venv};

use crate::BARE;

/// The program among them that is no function.
const WORKER: &str = "worker";
/// What an archive of one file named `bootstrap` has beside the compressed file: two headers and the end of the directory.
const ARCHIVE: u64 = 30 + 9 + 46 + 9 + 22;

/// Who runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The processor.
    Native,
    /// An interpreter, which Lambda has.
    Interpreted,
}

/// A function's program.
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// How it is called.
    pub(crate) line: Vec<OsString>,
    /// Its size in bytes.
    pub(crate) raw: u64,
    /// The size in bytes of the archive that is deployed, where it is one file.
    pub(crate) zipped: Option<u64>,
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

/// Those that do the same job with the whole protocol of the inbox: ours first, then Powertools for AWS Lambda.
pub(crate) fn of_the_same_job(build: bool) -> Vec<Built> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let peers = root.join("tests/peers");
    // Where the functions are built: it shares nearly everything with them.
    let target = target(&root);
    if build {
        let manifest = peers.join("batch-lambda/Cargo.toml");
        cargo(&["--target-dir".as_ref(), target.as_ref(), "--manifest-path".as_ref(), manifest.as_ref()]);
    }
    let ours = Built::of("a consumer of ours", target.join("function/peer-batch-lambda"));
    vec![ours, python(&peers.join("powertools-python")), node(&peers.join("powertools-node"))]
}

fn python(folder: &Path) -> Built {
    let requirements = fs::read_to_string(folder.join("requirements.txt")).unwrap();
    let environment = venv("powertools", &requirements);
    // Lambda has the SDK; what has to be deployed are the rest and the function.
    let size = |folder: &Path| Command::new("du").arg("-sb").arg(folder).output().unwrap().stdout;
    let packages = environment.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    let bytes = String::from_utf8(size(&packages.join("aws_lambda_powertools"))).unwrap();
    let raw = bytes.split_whitespace().next().unwrap().parse().unwrap();
    let line = vec![environment.join("bin/python").into(), "-OO".into(), folder.join("function.py").into()];
    Built { name: "Powertools, Python".into(), kind: Kind::Interpreted, line, raw, zipped: None }
}

fn node(folder: &Path) -> Built {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let modules = node_modules("powertools", &read("package.json"), &read("package-lock.json"));
    let bundle = modules.parent().unwrap().join("function.mjs");
    // What it needs is found from where it lies.
    let source = modules.parent().unwrap().join("source.mjs");
    fs::copy(folder.join("function.mjs"), &source).unwrap();
    let require = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";
    let bundled = Command::new("node")
        .arg(modules.join("esbuild/bin/esbuild"))
        .arg(&source)
        .args(["--bundle", "--minify", "--platform=node", "--target=node20", "--format=esm", "--log-level=error"])
        .arg(format!("--banner:js={require}"))
        .arg(format!("--outfile={}", bundle.display()))
        .status()
        .unwrap();
    assert!(bundled.success(), "esbuild can't bundle the function");
    let program = Command::new("sh").args(["-c", "command -v node"]).output().unwrap().stdout;
    let line = vec![String::from_utf8(program).unwrap().trim().into(), bundle.clone().into()];
    let Built { raw, zipped, .. } = Built::of("", bundle);
    Built { name: "Powertools, Node".into(), kind: Kind::Interpreted, line, raw, zipped }
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
    // What `cargo bench` says of its own package would have some libraries built anew.
    let is_of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let of_ours = std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_a_package(&name.to_string_lossy()));
    let mut command = Command::new(env!("CARGO"));
    for name in of_ours {
        command.env_remove(name);
    }
    let built = command.args(["build", "--profile=function"]).args(arguments).status().unwrap();
    assert!(built.success(), "cargo can't build it: {arguments:?}");
}

impl Built {
    fn of(name: &str, path: PathBuf) -> Self {
        let program = fs::read(&path).unwrap();
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&program).unwrap();
        let zipped = Some(zip.finish().unwrap().len() as u64 + ARCHIVE);
        Self { name: name.to_owned(), kind: Kind::Native, line: vec![path.into()], raw: program.len() as u64, zipped }
    }
}
