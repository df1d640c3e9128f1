//! Signals that are repeated, late, or about something else.

use serde_json::json;

use super::making::*;
use crate::{
    engine::{Signal, Status, What, outstanding, pending},
    plan::OnError,
};

fn block() -> crate::plan::Block {
    vec![
        parallel("p", vec![vec![act("a")], vec![wait("w", 60)]], OnError::Stop),
        each("e", list(2), 2, vec![act("b")], None),
    ]
}

#[test]
fn a_signal_that_does_not_fit_changes_nothing() {
    let mut told = Told::start(block());
    let state = told.turn.state.clone();
    let due = |instance: &str, attempt| Signal::Due { instance: instance.parse().unwrap(), attempt };
    let decided = Signal::Decided {
        instance: "a".parse().unwrap(),
        decision: crate::engine::Decision::Approved,
        by: "ada".into(),
        comment: None,
        at: at(0),
    };
    let strangers = [
        is_done("a", 2),
        is_done("a", 0),
        is_done("a/0", 1),
        is_done("b/0", 1),
        is_done("nobody", 1),
        is_done("w", 1),
        has_failed("a", 2, "Action.Permanent"),
        due("a", 1),
        due("w", 2),
        decided,
    ];
    for signal in strangers {
        let turn = told.tell(&signal, 100);
        assert_eq!((&turn.state, turn.commands.len(), turn.history.len()), (&state, 0, 0), "{signal:?}");
    }
}

#[test]
fn a_repeated_signal_changes_nothing() {
    let mut told = Told::start(block());
    for (signal, seconds) in [
        (is_done("a", 1), 1),
        (Signal::Due { instance: "w".parse().unwrap(), attempt: 1 }, 60),
        (has_failed("b/0", 1, "Action.Transient"), 61),
        (is_done("b/1", 1), 62),
        (is_done("b/0", 2), 70),
    ] {
        told.tell(&signal, seconds);
        let state = told.turn.state.clone();
        let turn = told.tell(&signal, seconds);
        assert_eq!((&turn.state, turn.commands.len(), turn.history.len()), (&state, 0, 0), "{signal:?}");
    }
    assert_eq!(told.turn.state.status(), Status::Succeeded);
}

#[test]
fn what_is_pending_is_what_was_asked_for_and_not_answered() {
    let mut told = Told::start(block());
    assert_eq!(pending(&told.plan, &told.turn.state), told.turn.commands);
    assert_eq!(told.asked(), ["a 1", "w 1"]);
    told.tell(&has_failed("a", 1, "Action.Transient"), 1);
    assert_eq!(told.asked(), ["a 2"]);
    assert_eq!(told.turn.commands[0].due(), at(3));
    assert_eq!(asked(&pending(&told.plan, &told.turn.state)), ["a 2", "w 1"]);
    let find = |instance: &str, attempt| outstanding(&told.plan, &told.turn.state, &instance.parse().unwrap(), attempt);
    assert_eq!(find("a", 2), Some(told.turn.commands[0].clone()));
    assert_eq!(find("a", 1), None);
    assert_eq!(find("b/0", 1), None);
}

#[test]
fn a_run_that_is_stopped_gives_everything_up() {
    let mut told = Told::start(block());
    let turn = told.tell(&Signal::Stop, 1);
    assert_eq!(turn.state.status(), Status::Stopped);
    assert_eq!(
        turn.history.iter().map(|entry| entry.what).collect::<Vec<_>>(),
        [What::GivenUp, What::GivenUp, What::RunStopped]
    );
    assert!(pending(&told.plan, &told.turn.state).is_empty());
    for signal in [is_done("a", 1), Signal::Stop] {
        assert!(told.tell(&signal, 2).history.is_empty());
        assert_eq!(told.turn.state.status(), Status::Stopped);
    }
}

#[test]
fn a_state_of_another_form_is_refused() {
    let state = serde_json::to_value(Told::start(block()).turn.state).unwrap();
    assert_eq!(state["v"], 1);
    let mut other = state;
    other["v"] = json!(2);
    let error = serde_json::from_value::<crate::engine::RunState>(other).unwrap_err().to_string();
    assert!(error.contains("form 2"), "{error}");
}

#[test]
fn a_state_of_another_plan_fails_the_run_and_does_nothing_else() {
    let mut told = Told::start(vec![act("a")]);
    told.plan = plan(vec![wait("a", 5)]);
    told.tell(&is_done("a", 1), 1);
    assert_eq!(told.turn.state.failure().unwrap().error, "Workflow.OtherPlan");
}
