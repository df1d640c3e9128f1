//! Other people's checkers over the template and the state machines, and the proof that they really run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sendoff_tests::servers::{node_modules, venv};

use super::document::Template;

/// cfn-lint, with the SAM transform.
fn cfn_lint(template: &Path) -> Output {
    let environment = venv("cfn-lint", include_str!("../../requirements/cfn-lint.txt"));
    Command::new(environment.join("bin/cfn-lint")).arg(template).output().expect("cfn-lint runs")
}

/// asl-validator, which knows JSONata.
fn asl_validator(machine: &Path) -> Output {
    let package = include_str!("../../requirements/asl-validator/package.json");
    let lock = include_str!("../../requirements/asl-validator/package-lock.json");
    let program = node_modules("asl-validator", package, lock).join(".bin/asl-validator");
    Command::new(program).arg("--json-path").arg(machine).output().expect("asl-validator runs, and Node with it")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn machines() -> Vec<PathBuf> {
    let files = fs::read_dir(Template::folder().join("asl")).expect("there are state machines");
    files.map(|file| file.expect("a file").path()).collect()
}

#[test]
fn cfn_lint_finds_nothing_in_the_template() {
    let output = cfn_lint(&Template::folder().join("template.yaml"));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn cfn_lint_finds_nothing_in_the_part_that_the_demo_makes() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("data.json");
    fs::write(&template, sendoff_aws::provision::data().unwrap().to_string()).unwrap();
    let output = cfn_lint(&template);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn cfn_lint_sees_errors_in_plain_resources_and_behind_the_sam_transform() {
    let text = fs::read_to_string(Template::folder().join("template.yaml")).unwrap();
    let planted = [
        ("VisibilityTimeout: 300", "VisibilityTimeOut: 300", "VisibilityTimeOut"),
        ("LogGroup: !Ref SweepLogs", "LogGroup: !Ref SweepLogz", "SweepLogz"),
        ("ReservedConcurrentExecutions: 1", "ReservedConcurrentExecutions: many", "many"),
    ];
    for (right, wrong, told) in planted {
        assert!(text.contains(right), "`{right}` isn't in the template any more");
        let folder = tempfile::tempdir().unwrap();
        let template = folder.path().join("template.yaml");
        fs::write(&template, text.replace(right, wrong)).unwrap();
        let output = cfn_lint(&template);
        assert!(!output.status.success() && said(&output).contains(told), "{wrong}: {}", said(&output));
    }
}

#[test]
fn asl_validator_finds_nothing_in_the_state_machines() {
    for machine in machines() {
        let output = asl_validator(&machine);
        assert!(output.status.success(), "{}: {}", machine.display(), said(&output));
    }
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
        let output = asl_validator(&file);
        assert!(!output.status.success(), "it accepts {machine}: {}", said(&output));
    }
}
