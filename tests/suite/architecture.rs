//! Who may depend on whom, and what may stand in the dependency tree at all. Read from `cargo tree` and the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a package of this workspace links or runs for a released binary, built by itself: name and version, and the licence.
/// `cargo metadata` would tell features that other packages turn on, and dependencies that nobody has turned on.
fn linked(package: &str) -> BTreeMap<(String, String), String> {
    tree(&["--package", package])
}

/// The same for all packages, built together.
fn linked_by_any() -> BTreeMap<(String, String), String> {
    tree(&["--workspace"])
}

fn tree(packages: &[&str]) -> BTreeMap<(String, String), String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"])
        .args(packages)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints text");
    let found: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| {
            let (package, licence) = line.split_once('|')?;
            let mut words = package.split(' ');
            let licence = licence.trim_end_matches(" (*)").to_owned();
            Some(((words.next()?.to_owned(), words.next()?.to_owned()), licence))
        })
        .collect();
    assert!(!found.is_empty(), "cargo tree prints nothing for {packages:?}");
    found
}

fn names(linked: &BTreeMap<(String, String), String>) -> BTreeSet<&str> {
    linked.keys().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn layers_depend_one_way_only() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sendoff-events", &[] as &[&str]),
        ("sendoff-workflows", &["sendoff-events"]),
        ("sendoff-producers", &["sendoff-events", "sendoff-workflows"]),
        ("sendoff-consumers", &["sendoff-events", "sendoff-workflows", "sendoff-producers"]),
        ("sendoff-host", &["sendoff-events", "sendoff-workflows", "sendoff-producers", "sendoff-consumers"]),
        (
            "sendoff-embedded",
            &["sendoff-events", "sendoff-workflows", "sendoff-producers", "sendoff-consumers", "sendoff-host"],
        ),
        (
            "sendoff-aws",
            &["sendoff-events", "sendoff-workflows", "sendoff-producers", "sendoff-consumers", "sendoff-host"],
        ),
    ]);
    for (layer, below) in allowed {
        let linked = linked(layer);
        let ours = |name: &&str| name.starts_with("sendoff-") && *name != layer;
        let found: BTreeSet<_> = names(&linked).into_iter().filter(ours).collect();
        assert_eq!(found, below.iter().copied().collect(), "`{layer}` may depend on nothing else of ours");
    }
}

#[test]
fn no_backend_shows_in_the_layers_above_which_it_stands() {
    for layer in ["sendoff-events", "sendoff-producers", "sendoff-consumers"] {
        let linked = linked(layer);
        let forbidden: Vec<_> = names(&linked).into_iter().filter(|name| is_backend(name)).collect();
        assert!(forbidden.is_empty(), "`{layer}` links {forbidden:?}");
    }
}

fn is_backend(name: &str) -> bool {
    is_aws(name) || name.contains("rusqlite") || name.contains("libsqlite3")
}

fn is_aws(name: &str) -> bool {
    name.starts_with("aws-") || name.starts_with("aws_") || name.starts_with("lambda_")
}

#[test]
fn the_embedded_system_links_no_aws_crate() {
    let linked = linked("sendoff-embedded");
    let aws: Vec<_> = names(&linked).into_iter().filter(|name| is_aws(name)).collect();
    assert!(aws.is_empty(), "{aws:?}");
    let with_feature = tree(&["--package", "sendoff-embedded", "--features", "aws"]);
    assert!(names(&with_feature).into_iter().any(is_aws), "its feature `aws` brings them");
}

#[test]
fn only_the_command_line_of_the_embedded_system_knows_of_the_other_backend() {
    for (path, source) in sources("infra/embedded/src") {
        if !path.starts_with("infra/embedded/src/cli/") {
            for name in ["sendoff_aws", "feature = \"aws\""] {
                assert!(!source.contains(name), "{path} names {name}");
            }
        }
    }
}

#[test]
fn what_is_deployed_cannot_make_stacks() {
    let linked = linked("sendoff-aws");
    let names = names(&linked);
    for name in ["aws-sdk-cloudformation", "saphyr"] {
        assert!(!names.contains(name), "{name}");
    }
}

#[test]
fn there_is_one_tls_stack_one_runtime_and_one_date_crate() {
    let linked = linked_by_any();
    let whole = names(&linked);
    let banned = [
        // Other TLS stacks and crypto backends than rustls with ring.
        "native-tls",
        "openssl",
        "openssl-sys",
        "aws-lc-rs",
        "aws-lc-sys",
        "boring",
        "mbedtls",
        // RUSTSEC-2025-0012: unmaintained; `backon` stands in its place.
        "backoff",
        "instant",
        // Other runtimes and date crates than tokio and jiff.
        "async-std",
        "smol",
        "chrono",
    ];
    let found: Vec<_> = banned.into_iter().filter(|name| whole.contains(name)).collect();
    assert!(found.is_empty(), "{found:?} must not be linked");
    assert!(whole.contains("rustls") && whole.contains("ring") && whole.contains("jiff") && whole.contains("backon"));
    let rustls = linked.keys().filter(|(name, _)| name == "rustls").count();
    assert_eq!(rustls, 1, "more than one version of rustls is linked");
}

