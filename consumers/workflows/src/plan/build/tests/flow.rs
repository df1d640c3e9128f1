//! What decides how it goes on.

use super::*;

#[test]
fn a_step_is_exactly_one_of_the_kinds() {
    assert!(
        problems("- id: a\n")[0]
            .starts_with("steps[0]: does nothing: it has no kind; a step has exactly one of `email`")
    );
    assert!(problems("- { id: a, stop: true, fail: no }")[0].starts_with("steps[0]: is stop and fail at once"));
    wrong(
        "- { id: a, wait: { for: 3d }, timeout: 5s, else: [] }",
        &[
            "steps[0].else: doesn't belong to a step of the kind `wait`; it belongs to if, switch",
            "steps[0].timeout: doesn't belong to a step of the kind `wait`; it belongs to email, sms, whatsapp, push, http, database, record",
        ],
    );
}

#[test]
fn ids_are_well_formed_and_stand_once() {
    wrong(
        &format!(
            "- {{ id: a, if: '{{ok}}', then: [{{ id: b, {MAIL} }}] }}\n- {{ id: b, {MAIL} }}\n- {{ id: B-1, {MAIL} }}\n- {{ id: {}, {MAIL} }}",
            "x".repeat(41)
        ),
        &[
            "steps[1].id: `b` is the id of steps[0].then[0] too; ids are unique in the whole workflow",
            "steps[2].id: `B-1` is no good id; begin with a small letter; then up to 39 of `a-z`, `0-9` and `_`",
            &format!(
                "steps[3].id: `{}` is no good id; begin with a small letter; then up to 39 of `a-z`, `0-9` and `_`",
                "x".repeat(41)
            ),
        ],
    );
}

#[test]
fn a_bad_id_hides_nothing_else_that_is_wrong() {
    wrong(
        "- { id: A, set: { total: '{department}' } }\n- { id: b, set: { total: '{ok}' } }\n- { id: b, wait: { until: '{amount}' } }",
        &[
            "steps[0].id: `A` is no good id; begin with a small letter; then up to 39 of `a-z`, `0-9` and `_`",
            "steps[2].id: `b` is the id of steps[1] too; ids are unique in the whole workflow",
            "steps[0].set.total: must be a number, but is a text",
            "steps[1].set.total: must be a number, but is a boolean",
            "steps[2].wait.until: must be a date or a datetime, but is a number",
        ],
    );
}

#[test]
fn conditions_are_booleans_and_cases_are_of_the_type_of_their_value() {
    wrong(
        "- { id: a, if: '{amount}', then: [{ id: b, stop: true }], elif: [{ if: '{department}', then: [{ id: c, stop: true }] }] }",
        &[
            "steps[0].if: must be a boolean, but is a number; compare it with something: `{amount} > 100`",
            "steps[0].elif[0].if: must be a boolean, but is a text; compare it with something: `{amount} > 100`",
        ],
    );
    wrong("- { id: a, if: '{ok}' }", &["steps[0].then: is missing; write what is done where the condition holds"]);
    wrong(
        "- { id: a, switch: '{department}', cases: [{ is: [HR, 7], then: [] }, { is: HR, then: [] }, { is: ~, then: [] }, { is: [], then: [] }] }",
        &[
            "steps[0].cases[0].is: is a number, not a text",
            "steps[0].cases[1].is: \"HR\" is in another case already",
            "steps[0].cases[2].is: is nothing; what is blank goes to `else`",
            "steps[0].cases[3].is: has no values; write one, or a list of several",
        ],
    );
    wrong(
        "- { id: a, switch: '{due}', cases: [] }",
        &[
            "steps[0].switch: must be a text, a number or a boolean, but is a date; compare other values with `if` and `elif`",
            "steps[0].cases: there must be at least one case; write `- is: …` and `then`",
        ],
    );
}

