//! What has a limit: where it is, a state machine does as the engine does.

use sendoff_workflows::{
    Plan,
    asl::{self, Functions, Output},
    engine::{Status, World, virtual_run},
};
use serde_json::{Value, json};

use super::{interpreter::Interpreter, outcomes::Scripted};

fn plan(text: &str) -> Plan {
    Plan::read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn input(plan: &Plan, fields: &Value) -> Value {
    let fields = plan.input_fields(fields.as_object().expect("fields")).expect("fields that fit");
    json!({
        "tenant": "acme", "workflow": plan.name, "version": 1, "hops": 1, "fields": fields, "submission": null,
        "trigger": { "kind": "manual", "event_id": null },
    })
}

/// What becomes of a run as a state machine.
fn outcome(interpreter: &mut Interpreter, plan: &Plan, fields: &Value) -> Value {
    let machine = asl::compile(plan, &Functions::placeholders(), Output::Nothing).expect("it has room");
    let case = json!({ "name": "run-1", "definition": machine, "input": input(plan, fields), "script": {} });
    interpreter.ask(&case)
}

#[test]
fn a_list_that_is_too_long_ends_a_run_whatever_is_done_around_it_when_something_fails() {
    const SEND: &str = "sms: { to: { user: ada }, text: Hi }";
    let mut interpreter = Interpreter::start();
    let inner = format!("[{{ id: inner, for_each: '{{lines}}', as: line, do: [{{ id: send, {SEND} }}] }}]");
    for around in [
        format!("for_each: '[1]', do: {inner}, on_error: continue"),
        format!("parallel: [{inner}], on_error: {{ steps: [{{ id: instead, {SEND} }}] }}"),
        format!("parallel: [[{{ id: each, for_each: '[1]', on_error: continue, do: {inner} }}]], on_error: continue"),
    ] {
        let plan = plan(&format!(
            "workflow: test\napp: crm\nfields: {{ lines: {{ list: number }} }}\non: [{{ manual: true }}]\n\
             steps:\n  - {{ id: outer, {around} }}\n  - {{ id: after, {SEND} }}\n"
        ));
        let fits = outcome(&mut interpreter, &plan, &json!({ "lines": [1, 2] }));
        assert_eq!((&fits["status"], fits["calls"].as_object().unwrap().len()), (&json!("succeeded"), 3), "{fits}");
        let ended = outcome(&mut interpreter, &plan, &json!({ "lines": vec![1; 10_001] }));
        let expected = [json!("failed"), json!("Workflow.TooManyItems"), json!({})];
        assert_eq!([&ended["status"], &ended["error"], &ended["calls"]].map(Value::clone), expected, "{around}");
        assert!(ended["cause"].as_str().unwrap().contains("more items than the"), "{ended}");
        let (now, fields) = ("2026-01-05T08:00:00Z".parse().unwrap(), json!({ "lines": vec![1; 10_001] }));
        let mut world = Scripted::new(&plan, "run-1", 1);
        let played = virtual_run(&plan, "run-1", &input(&plan, &fields), now, &mut world as &mut dyn World).unwrap();
        assert_eq!(played.state.status(), Status::Failed);
        assert_eq!(played.state.failure().unwrap().error, "Workflow.TooManyItems");
    }
}

#[test]
fn a_wait_until_a_day_that_is_far_away_takes_a_year() {
    let mut interpreter = Interpreter::start();
    for (kind, wait, moment) in [
        ("datetime", "until: '{when}'", "9999-12-31T23:59:59.000Z"),
        ("datetime", "until: '{when}'", "2120-01-01T00:00:00.000Z"),
        ("date", "until: '{when}', zone: UTC", "9999-12-31"),
    ] {
        let plan = plan(&format!(
            "workflow: test\napp: crm\nfields: {{ when: {kind} }}\non: [{{ manual: true }}]\n\
             steps:\n  - {{ id: far, wait: {{ {wait} }} }}\n"
        ));
        let outcome = outcome(&mut interpreter, &plan, &json!({ "when": moment }));
        assert_eq!(outcome["status"], "succeeded", "{outcome}");
        let days = outcome["waits"][0].as_f64().unwrap() / 86_400.0;
        assert!((364.99..=365.01).contains(&days), "{moment}: {outcome}");
    }
}
