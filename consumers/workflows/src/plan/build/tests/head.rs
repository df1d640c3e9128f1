//! What stands above the steps, and how problems are told.

use super::*;

#[test]
fn problems_of_all_expressions_are_reported_with_their_places() {
    let found = problems(
        "- { id: a, if: '{amuont} > 1', then: [{ id: b, sms: { to: { user: '{{ {dep} }}' }, text: '{{ {amount} + }}' } }] }\n- { id: c, set: { total: \
         '\"x\"' } }",
    );
    let places: Vec<_> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["steps[0].if", "steps[0].then[0].sms.to.user", "steps[0].then[0].sms.text", "steps[1].set.total"]
    );
    assert!(found[0].contains("did you mean {amount}?"), "{found:?}");
}

#[test]
fn triggers_are_each_one_of_the_kinds() {
    let on = |triggers: &str| {
        let text = with(&format!("- {{ id: a, {MAIL} }}\n")).replace("  - submission: created\n", triggers);
        Plan::read(&text).map_err(|problems| {
            problems
                .0
                .into_iter()
                .map(|problem| crate::Problem { line: None, span: None, ..problem }.to_string())
                .collect::<Vec<_>>()
        })
    };
    let plan = on("  - { submission: created, when: '{amount} > 1' }\n  - submission: updated\n  - schedule: { at: 08:05, zone: Europe/Berlin, days: [mon, sun] }\n  - manual: true\n").unwrap();
    assert_eq!(plan.triggers.len(), 4);
    let Trigger::Schedule(schedule) = &plan.triggers[2] else { panic!() };
    assert_eq!((schedule.minute, schedule.days), (485, [true, false, false, false, false, false, true]));
    for (triggers, expected) in [
        ("  []\n", "on: there must be 1 to 20 triggers"),
        ("  - {}\n", "on[0]: must be exactly one of `submission`, `schedule` and `manual`"),
        ("  - { manual: true, submission: created }\n", "on[0]: must be exactly one of"),
        ("  - { manual: false }\n", "on[0].manual: must be `true`"),
        ("  - { manual: true, when: '{ok}' }\n", "on[0].when: belongs to `submission`"),
        ("  - { submission: created, when: '{run.id} = \"\"' }\n", "on[0].when: there is no run here"),
        ("  - { submission: created, when: '{steps.a.status} = \"\"' }\n", "on[0].when: there is no step `a`"),
        ("  - submission: created\n  - submission: created\n", "on[1]: is there already"),
        ("  - schedule: { at: noon, zone: UTC }\n", "on[0].schedule.at: `noon` is no time of the day"),
        ("  - schedule: { at: 08:00, zone: Mars }\n", "on[0].schedule.zone: `Mars` is no time zone"),
        ("  - schedule: { at: 08:00, zone: UTC, days: [] }\n", "on[0].schedule.days: names no day"),
    ] {
        let found = on(triggers).unwrap_err();
        assert!(found[0].starts_with(expected), "{triggers}: {found:?}");
    }
}

#[test]
fn names_of_workflows_fields_and_variables_can_be_written() {
    let text = with("- { id: a, stop: true }")
        .replace("workflow: test", "workflow: Test!")
        .replace("amount:", "'a.b':")
        .replace("  tags: {", "  '__x': {")
        .replace("initial: [a]", "initial: [1]");
    let found = Plan::read(&text).unwrap_err().to_string();
    for expected in [
        "workflow: `Test!` is no good name",
        "fields[\"a.b\"]: `a.b` can't be named",
        "vars.__x: `__x` can't be named",
        "vars.__x.initial: [0] is a number, not a text",
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn problems_of_yaml_name_their_lines() {
    let text =
        with("  - id: a\n    email:\n      to: { user: ada }\n      subject: '{{ {nothing} }}'\n      text: x\n");
    let line = text.lines().position(|line| line.contains("nothing")).unwrap() + 1;
    let problems = Plan::read(&text).unwrap_err();
    assert_eq!((problems.0[0].line, problems.0[0].place.as_str()), (Some(line), "steps[0].email.subject"));
}

#[test]
fn a_run_starts_with_all_declared_fields_and_no_others() {
    let plan = plan("- { id: a, stop: true }");
    let submitted = json!({ "amount": 7.0, "moment": "2026-11-26T09:00:00+01:00", "other": 1 });
    let fields = plan.input_fields(submitted.as_object().unwrap()).unwrap();
    assert_eq!(
        Value::Object(fields),
        json!({ "amount": 7, "department": null, "due": null, "moment": "2026-11-26T08:00:00.000Z", "ok": null, "lines": null, "users": null })
    );
    let wrong = json!({ "amount": "7", "due": "2026-02-30" });
    let problems = plan.input_fields(wrong.as_object().unwrap()).unwrap_err().to_string();
    assert_eq!(problems, "fields.amount: is a text, not a number\nfields.due: is no date such as 2026-11-26");
}
