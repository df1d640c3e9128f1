//! What goes wrong, and how it is tried again, caught, and taken up again.

use serde_json::json;

use super::making::*;
use crate::{
    engine::{Signal, Status, What, advance, carry_on, pending},
    expr::Root,
    plan::{Block, Kind, OnError},
};

fn caught(id: &str, on_error: OnError) -> crate::plan::Step {
    telling(id, lit(json!(id)), on_error)
}

#[test]
fn each_reason_to_try_again_counts_by_itself() {
    let outcomes = ["Action.Transient", "Action.Throttled", "Action.Transient", "Action.Throttled"].map(fails);
    let played = Scripted::default().says("a", outcomes).run(vec![act("a")]);
    assert_eq!(played.state.status(), Status::Succeeded);
    // Each attempt takes a second, and after it comes the delay: transient 2 and 4, throttled 5 and 10.
    let seconds: Vec<i64> = acts(&played).into_iter().map(|(_, second)| second).collect();
    assert_eq!(seconds, [0, 3, 9, 14, 25]);
    assert_eq!(played.acts.iter().map(|act| act.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(played.acts.iter().all(|act| act.call == played.acts[0].call), "the call stays the same");
}

#[test]
fn what_takes_too_long_has_timed_out_and_is_tried_again() {
    let played = Scripted::default().says("a", [done(31, json!({}))]).run(vec![act("a")]);
    assert_eq!(acts(&played), [("a".into(), 0), ("a".into(), 32)]);
    let retrying = played.history.iter().find(|entry| entry.what == What::Retrying).unwrap();
    assert_eq!(retrying.error.as_ref().unwrap().error, "States.Timeout");
    assert_eq!(retrying.at, at(30));
}

#[test]
fn a_run_fails_when_the_attempts_are_used_up_or_the_error_is_for_good() {
    let transient = Scripted::default().says("a", vec![fails("Action.Transient"); 9]).run(vec![act("a"), act("b")]);
    assert_eq!((transient.state.status(), transient.acts.len()), (Status::Failed, 5));
    for error in ["Action.Permanent", "Something.Else"] {
        let permanent = Scripted::default().says("a", [fails(error)]).run(vec![act("a"), act("b")]);
        assert_eq!((permanent.state.status(), permanent.acts.len()), (Status::Failed, 1));
        assert_eq!(permanent.state.failure().unwrap().error, error);
    }
}

#[test]
fn a_step_that_may_fail_has_a_result_that_says_so() {
    let fallback = vec![telling("f", result("a", "error"), OnError::Stop)];
    let ways: [(OnError, &[&str]); 2] =
        [(OnError::Continue, &["a", "b"]), (OnError::Steps(fallback), &["a", "f", "b"])];
    for (on_error, way) in ways {
        let mut world = Scripted::default().says("a", [fails("Action.Permanent")]);
        let played = world.run(vec![caught("a", on_error), act("b")]);
        assert_eq!(played.state.status(), Status::Succeeded);
        assert_eq!(played.acts.iter().map(|act| &*act.instance.step).collect::<Vec<_>>(), way);
        assert_eq!(
            played.state.results()["a"],
            json!({ "status": "failed", "error": "Action.Permanent", "value": null })
        );
        if way.len() == 3 {
            assert_eq!(played.acts[1].call["say"], "Action.Permanent");
        }
    }
}

#[test]
fn what_fails_while_an_error_is_handled_is_not_caught_by_the_same_step() {
    let mut world = Scripted::default().says("a", [fails("Action.Permanent")]).says("f", [fails("Action.Permanent")]);
    let played = world.run(vec![caught("a", OnError::Steps(vec![act("f")])), act("b")]);
    assert_eq!((played.state.status(), played.acts.len()), (Status::Failed, 2));
}

#[test]
fn the_first_block_that_fails_fails_the_parallel_and_the_others_are_given_up() {
    let blocks = |on_error| vec![parallel("p", vec![vec![act("a"), act("b")], vec![act("c")]], on_error), act("d")];
    let world = || Scripted::default().says("c", [fails("Action.Permanent")]).says("a", [done(9, json!({}))]);
    let stopped = world().run(blocks(OnError::Stop));
    assert_eq!(stopped.state.status(), Status::Failed);
    assert_eq!(acts(&stopped), [("a".into(), 0), ("c".into(), 0)]);
    let given_up = |entry: &&crate::engine::Entry| entry.what == What::GivenUp;
    let instance = stopped.history.iter().find(given_up).unwrap().instance.clone().unwrap();
    assert_eq!(instance.to_string(), "a");

    let continued = world().run(blocks(OnError::Continue));
    assert_eq!(continued.state.status(), Status::Succeeded);
    assert_eq!(acts(&continued), [("a".into(), 0), ("c".into(), 0), ("d".into(), 1)]);
    assert_eq!(continued.state.results()["p"], json!({ "status": "failed", "error": "Action.Permanent" }));
    assert!(!continued.state.results().contains_key("a") && !continued.state.results().contains_key("c"));
}

#[test]
fn what_was_asked_for_in_the_turn_that_gives_it_up_is_not_asked_for() {
    let told = Told::start(vec![parallel("p", vec![vec![act("a")], vec![fail("f")]], OnError::Continue), act("b")]);
    assert_eq!(told.asked(), ["b 1"]);
    assert_eq!(told.turn.state.results()["p"]["error"], "Workflow.Failed");
    let told = Told::start(vec![parallel("p", vec![vec![act("a")], vec![fail("f")]], OnError::Stop)]);
    assert_eq!((told.asked().len(), told.turn.state.status()), (0, Status::Failed));
}

#[test]
fn a_fail_step_fails_what_is_around_it() {
    let played = Scripted::default().run(vec![fail("f"), act("a")]);
    let failure = played.state.failure().unwrap();
    assert_eq!((&*failure.error, &*failure.cause), ("Workflow.Failed", "as it was drawn"));
    let items = Kind::ForEach {
        list: list(3),
        item: "item".into(),
        at_once: 1,
        block: vec![fail("f")],
        collect: None,
        on_error: OnError::Continue,
    };
    let played = Scripted::default().run(vec![step("e", items)]);
    assert_eq!(played.state.results()["e"], json!({ "status": "failed", "error": "Workflow.Failed", "count": null }));
}

/// Runs until the run fails, takes it up again, and gives what was done the first and the second time.
fn taken_up(block: Block, world: &mut Scripted) -> (Vec<(String, i64)>, Vec<crate::engine::ActCommand>, Status) {
    let first = world.run(block.clone());
    assert_eq!(first.state.status(), Status::Failed);
    let plan = plan(block);
    let turn = advance(&plan, first.state.clone(), &Signal::Redrive, at(1000), &mut || 1.0);
    let second = carry_on(&plan, turn, at(1000), world);
    (acts(&first), second.acts, second.state.status())
}

#[test]
fn a_run_that_is_taken_up_again_goes_on_where_it_failed_and_keeps_what_was_done() {
    let block = vec![
        act("a"),
        parallel("p", vec![vec![act("b"), act("c")], vec![act("d"), act("e")], vec![act("f")]], OnError::Stop),
        each("i", list(3), 1, vec![telling("g", item(), OnError::Stop)], Some(result("g", "value"))),
        telling("h", name(Root::Step("i".into()), &["results"]), OnError::Stop),
    ];
    let mut world = Scripted::default().says("e", [fails("Action.Permanent")]).says("c", [done(20, json!({}))]);
    let (first, second, status) = taken_up(block, &mut world);
    let first: Vec<_> = first.iter().map(|(instance, _)| &**instance).collect();
    assert_eq!(first, ["a", "b", "d", "f", "c", "e"]);
    let again: Vec<_> = second.iter().map(|act| (act.instance.to_string(), act.attempt)).collect();
    let expected = [("c", 2), ("e", 2), ("g/0", 1), ("g/1", 1), ("g/2", 1), ("h", 1)];
    assert_eq!(again, expected.map(|(instance, attempt)| (instance.to_owned(), attempt)));
    assert!(second.iter().all(|act| act.call["redrive"] == 1));
    assert_eq!(second.last().unwrap().call["say"], json!(["g/0", "g/1", "g/2"]));
    assert_eq!(status, Status::Succeeded);
}

#[test]
fn attempts_are_counted_anew_when_a_run_is_taken_up_again() {
    let mut world = Scripted::default().says("a", vec![fails("Action.Transient"); 9]);
    let (first, second, status) = taken_up(vec![act("a")], &mut world);
    assert_eq!((first.len(), second.len(), status), (5, 5, Status::Succeeded));
    assert_eq!(second[0].attempt, 6, "so that news of the attempts before don't fit");
}

#[test]
fn a_fail_step_fails_again() {
    let (_, second, status) = taken_up(vec![act("a"), fail("f")], &mut Scripted::default());
    assert_eq!((second.len(), status), (0, Status::Failed));
}

#[test]
fn only_a_run_that_has_failed_is_taken_up_again() {
    let mut told = Told::start(vec![act("a")]);
    assert!(told.tell(&Signal::Redrive, 1).history.is_empty(), "it is running");
    told.tell(&Signal::Stop, 1);
    assert!(told.tell(&Signal::Redrive, 2).history.is_empty(), "it was stopped");
    let mut told = Told::start(vec![]);
    assert!(told.tell(&Signal::Redrive, 2).history.is_empty(), "it has succeeded");
}

#[test]
fn now_is_when_the_run_came_to_the_step_however_often_it_is_asked_for() {
    let block = vec![act("a"), telling("b", name(Root::Now, &[]), OnError::Stop)];
    let outcomes = [fails("Action.Transient"), fails("Action.Permanent"), fails("Action.Transient")];
    let mut world = Scripted::default().says("b", outcomes);
    let first = world.run(block.clone());
    let plan = plan(block);
    let state = serde_json::from_str(&serde_json::to_string(&first.state).unwrap()).unwrap();
    let turn = advance(&plan, state, &Signal::Redrive, at(1000), &mut || 1.0);
    assert_eq!(pending(&plan, &turn.state), turn.commands);
    let second = carry_on(&plan, turn, at(1000), &mut world);
    let told: Vec<_> = first.acts.iter().chain(&second.acts).map(|act| act.call["say"].clone()).collect();
    let moment = json!("2026-11-26T08:00:01.000Z");
    assert_eq!(told, [json!("a"), moment.clone(), moment.clone(), moment.clone(), moment]);
}
