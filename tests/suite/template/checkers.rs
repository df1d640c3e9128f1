//! Other people's checkers over the template and the state machines, and the proof that they really run.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use sendoff_tests::servers::venv;

use super::document::Template;

/// cfn-lint, with the SAM transform.
fn cfn_lint(template: &Path) -> Output {
    let environment = venv("cfn-lint", include_str!("../../requirements/cfn-lint.txt"));
    Command::new(environment.join("bin/cfn-lint")).arg(template).output().expect("cfn-lint runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
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
    let mut broken = text;
    for (right, wrong, _) in planted {
        assert!(broken.contains(right), "`{right}` isn't in the template any more");
        broken = broken.replace(right, wrong);
    }
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    fs::write(&template, broken).unwrap();
    let output = cfn_lint(&template);
    assert!(!output.status.success(), "nothing is found");
    for (_, wrong, told) in planted {
        assert!(said(&output).contains(told), "{wrong}: {}", said(&output));
    }
}
