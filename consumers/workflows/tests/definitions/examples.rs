//! The examples: they are read as they stand, they show every kind of step, and each has a submission that fits it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use sendoff_workflows::{Definition, Plan, Published, definition::json_schema};
use serde_json::Value;

const EXAMPLES: [&str; 5] =
    ["customer-feedback", "expense-approval", "field-service", "inventory-reorder", "leave-request"];

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn definition(name: &str) -> Definition {
    Definition::read(&read(&format!("{name}.yaml"))).unwrap_or_else(|problems| panic!("{name}:\n{problems}"))
}

#[test]
fn every_example_is_a_plan_and_is_named_as_its_file() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Programs are examples of another kind.
    let files: BTreeSet<String> = files.filter(|file| !file.ends_with(".rs")).collect();
    let endings = ["yaml", "submission.json", "asl.json", "svg"];
    let expected = EXAMPLES.iter().flat_map(|name| endings.map(|ending| format!("{name}.{ending}")));
    assert_eq!(files, expected.collect());
    for name in EXAMPLES {
        let plan = Plan::read(&read(&format!("{name}.yaml"))).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
        assert_eq!(plan.name, name);
    }
}

#[test]
fn every_example_has_a_submission_that_fits_it() {
    for name in EXAMPLES {
        let submission: Value = serde_json::from_str(&read(&format!("{name}.submission.json"))).unwrap();
        let plan = Plan::of(&definition(name)).unwrap();
        assert_eq!(submission["app_id"], plan.app.as_str());
        let submitted = submission["fields"].as_object().unwrap();
        let fields = plan.input_fields(submitted).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!(fields.len(), submitted.len(), "{name}: it fills in all that is declared, and nothing else");
        assert!(fields.values().all(|value| !value.is_null()), "{name}");
    }
}

#[test]
fn together_the_examples_show_every_kind_of_step_and_of_trigger() {
    let mut written = BTreeSet::new();
    for name in EXAMPLES {
        let value: Value = serde_json::from_str(&definition(name).canonical()).unwrap();
        collect(&value, &mut written);
    }
    let schema = json_schema();
    let kinds = schema["$defs"]["Step"]["oneOf"].as_array().unwrap().iter().map(|kind| &kind["required"][0]);
    let fields = schema["$defs"]["Step"]["properties"].as_object().unwrap().keys().cloned();
    let triggers = ["submission", "schedule", "manual"].map(ToOwned::to_owned);
    assert_eq!(kinds.clone().count(), 16);
    for name in kinds.map(|kind| kind.as_str().unwrap().to_owned()).chain(triggers).chain(fields) {
        assert!(written.contains(&name), "no example has `{name}`");
    }
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                names.insert(name.clone());
                collect(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

#[test]
fn an_example_is_published_and_read_again() {
    for name in EXAMPLES {
        let published = Published::of(&definition(name), 1).unwrap();
        let kept: Published = serde_json::from_str(&serde_json::to_string(&published).unwrap()).unwrap();
        assert_eq!(kept.plan().unwrap(), Plan::of(&definition(name)).unwrap(), "{name}");
    }
}
