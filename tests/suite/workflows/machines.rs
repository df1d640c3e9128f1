//! The state machines of the examples: the same as they are kept, and right in the eyes of other people's checkers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sendoff_tests::{servers::venv, workflows};
use serde_json::Value;

use super::asl_validator::asl_validator;

/// The files of the state machines of all examples, which CI holds against what they compile to.
fn kept() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(workflows::FOLDER);
    let kept: Vec<_> =
        workflows::examples().into_iter().map(|(name, _)| folder.join(format!("{name}.asl.json"))).collect();
    assert!(kept.len() >= 5, "{kept:?}");
    kept
}

/// asl-validator takes an empty text in a call for something broken. It is known to be wrong there, and nowhere else.
#[test]
fn asl_validator_finds_nothing_in_them_but_what_it_is_known_to_get_wrong() {
    for file in kept() {
        let output = asl_validator([&*file]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let machine: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let is_false = |line: &str| {
            let place = line
                .trim()
                .strip_prefix("SCHEMA_VALIDATION_FAILED: ")
                .and_then(|told| told.split(" is invalid").next());
            place.and_then(|place| machine.pointer(place)).is_some_and(|found| found == "")
        };
        let found: Vec<&str> = said.lines().filter(|line| line.contains("FAILED") && !is_false(line)).collect();
        let told = output.status.success() || said.contains("FAILED");
        assert!(found.is_empty() && told, "{}: {said}", file.display());
    }
}

/// What statelint says although it is right, by the end of the place that it names.
///
/// - It knows `Seconds` and `Timestamp` of a `Wait` only as a number and a moment, not as a query.
/// - It wants a `BackoffRate` with a decimal point, which JSON can't tell from one without.
const FALSE_ALARMS: [&str; 3] = ["Seconds", "Timestamp", "BackoffRate"];

#[test]
fn statelint_finds_nothing_in_them_but_what_it_is_known_to_get_wrong() {
    let environment = venv("moto", include_str!("../../requirements/moto.txt"));
    for machine in kept() {
        let output = Command::new(environment.join("bin/statelint")).arg(&machine).output().expect("statelint runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let found: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("State Machine"))
            .filter(|line| {
                let place = line.split(" is ").next().unwrap_or_default();
                !FALSE_ALARMS.iter().any(|alarm| place.ends_with(&format!(".{alarm}")))
            })
            .collect();
        assert!(found.is_empty(), "{}: {found:#?}", machine.display());
    }
}

#[test]
fn statelint_sees_what_is_wrong() {
    let environment = venv("moto", include_str!("../../requirements/moto.txt"));
    let text = fs::read_to_string(&kept()[0]).unwrap();
    let planted = text.replacen("\"Next\"", "\"Nxet\"", 1);
    assert_ne!(text, planted);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("planted.asl.json");
    fs::write(&file, planted).unwrap();
    let output = Command::new(environment.join("bin/statelint")).arg(&file).output().expect("statelint runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("Nxet"), "{said}");
}

#[test]
fn asl_validator_sees_broken_jsonata_and_a_state_that_is_missing() {
    let planted = [
        r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Output": "{% $x( %}", "End": true}}}"#,
        r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}"#,
        r#"{"StartAt": "A", "States": {"A": {"Type": "Psas", "End": true}}}"#,
    ];
    for machine in planted {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planted.asl.json");
        fs::write(&file, machine).unwrap();
        let output = asl_validator([&*file]);
        assert!(!output.status.success(), "it accepts {machine}");
    }
}
