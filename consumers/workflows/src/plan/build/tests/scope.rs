//! Which names are known where.

use super::*;

#[test]
fn results_are_known_behind_their_steps_and_nowhere_else() {
    let known = format!(
        "- {{ id: a, {MAIL} }}\n- id: b\n  if: '{{steps.a.status}} = \"sent\"'\n  then: [{{ id: c, {MAIL} }}]\n- id: d\n  parallel:\n  - [{{ id: e, {MAIL} \
         }}]\n  - [{{ id: f, {MAIL} }}, {{ id: g, if: '{{steps.f.status}} = \"sent\" ', then: [{{ id: h, {MAIL} }}] }}]\n- id: i\n  if: \
         'AND({{steps.c.status}} = \"sent\", {{steps.e.status}} = \"sent\", {{steps.h.status}} = \"sent\", FAILED(d))'\n  then: [{{ id: end, stop: true }}]\n"
    );
    plan(&known);
    let step = |id: &str, other: &str| {
        format!("{{ id: {id}, if: '{{steps.{other}.status}} = \"sent\"', then: [{{ id: {id}1, {MAIL} }}] }}")
    };
    wrong(
        &format!("- {}\n- {{ id: a, {MAIL} }}", step("b", "a")),
        &["steps[0].if: the result of `a` isn't known here: the step comes later"],
    );
    wrong(
        "- { id: b, if: '{steps.b.status} = \"\"', then: [{ id: c, stop: true }] }",
        &["steps[0].if: the result of `b` isn't known here: a step of the kind `if` has none"],
    );
    wrong(
        "- { id: b, sms: { to: { user: ada }, text: '{{ {steps.b.status} }}' } }",
        &["steps[0].sms.text: the result of `b` isn't known here: the step comes later"],
    );
    wrong(
        &format!(
            "- id: p\n  parallel:\n  - [{{ id: a, {MAIL} }}]\n  - [{}]\n  - [{{ id: c, {MAIL} }}]",
            step("b", "a")
        ),
        &[
            "steps[0].parallel[1][0].if: the result of `a` isn't known here: the step is in another branch of `p`, at the same time",
        ],
    );
    wrong(
        &format!("- {{ id: x, if: '{{ok}}', then: [{{ id: a, {MAIL} }}], else: [{}] }}", step("b", "a")),
        &[
            "steps[0].else[0].if: the result of `a` isn't known here: the step is in another branch of `x`, and only one of them is taken",
        ],
    );
    wrong(
        &format!("- {{ id: l, for_each: '{{users}}', do: [{{ id: a, {MAIL} }}] }}\n- {}", step("b", "a")),
        &[
            "steps[1].if: the result of `a` isn't known here: the step is done for each item of `l`; keep what is needed with `collect`",
        ],
    );
    wrong(
        &format!("- {{ id: p, parallel: [[{{ id: a, {MAIL} }}]], on_error: {{ steps: [{}] }} }}", step("b", "a")),
        &[
            "steps[0].on_error.steps[0].if: the result of `a` isn't known here: `p` has failed, and its branches were given up",
        ],
    );
}

#[test]
fn what_is_done_after_an_error_knows_the_error_and_is_known_behind_the_step() {
    let plan = plan(
        "- id: a\n  sms: { to: { user: ada }, text: Hi }\n  on_error:\n    steps:\n    - { id: b, sms: { to: { user: bob }, text: '{{ {steps.a.error} }}' } }\n- { \
         id: c, sms: { to: { user: ada }, text: '{{ {steps.b.status} }}' } }\n",
    );
    let Kind::Act(Act { on_error: OnError::Steps(block), .. }) = &plan.block[0].kind else { panic!() };
    assert_eq!(block[0].id, "b");
}

#[test]
fn what_a_for_each_collects_is_a_list() {
    let plan = plan(&format!(
        "- id: each\n  for_each: '{{lines}}'\n  as: line\n  at_once: 3\n  collect: '{{line.count}} * 2'\n  do: [{{ id: a, {MAIL} }}]\n- {{ id: s, set: {{ total: \
         'SUM({{steps.each.results}}) + {{steps.each.count}}' }} }}"
    ));
    let Kind::ForEach { item, at_once, collect, .. } = &plan.block[0].kind else { panic!() };
    assert_eq!((item.as_str(), *at_once, collect.is_some()), ("line", 3, true));
}

#[test]
fn a_for_each_goes_over_a_list_and_names_its_items_apart() {
    let each =
        |list: &str, more: &str| format!("- {{ id: each, for_each: '{list}', do: [{{ id: a, {MAIL} }}]{more} }}");
    wrong(&each("{amount}", ""), &["steps[0].for_each: must be a list, but is a number"]);
    wrong(&each("{users}", ", at_once: 41"), &["steps[0].at_once: must be from 1 to 40"]);
    wrong(
        &each("{users}", ", as: run"),
        &["steps[0].as: `run` has another meaning in expressions; call it something else"],
    );
    wrong(
        &format!("- {{ id: o, for_each: '{{users}}', do: [{}] }}", &each("{users}", "")[2..]),
        &[
            "steps[0].do[0].as: `item` is the item of a `for_each` around this one too; give one of them another name with `as`",
        ],
    );
    wrong("- { id: each, for_each: '{users}' }", &["steps[0].do: is missing; write what is done for each item"]);
    wrong(
        "- { id: each, for_each: '{users}', do: [] }",
        &["steps[0].do: has no steps; leave it out, or write what is done"],
    );
}

#[test]
fn nothing_is_set_or_stopped_at_the_same_time_as_something_else() {
    for (around, kind) in [
        ("parallel: [[STEP]]", "parallel"),
        ("for_each: '{users}', do: [{ id: i, if: '{ok}', then: [STEP] }]", "for_each"),
    ] {
        let found = problems(&format!("- {{ id: x, {} }}", around.replace("STEP", "{ id: a, set: { total: 1 } }")));
        assert!(found[0].contains(&format!("`set` can't stand inside of the {kind} `x`")), "{found:?}");
        let found = problems(&format!("- {{ id: x, {} }}", around.replace("STEP", "{ id: a, stop: true }")));
        assert!(found[0].contains(&format!("`stop` can't stand inside of the {kind} `x`")), "{found:?}");
        plan(&format!("- {{ id: x, {} }}", around.replace("STEP", "{ id: a, fail: No }")));
    }
}

#[test]
fn variables_are_declared_and_get_values_of_their_type() {
    plan(
        "- { id: a, set: { total: '{vars.total} + {amount}', tags: '[]' } }\n- { id: b, set: { total: BLANK } }\n- { id: c, set: { total: 0 } }",
    );
    wrong(
        "- { id: a, set: { totl: 1, tags: '{users}', total: '{department}' } }",
        &[
            "steps[0].set.total: must be a number, but is a text",
            "steps[0].set.totl: there is no variable `totl`; did you mean `total`?",
        ],
    );
    wrong("- { id: a, set: {} }", &["steps[0].set: sets nothing; write `name: expression`"]);
}
