//! What is too large.

use super::*;

#[test]
fn what_is_too_large_is_refused_before_it_is_looked_at() {
    let steps: String = (0..10_000).map(|n| format!("- {{ id: s{n}, if: '{{nothing}}', then: [] }}\n")).collect();
    wrong(
        &steps,
        &[
            "steps: there are 10000 steps, and may be at most 500; let one workflow start another by a record in another app",
        ],
    );
    let mut nested = json!([{ "id": "end", "stop": true }]);
    for n in 0..20 {
        nested = json!([{ "id": format!("s{n}"), "if": "{ok}", "then": nested }]);
    }
    let deep = |steps: &Value| {
        let mut definition =
            json!({ "workflow": "w", "app": "a", "on": [{ "manual": true }], "fields": { "ok": "boolean" } });
        definition["steps"] = steps.clone();
        Plan::of(&Definition::of(definition).unwrap())
    };
    assert!(deep(&nested[0]["then"]).is_ok());
    assert!(deep(&nested).unwrap_err().to_string().contains("steps stand more than 20 deep"));
    let fields: String = (0..200).map(|n| format!("  f{n}: text\n")).collect();
    let found =
        Plan::read(&with("- { id: a, stop: true }").replace("fields:\n", &format!("fields:\n{fields}"))).unwrap_err();
    assert!(found.to_string().contains("there are 209 fields and variables, and may be at most 200"), "{found}");
    let branches = (0..41).map(|n| format!("[{{ id: s{n}, {MAIL} }}]")).collect::<Vec<_>>().join(", ");
    wrong(
        &format!("- {{ id: p, parallel: [{branches}] }}"),
        &["steps[0].parallel: there are 41 branches, and may be at most 40"],
    );
}

#[test]
fn a_huge_id_is_not_repeated_for_every_step() {
    let branch = |n: usize| format!("[{{ id: s{n}, {MAIL} }}]");
    let branches = (0..40).map(branch).collect::<Vec<_>>().join(", ");
    let found = problems(&format!("- {{ id: {}, parallel: [{branches}] }}", "x".repeat(100_000)));
    assert!(found.len() == 1 && found[0].len() < 1000, "{}", found.len());
}

#[test]
fn the_largest_definition_is_checked() {
    // 499 steps in twelve `parallel` of forty branches, each of which would know all steps before.
    let mut steps = String::new();
    for n in 0..12 {
        let branch = |m: usize| {
            format!("  - [{{ id: s{n}_{m}, sms: {{ to: {{ user: a }}, text: '{{{{ {{amount}} + {m} }}}}' }} }}]\n")
        };
        steps += &format!("- id: p{n}\n  parallel:\n{}", (0..40).map(branch).collect::<String>());
    }
    for n in 0..7 {
        steps +=
            &format!("- {{ id: l{n}, sms: {{ to: {{ user: a }}, text: '{{{{ {{steps.s11_39.status}} }}}}' }} }}\n");
    }
    assert_eq!(plan(&steps).block.len(), 19);
}

#[test]
fn a_huge_expression_is_refused_in_bounded_time() {
    for huge in [
        "1 + ".repeat(200_000) + "1",
        "(".repeat(400_000),
        "AND(".repeat(100_000),
        "\"".repeat(500_000),
        "{amount}".repeat(50_000),
    ] {
        let text = with(&format!(
            "- {{ id: a, set: {{ total: '{huge}' }} }}\n- {{ id: b, email: {{ to: {{ user: a }}, subject: '{{{{ {huge} }}}}', text: T }} }}"
        ));
        let Err(problems) = Plan::read(&text) else { panic!("{}", &huge[..20]) };
        assert!(problems.to_string().len() < 10_000);
    }
}
