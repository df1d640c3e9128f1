//! Lists that may have more items than a run has room for.

use serde_json::{Value, json};

use super::nested_lists;
use crate::{
    Plan, Problems,
    asl::{Functions, Output, compile},
};

/// The plan of a workflow with these steps, over the lists `lines` and `parts`.
fn plan(steps: &str) -> Plan {
    let text = format!(
        "workflow: test\napp: crm\nfields: {{ lines: {{ list: number }}, parts: {{ list: number }} }}\n\
         on: [{{ manual: true }}]\nsteps:\n{steps}"
    );
    Plan::read(&text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn compiled(steps: &str) -> Result<Value, Problems> {
    compile(&plan(steps), &Functions::placeholders(), Output::Nothing)
}

const SEND: &str = "[{ id: send, sms: { to: { user: ada }, text: Hi } }]";

/// One list in another.
fn nested(outer: &str, inner: &str) -> String {
    format!(
        "  - {{ id: outer, for_each: '{outer}', on_error: continue, do: [{{ id: inner, for_each: '{inner}', as: part, do: {SEND} }}] }}"
    )
}

#[test]
fn a_list_that_is_too_long_inside_of_what_is_caught_ends_the_run() {
    let machine = compiled(&nested("{lines}", "{parts}")).unwrap();
    let catch = machine["States"]["outer"]["Catch"].as_array().unwrap();
    assert_eq!(catch[0], json!({ "ErrorEquals": ["Workflow.TooManyItems"], "Next": "outer too many inside" }));
    assert_eq!(catch[1]["ErrorEquals"], json!(["States.ALL"]));
    let ends = &machine["States"]["outer too many inside"];
    assert_eq!((&ends["Type"], &ends["Error"]), (&json!("Fail"), &json!("Workflow.TooManyItems")));
    let both = format!(
        "  - {{ id: both, parallel: [[{{ id: each, for_each: '{{lines}}', do: {SEND} }}]], on_error: continue }}"
    );
    assert_eq!(compiled(&both).unwrap()["States"]["both"]["Catch"][0]["Next"], "both too many inside");
    // Where no list may be too long there is nothing to end.
    let short = compiled(&nested("{lines}", "[1, 2]")).unwrap();
    assert_eq!(short["States"]["outer"]["Catch"].as_array().unwrap().len(), 1);
}

#[test]
fn as_many_items_as_a_run_has_room_for_have_all_their_events() {
    let cause = |steps: &str| compiled(steps).unwrap()["States"]["each too many"]["Cause"].to_string();
    let most = |steps: &str| cause(steps).split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
    for (block, events) in [(SEND, 11), ("[{ id: one, if: '{item} > 0', then: [{ id: end, wait: { for: 1 } }] }]", 17)]
    {
        let most = most(&format!("  - {{ id: each, for_each: '{{lines}}', do: {block} }}"));
        assert!((19_900..=20_000).contains(&(most * events)), "{block}: {most}");
    }
}

#[test]
fn lists_in_lists_that_are_written_out_are_counted_together() {
    let list = |items: usize| format!("[{}]", vec!["1"; items].join(", "));
    assert!(compiled(&nested(&list(20), &list(60))).is_ok());
    let problems = compiled(&nested(&list(60), &list(60))).unwrap_err().to_string();
    assert!(problems.contains("a run has up to 40"), "{problems}");
    // One that has room for all that is written in it isn't looked at again when it runs.
    let long = compiled(&format!("  - {{ id: each, for_each: '{}', do: {SEND} }}", list(1500))).unwrap();
    assert_eq!(long["States"]["each too many"], Value::Null);
}

#[test]
fn there_is_a_warning_of_a_list_in_a_list_whose_length_is_not_known() {
    for (outer, inner, warnings) in [("{lines}", "{parts}", 1), ("[1, 2]", "{parts}", 1), ("[1, 2]", "[1, 2]", 0)] {
        assert_eq!(nested_lists(&plan(&nested(outer, inner))).0.len(), warnings, "{outer} {inner}");
    }
    let warning = nested_lists(&plan(&nested("{lines}", "{parts}"))).to_string();
    assert!(
        warning.contains("`inner` is done for each item of `outer`") && warning.contains("about 1815"),
        "{warning}"
    );
    assert_eq!(nested_lists(&plan(&format!("  - {{ id: each, for_each: '{{lines}}', do: {SEND} }}"))).0, []);
}

#[test]
fn a_wait_until_a_moment_is_of_a_year_at_most() {
    for wait in ["until: 'NOW()'", "until: 'TODAY()', at: \"08:00\", zone: Europe/Berlin"] {
        let states = compiled(&format!("  - {{ id: a, wait: {{ {wait} }} }}")).unwrap()["States"].take();
        let waits = states.as_object().unwrap().values().find(|state| state["Type"] == "Wait").unwrap();
        let until = waits["Timestamp"].as_str().unwrap();
        assert!(until.contains("+ 31536000000)") && until.contains("$when > $last ? $last : $when"), "{until}");
    }
}
