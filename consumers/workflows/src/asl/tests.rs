//! What Step Functions would refuse in a state machine, or take for something else.

use serde_json::{Value, json};

use super::{Functions, Output, compile, functions_of};
use crate::Plan;

/// The states of a workflow with this one step, `a`.
fn states(step: &str) -> Value {
    let text = format!(
        "workflow: test\napp: crm\nfields: {{ days: number }}\non: [{{ manual: true }}]\nsteps:\n  - {{ id: a, {step} }}\n"
    );
    let plan = Plan::read(&text).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&plan, &Functions::placeholders(), Output::Nothing).unwrap_or_else(|problems| panic!("{problems}"))["States"].take()
}

#[test]
fn a_wait_is_of_whole_seconds() {
    assert_eq!(states("wait: { for: '1.5' }")["a"]["Seconds"], json!(1));
    assert_eq!(states("wait: { for: '0.5' }")["a"]["Seconds"], json!(0));
}

#[test]
fn a_delay_may_grow_beyond_its_first_one() {
    let retries = |retry: &str| {
        states(&format!("sms: {{ to: {{ user: ada }}, text: Hi }}, retry: {{ {retry} }}"))["a"]["Retry"].take()
    };
    for retry in ["interval: 5m, max_delay: 5m", "interval: 2s, max_delay: 5m"] {
        for retrier in retries(retry).as_array().unwrap() {
            let (interval, most) = (retrier["IntervalSeconds"].as_u64(), retrier["MaxDelaySeconds"].as_u64());
            assert!(most > interval && interval > Some(0), "{retry}: {retrier}");
        }
    }
}

#[test]
fn a_function_that_vanished_while_it_asked_is_called_again_and_a_deadline_is_none_of_that() {
    let state = states("approval: { approvers: '[\"ada\"]', title: T, deadline: 1d }")["a"].take();
    let again: Vec<&Value> = state["Retry"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|retrier| retrier["ErrorEquals"].as_array().unwrap())
        .collect();
    for error in ["Lambda.Unknown", "Sandbox.Timedout", "Action.Transient", "Action.Throttled"] {
        assert!(again.contains(&&json!(error)), "{error}: {again:?}");
    }
    assert!(!again.contains(&&json!("States.Timeout")), "{again:?}");
    assert_eq!(state["Catch"][0]["ErrorEquals"], json!(["States.Timeout"]), "nobody decided in time");
}

#[test]
fn an_error_that_stops_the_run_is_caught_nowhere_so_that_a_redrive_goes_on_at_its_step() {
    let caught = |more: &str| states(&format!("sms: {{ to: {{ user: ada }}, text: Hi }}{more}"))["a"]["Catch"].take();
    for more in ["", ", on_error: stop", ", timeout: 5s, on_error: stop"] {
        assert_eq!(caught(more), Value::Null, "{more}");
    }
    assert_eq!(caught(", on_error: continue")[0]["ErrorEquals"], json!(["States.ALL"]));
    for (_, state) in states("parallel: [[{ id: b, sms: { to: { user: ada }, text: Hi } }]]").as_object().unwrap() {
        assert_eq!(state["Catch"], Value::Null, "{state}");
    }
}

#[test]
fn the_functions_of_a_machine_are_those_that_its_tasks_call_and_nothing_in_the_authors_data() {
    let http = |id: &str| {
        format!(
            "{{ id: {id}, http: {{ connection: c, method: POST, path: /a, body: [{{ FunctionName: '' }}, {{ FunctionName: other }}] }} }}"
        )
    };
    let sms = "{ id: c, sms: { to: { user: ada }, text: Hi } }";
    let mail = "{ id: d, email: { to: { user: ada }, subject: Hi, text: Hi } }";
    let record = "{ id: e, record: { app: other, author: ada, create: { fields: { n: 1 } } } }";
    for (steps, expected) in [
        (http("b"), vec!["${ExternalFunctionArn}"]),
        (
            format!("{{ id: p, parallel: [[{}], [{sms}]] }}", http("b")),
            vec!["${ExternalFunctionArn}", "${SmsFunctionArn}"],
        ),
        (
            format!("{{ id: f, for_each: '[1, 2]', do: [{mail}, {{ id: g, if: 'true', then: [{record}] }}] }}"),
            vec!["${EmailFunctionArn}", "${StepsFunctionArn}"],
        ),
    ] {
        let text = format!("workflow: test\napp: crm\non: [{{ manual: true }}]\nsteps:\n  - {steps}\n");
        let plan = Plan::read(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let machine = compile(&plan, &Functions::placeholders(), Output::Nothing).unwrap();
        assert_eq!(functions_of(&machine), expected, "{steps}");
    }
}