#[test]
fn what_comes_behind_an_end_is_refused() {
    wrong(
        "- { id: a, stop: true }\n- { id: b, fail: No }\n- { id: c, stop: true }",
        &[
            "steps[1]: is never done: `a` ends here; put it before, or leave it out",
            "steps[2]: is never done: `b` ends here; put it before, or leave it out",
        ],
    );
}

#[test]
fn waits_are_durations_seconds_dates_or_moments() {
    let wait = |text: &str| {
        let Kind::Wait(wait) = plan(&format!("- {{ id: a, wait: {{ {text} }} }}")).block.remove(0).kind else {
            panic!("{text}")
        };
        wait
    };
    let Wait::For(seconds) = wait("for: 3d") else { panic!() };
    assert_eq!(seconds.node, Node::Literal(json!(259_200)));
    assert!(matches!(wait("for: '{amount} * 60'"), Wait::For(_)));
    assert!(
        matches!(wait("until: '{due}', at: '09:30', zone: Europe/Berlin"), Wait::Until { minute: 570, zone, .. } if zone == "Europe/Berlin")
    );
    assert!(matches!(wait("until: '{moment}'"), Wait::Until { minute: 0, zone, .. } if zone == "UTC"));
    for (text, expected) in [
        ("for: 366d", "wait.for: must be at most a year, 365d; let a schedule start another run then"),
        ("for: '{department}'", "wait.for: must be a number, but is a text"),
        ("for: 3d, zone: UTC", "wait.zone: belongs to `until`; leave it out"),
        (
            "until: '{due}'",
            "wait.zone: is missing; a day begins at another time everywhere: write `zone: Europe/Berlin`, or `UTC`",
        ),
        (
            "until: '{moment}', at: '09:00'",
            "wait.until: is a moment, which has its time already; leave `at` and `zone` out, or wait until DATEOF of it",
        ),
        ("until: '{amount}'", "wait.until: must be a date or a datetime, but is a number"),
        (
            "until: '{due}', at: '24:00', zone: UTC",
            "wait.at: `24:00` is no time of the day; write hours and minutes: `08:00`",
        ),
        (
            "until: '{due}', at: '8:00', zone: UTC",
            "wait.at: `8:00` is no time of the day; write hours and minutes: `08:00`",
        ),
        (
            "until: '{due}', at: '0s:0m', zone: UTC",
            "wait.at: `0s:0m` is no time of the day; write hours and minutes: `08:00`",
        ),
        (
            "until: '{due}', zone: Europe/Berln",
            "wait.zone: `Europe/Berln` is no time zone; write a name of the IANA database, such as `Europe/Berlin` or `UTC`",
        ),
        ("", "wait: must have exactly one of `for` and `until`; write `wait: { for: 3d }`"),
    ] {
        wrong(&format!("- {{ id: a, wait: {{ {text} }} }}"), &[&format!("steps[0].{expected}")]);
    }
}

#[test]
fn an_approval_has_approvers_words_and_a_deadline() {
    plan(
        "- { id: a, approval: { approvers: '[\"ada\", {department}]', title: 'Ok?', deadline: 3d } }\n- { id: b, set: { total: '{amount}' } }",
    );
    let approval = |approvers: &str, deadline: &str| {
        format!("- {{ id: a, approval: {{ approvers: '{approvers}', title: T, deadline: {deadline} }} }}")
    };
    wrong(&approval("\"ada\"", "3d"), &["steps[0].approval.approvers: must be a list of text, but is a text"]);
    wrong(
        &approval("[]", "3d"),
        &["steps[0].approval.approvers: must be 1 to 20 users; any one of them is enough to decide"],
    );
    let users = |n: usize| format!("[{}]", vec!["\"ada\""; n].join(", "));
    plan(&approval(&users(20), "3d"));
    wrong(
        &approval(&users(21), "3d"),
        &["steps[0].approval.approvers: must be 1 to 20 users; any one of them is enough to decide"],
    );
    wrong(&approval("{users}", "30s"), &["steps[0].approval.deadline: must be from 1m to 365d"]);
    wrong(&approval("{users}", "366d"), &["steps[0].approval.deadline: must be from 1m to 365d"]);
}