#[test]
fn every_dependency_has_a_permissive_licence() {
    let allowed = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "0BSD",
        "Unicode-3.0",
        "Unlicense",
        "CC0-1.0",
        "BSL-1.0",
        "CDLA-Permissive-2.0",
        "MIT-0",
        // As permissive as MIT, in plainer words: https://blueoakcouncil.org/license/1.0.0
        "BlueOak-1.0.0",
        "Apache-2.0 WITH LLVM-exception",
    ];
    for ((name, _), license) in linked_by_any() {
        assert!(!license.is_empty(), "`{name}` names no licence");
        // Each alternative of an OR is a set of licences that all apply.
        let fits = license.replace('/', " OR ").split(" OR ").any(|alternative| {
            let all = alternative.replace(['(', ')'], "");
            all.split(" AND ").all(|one| allowed.contains(&one.trim()))
        });
        // Parentheses around an OR inside an AND, as in `MIT AND (A OR B)`: each part has an allowed alternative.
        let fits = fits
            || license
                .split(" AND ")
                .all(|part| part.replace(['(', ')'], "").split(" OR ").any(|one| allowed.contains(&one.trim())));
        assert!(fits, "`{name}` is licensed `{license}`");
    }
}

/// All Rust sources below a folder, with their path from the workspace's root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut open = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("readable")));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

#[test]
fn protocol_code_names_no_runtime_clock_environment_or_thread() {
    // Where a runtime may be named: the HTTP API stands on axum, providers on lettre. What SNS signs, a test has to sign, and a
    // call over sockets has a peer.
    let adapters = [
        "producers/src/api/",
        "consumers/src/channels/",
        "consumers/src/callbacks/tests/ses/",
        "consumers/src/handlers/action/http/tests.rs",
    ];
    let names = ["tokio", "async_std", "std::thread", "SystemTime", "Instant::now", "std::env", "getrandom", "rand::"];
    // `Brand::` is not `rand::`.
    let names_it = |line: &str, name: &str| {
        let before = |at: usize| line[..at].chars().next_back();
        line.match_indices(name).any(|(at, _)| !before(at).is_some_and(|c| c.is_alphanumeric() || c == '_'))
    };
    for (path, source) in sources("producers/src").into_iter().chain(sources("consumers/src")) {
        if adapters.iter().any(|adapter| path.starts_with(adapter)) {
            continue;
        }
        let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
        for (number, line) in code.enumerate() {
            let named = names.iter().find(|name| names_it(line, name));
            assert!(named.is_none(), "{path}:{} names {}: {line}", number + 1, named.unwrap_or(&""));
        }
    }
}

#[test]
fn events_know_no_async_and_no_io() {
    for (path, source) in sources("events/src") {
        for name in ["async fn", ".await", "std::fs", "std::net", "std::io"] {
            assert!(!source.contains(name), "{path} uses {name}");
        }
    }
}

/// The settings of a profile in one of our own files of TOML.
fn profile(file: &str, name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join(file)).expect("it is there");
    let lines = text.lines().skip_while(|line| *line != format!("[profile.{name}]")).skip(1);
    let settings = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "));
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// `sam build` knows no profile but `release`, and cargo-lambda builds it to abort unless the manifest says otherwise.
#[test]
fn functions_are_deployed_and_measured_as_the_profile_function_says() {
    let function = profile("Cargo.toml", "function");
    assert_eq!(function["panic"], "\"unwind\"");
    assert_eq!(profile("tests/peers/bare-lambda/Cargo.toml", "function"), function);
    assert_eq!(profile("tests/peers/batch-lambda/Cargo.toml", "function"), function);
    let mut deployed = profile("infra/aws/.cargo/config.toml", "release");
    deployed.insert("inherits".to_owned(), "\"release\"".to_owned());
    deployed.extend(profile("Cargo.toml", "release").remove_entry("panic"));
    assert_eq!(deployed, function);
    // What each message goes through is built for speed.
    let fast = profile("Cargo.toml", "function.package");
    assert!(fast.contains_key("serde_json"), "{fast:?}");
    assert_eq!(profile("infra/aws/.cargo/config.toml", "release.package"), fast);
    assert_eq!(profile("tests/peers/batch-lambda/Cargo.toml", "function.package"), fast);
    // The bare function has few of those.
    let bare = profile("tests/peers/bare-lambda/Cargo.toml", "function.package");
    assert!(bare.contains_key("serde_json") && bare.keys().all(|name| fast.contains_key(name)), "{bare:?}");
}
