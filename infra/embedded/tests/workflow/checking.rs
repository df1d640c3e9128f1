//! `sendoff workflow check`, `compile`, `draw` and `diff` over files.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::program::{examples, golden, workflow};

const FAULTY: &str = "\
workflow: expense-approval
app: expenses
fields:
  amount: number
  manager: text
on:
  - submission: created
    when: '{amuont} > 0'
vars:
  total: number
steps:
  - id: ask
    if: '{amount} > \"ten\"'
    then:
      - { id: add, set: { total: 'SUMM([{amount}, 1])' } }
  - id: tell
    email:
      to: { user: '{{ {manager} }}' }
      subject: 'Über {{ {amount} + {steps.later.count} }} €'
      text: 'Hello {{ {manager} '
  - id: later
    for_each: '{manager}'
    do:
      - { id: end, stop: true }
  - id: again
    wait: { until: '{amount}' }
";

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn check_says_all_that_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "faulty.yaml", FAULTY);
    let checked = workflow(folder.path(), ["check", "faulty.yaml"]);
    golden("check.txt", checked.with(1));
    let report = workflow(folder.path(), ["check", "faulty.yaml", "--output", "json"]).json(1);
    assert_eq!((&report["problems"][0]["place"], &report["problems"][0]["line"]), (&json!("on[0].when"), &json!(8)));
    assert_eq!(report["problems"][0]["span"], json!({ "start": 0, "end": 8 }));
}

#[test]
fn check_tells_what_is_no_definition_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for (name, text) in [
        ("empty.yaml", ""),
        ("unknown.yaml", "workflow: w\napp: a\nsteps: []\nstpes: []\n"),
        ("broken.yaml", "workflow: [\n"),
        ("twice.yaml", "workflow: w\nworkflow: v\n"),
        ("broken.json", "{\"workflow\": }"),
    ] {
        write(folder.path(), name, text);
        all.push_str(workflow(folder.path(), ["check", name]).with(1));
    }
    golden("check.unreadable.txt", &all);
    let missing = workflow(folder.path(), ["check", "missing.yaml"]);
    missing.with(2);
    assert!(missing.err.contains("missing.yaml: it can't be read"), "{}", missing.err);
}

#[test]
fn every_example_and_its_submission_are_right() {
    for name in ["customer-feedback", "expense-approval", "field-service", "inventory-reorder", "leave-request"] {
        let (definition, submission) = (format!("{name}.yaml"), format!("{name}.submission.json"));
        let checked = workflow(&examples(), ["check", &definition, "--submission", &submission]);
        assert_eq!(checked.with(0), "");
        assert!(checked.err.contains("the definition is right"), "{}", checked.err);
    }
    let other = workflow(&examples(), ["check", "leave-request.yaml", "--submission", "field-service.submission.json"]);
    let printed = other.with(1);
    assert!(printed.contains("submission.app_id: the submission is one of `service`, not of `leave`"), "{printed}");
}

#[test]
fn compile_prints_the_state_machine_and_its_template() {
    let machine = workflow(&examples(), ["compile", "leave-request.yaml"]).json(0);
    assert_eq!(machine["QueryLanguage"], "JSONata");
    assert!(machine["States"].get("ask_head").is_some() || machine.to_string().contains("\"ask_head\""));
    let template = workflow(&examples(), ["compile", "leave-request.yaml", "--template"]).json(0);
    let types: Vec<&str> = template["Resources"]
        .as_object()
        .unwrap()
        .values()
        .map(|resource| resource["Type"].as_str().unwrap())
        .collect();
    assert!(
        types.contains(&"AWS::StepFunctions::StateMachine") && types.contains(&"AWS::CloudWatch::Alarm"),
        "{types:?}"
    );
    let role =
        &template["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"];
    assert_eq!(
        *role,
        json!([{ "Ref": "EmailFunctionArn" }, { "Ref": "PushFunctionArn" }, { "Ref": "StepsFunctionArn" }])
    );
}

#[test]
fn draw_prints_a_flowchart_or_a_picture() {
    let chart = workflow(&examples(), ["draw", "leave-request.yaml"]);
    assert!(chart.with(0).starts_with("flowchart TD\n") && chart.with(0).contains("s_ask_head"), "{}", chart.with(0));
    let picture = workflow(&examples(), ["draw", "leave-request.yaml", "--format", "svg"]);
    assert!(picture.with(0).starts_with("<svg") && picture.with(0).ends_with("</svg>\n"), "{}", picture.with(0));
}

#[test]
fn diff_tells_what_has_changed_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let before = fs::read_to_string(examples().join("leave-request.yaml")).unwrap();
    let after = before.replace("deadline: 2d", "deadline: 4d").replace("deputy: text", "deputy: text\n  note: text");
    write(folder.path(), "before.yaml", &before);
    write(folder.path(), "after.yaml", &after);
    let told = workflow(folder.path(), ["diff", "before.yaml", "after.yaml"]);
    golden("diff.txt", told.with(0));
    let none = workflow(folder.path(), ["diff", "before.yaml", "before.yaml", "--output", "json"]);
    assert_eq!(none.json(0), Value::Array(Vec::new()));
}
