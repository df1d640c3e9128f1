//! What `docs/WORKFLOWS.md` shows to authors is right.

use std::{collections::BTreeSet, fs};

use sendoff_workflows::{
    Plan,
    definition::{MAX_BYTES, json_schema},
    plan::{MAX_BRANCHES, MAX_INNER_NAMES, MAX_NAMES, MAX_NESTING, MAX_STEPS},
};

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/WORKFLOWS.md")).unwrap()
}

/// The blocks of YAML.
fn blocks(document: &str) -> Vec<&str> {
    document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_definition_and_step_of_the_document_is_valid() {
    let document = document();
    let blocks = blocks(&document);
    assert!(blocks.len() >= 13, "{}", blocks.len());
    for block in blocks {
        let text = if block.starts_with("workflow:") { block.to_owned() } else { around(block) };
        if let Err(problems) = Plan::read(&text) {
            panic!("{problems}\n{block}");
        }
    }
}

/// A definition of these steps.
fn around(steps: &str) -> String {
    let fields = "{ amount: number, days: number, part: text, name: text, email: text, department: text, manager: text, due: date, \
                  moment: datetime, tags: { list: text }, lines: { list: { object: { part: text } } } }";
    format!(
        "workflow: w\napp: a\nfields: {fields}\nvars: {{ total: number }}\non: [{{ manual: true }}]\nsteps:\n{steps}"
    )
}

#[test]
fn the_document_shows_every_field_of_a_step() {
    let document = document();
    let shown: String = blocks(&document).concat();
    let words: BTreeSet<&str> = shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for (name, _) in json_schema()["$defs"]["Step"]["properties"].as_object().unwrap() {
        assert!(words.contains(name.as_str()), "`{name}` isn't shown");
    }
}

fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn the_limits_of_the_document_are_those_of_the_code() {
    let document = document();
    assert_eq!(MAX_BYTES, 1024 * 1024);
    for row in [
        format!("| steps | {MAX_STEPS}, {MAX_NESTING} deep in each other |"),
        format!("| branches of an `if` or `parallel`, cases of a `switch` | {MAX_BRANCHES} |"),
        format!("| fields and variables together | {MAX_NAMES} |"),
        format!(
            "| names in the objects that these and `response` and `returns` are | {} |",
            thousands(MAX_INNER_NAMES)
        ),
    ] {
        assert!(document.contains(&row), "{row}");
    }
}
