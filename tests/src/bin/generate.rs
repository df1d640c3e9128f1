//! Writes every generated file of the repository: `cargo run -p sendoff-tests --bin generate`.
//!
//! With `-- --check` it writes nothing, lists each file that is stale and ends with 1; so does CI.
//! A new generated document is one line in [`DOCUMENTS`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's report is its output")]

use std::{fs, io, path::Path, process::ExitCode};

use sendoff_events::catalogue;
use serde_json::Value;

/// Where a document stands, from the root of the repository, and what makes its text.
type Document = (&'static str, fn() -> String);

const DOCUMENTS: &[Document] = &[
    ("docs/BACKENDS.md", sendoff_tests::conformance::document),
    ("docs/CONFIG.md", || sendoff_embedded::config::reference() + &sendoff_aws::settings::reference()),
    ("docs/DELIVERY.md", sendoff_tests::matrix::document),
    ("docs/DEPLOY.md", sendoff_tests::cost::document),
    ("docs/EVENTS.md", sendoff_events::reference),
    ("docs/asyncapi.json", || pretty(&sendoff_events::asyncapi())),
    ("docs/openapi.json", || pretty(&sendoff_producers::api::openapi())),
];

const COMMAND: &str = "cargo run -p sendoff-tests --bin generate";

struct Generated {
    path: String,
    content: String,
    /// Once committed it never changes: messages of that version are in queues and archives.
    frozen: bool,
}

fn everything() -> Vec<Generated> {
    let schemas = catalogue::all().into_iter().map(|entry| Generated {
        path: format!("events/schemas/{}.json", entry.event_type),
        content: pretty((entry.schema)().as_value()),
        frozen: true,
    });
    let documents =
        DOCUMENTS.iter().map(|(path, content)| Generated { path: (*path).into(), content: content(), frozen: false });
    schemas.chain(documents).chain(examples()).collect()
}

/// The state machine and the picture of each example of a workflow.
fn examples() -> impl Iterator<Item = Generated> {
    sendoff_tests::workflows::examples().into_iter().flat_map(|(name, plan)| {
        let machine = sendoff_tests::workflows::machine(&plan);
        let of = |ending: &str, content| {
            let path = format!("{}/{name}.{ending}", sendoff_tests::workflows::FOLDER);
            Generated { path, content, frozen: false }
        };
        [of("asl.json", pretty(&machine)), of("svg", sendoff_workflows::draw::svg(&plan, None))]
    })
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

/// What became of the files that weren't as they should be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    written: Vec<String>,
    stale: Vec<String>,
    refused: Vec<String>,
}

/// Brings the files up to date, or only tells which aren't. Where one must not change, nothing at all is written: the
/// documents would speak of a schema that isn't there.
fn generate(root: &Path, files: Vec<Generated>, check: bool) -> io::Result<Report> {
    let mut report = Report::default();
    let mut stale = Vec::new();
    for file in files {
        match fs::read_to_string(root.join(&file.path)) {
            Ok(text) if text == file.content => {}
            Ok(_) if file.frozen => report.refused.push(file.path),
            Ok(_) => stale.push(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => stale.push(file),
            Err(e) => return Err(io::Error::new(e.kind(), format!("{} can't be read: {e}", file.path))),
        }
    }
    if check || !report.refused.is_empty() {
        report.stale = stale.into_iter().map(|file| file.path).collect();
        return Ok(report);
    }
    for Generated { path, content, .. } in stale {
        let target = root.join(&path);
        fs::create_dir_all(target.parent().unwrap_or(root))
            .and_then(|()| fs::write(&target, content))
            .map_err(|e| io::Error::new(e.kind(), format!("{path} can't be written: {e}")))?;
        report.written.push(path);
    }
    Ok(report)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => {
            eprintln!("usage: {COMMAND} [-- --check]");
            return ExitCode::from(2);
        }
    };
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let report = match generate(root, everything(), check) {
        Ok(report) => report,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    for path in &report.written {
        println!("wrote {path}");
    }
    for path in &report.stale {
        println!("stale {path}");
    }
    for path in &report.refused {
        println!("refused {path}");
    }
    if !report.stale.is_empty() && report.refused.is_empty() {
        eprintln!("Run `{COMMAND}` and commit what it writes.");
    }
    if !report.refused.is_empty() {
        eprintln!(
            "A committed schema never changes, and these no longer match their structs: raise the event's VERSION, \
             teach `upcast` the step from the version before, add a golden sample and the version in \
             events/src/catalogue.rs, then run `{COMMAND}` again. Where only words of a description changed, change \
             them in the schema file by hand."
        );
    }
    if report.stale.is_empty() && report.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str, frozen: bool) -> Vec<Generated> {
        vec![Generated { path: "folder/file".into(), content: content.into(), frozen }]
    }

    #[test]
    fn every_generated_file_in_the_repository_is_fresh() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let report = generate(root, everything(), true).unwrap();
        assert_eq!(report, Report::default(), "run `{COMMAND}` and follow what it says");
    }

    #[test]
    fn a_missing_file_is_created_and_a_stale_one_replaced() {
        let root = tempfile::tempdir().unwrap();
        for content in ["first", "second"] {
            let report = generate(root.path(), file(content, false), false).unwrap();
            assert_eq!(report.written, ["folder/file"]);
            assert_eq!(fs::read_to_string(root.path().join("folder/file")).unwrap(), content);
        }
    }

    #[test]
    fn check_lists_what_is_stale_and_writes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let report = generate(root.path(), file("content", false), true).unwrap();
        assert_eq!(report.stale, ["folder/file"]);
        assert!(!root.path().join("folder").exists());
    }

    #[test]
    fn a_frozen_file_is_created_once_and_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let first = generate(root.path(), file("first", true), false).unwrap();
        assert_eq!(first.written, ["folder/file"]);
        let again = generate(root.path(), file("first", true), false).unwrap();
        assert_eq!(again, Report::default());
        for check in [true, false] {
            let other = generate(root.path(), file("second", true), check).unwrap();
            assert_eq!(other.refused, ["folder/file"]);
            assert_eq!(fs::read_to_string(root.path().join("folder/file")).unwrap(), "first");
        }
    }

    #[test]
    fn where_one_file_is_refused_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        generate(root.path(), file("first", true), false).unwrap();
        let document = Generated { path: "document".into(), content: "speaks of second".into(), frozen: false };
        let mut files = file("second", true);
        files.insert(0, document);
        let report = generate(root.path(), files, false).unwrap();
        assert_eq!((report.refused, report.stale), (vec!["folder/file".to_owned()], vec!["document".to_owned()]));
        assert!(!root.path().join("document").exists());
    }
}
