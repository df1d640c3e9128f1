//! The way a run takes.

use serde_json::json;

use super::making::*;
use crate::{
    engine::{Status, What},
    expr::Root,
    plan::{Kind, OnError},
};

#[test]
fn steps_are_done_one_after_the_other_and_see_the_results_before_them() {
    let second = telling("b", result("a", "value"), OnError::Stop);
    let played = Scripted::default().run(vec![act("a"), second, set("c", "total", result("b", "value"))]);
    assert_eq!(played.state.status(), Status::Succeeded);
    assert_eq!(acts(&played), [("a".into(), 0), ("b".into(), 1)]);
    assert_eq!(
        played.acts[1].call,
        json!({ "action": "http", "idempotency_key": "run-1/b", "tenant": "acme", "redrive": 0, "say": "a" })
    );
    assert_eq!(played.state.vars()["total"], "b");
    assert_eq!(played.state.results()["a"], json!({ "status": "done", "error": null, "value": "a" }));
    assert_eq!(played.ended, at(2));
}

#[test]
fn the_history_tells_what_was_done_with_what_and_what_came_of_it() {
    let played = Scripted::default().run(vec![when("i", lit(json!(true)), vec![act("a")], vec![])]);
    let told: Vec<_> =
        played.history.iter().map(|entry| (entry.what, entry.instance.as_ref().map(ToString::to_string))).collect();
    let (i, a) = (Some("i".to_owned()), Some("a".to_owned()));
    let expected = [
        (What::Started, None),
        (What::Entered, i.clone()),
        (What::Chosen, i),
        (What::Entered, a.clone()),
        (What::Attempted, a.clone()),
        (What::Done, a),
        (What::RunSucceeded, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(played.history[0].input, Some(input()));
    assert_eq!(played.history[2].output, Some(json!(0)));
    assert_eq!(played.history[4].input.as_ref().unwrap()["say"], "a");
    assert_eq!(played.history[5].output.as_ref().unwrap()["value"], "a");
}

#[test]
fn names_stand_for_fields_the_submission_the_run_and_variables() {
    let names = [
        (Root::Field("amount".into()), vec![], json!(12)),
        (Root::Field("missing".into()), vec![], json!(null)),
        (Root::Submission, vec!["author"], json!("ada")),
        (Root::Run, vec!["id"], json!("run-1")),
        (Root::Run, vec!["started"], json!("2026-11-26T08:00:00.000Z")),
        (Root::Var("total".into()), vec![], json!(0)),
        (Root::Step("never".into()), vec!["status"], json!(null)),
    ];
    for (root, path, value) in names {
        let played = Scripted::default().run(vec![telling("a", name(root.clone(), &path), OnError::Stop)]);
        assert_eq!(played.acts[0].call["say"], value, "{root:?}");
    }
}

#[test]
fn the_first_condition_that_holds_is_taken_and_null_does_not_hold() {
    let branches = |first, second| {
        let branches = vec![(lit(first), vec![act("one")]), (lit(second), vec![act("two")])];
        vec![step("i", Kind::If { branches, otherwise: vec![act("else")] }), act("after")]
    };
    let way = |first, second| {
        let played = Scripted::default().run(branches(first, second));
        played.acts.iter().map(|act| act.instance.step.clone()).collect::<Vec<_>>()
    };
    assert_eq!(way(json!(true), json!(true)), ["one", "after"]);
    assert_eq!(way(json!(null), json!(true)), ["two", "after"]);
    assert_eq!(way(json!(false), json!(null)), ["else", "after"]);
}

#[test]
fn a_switch_takes_the_first_case_that_is_equal() {
    let way = |value| {
        let cases = vec![(vec![json!("HR"), json!("IT")], vec![act("one")]), (vec![json!(3)], vec![act("three")])];
        let switch = Kind::Switch { value: lit(value), cases, otherwise: vec![act("else")] };
        Scripted::default().run(vec![step("s", switch)]).acts[0].instance.step.clone()
    };
    assert_eq!([way(json!("IT")), way(json!(3.0000000001)), way(json!(null))], ["one", "three", "else"]);
}

#[test]
fn stop_ends_the_run_well_wherever_it_stands() {
    let block = vec![when("i", lit(json!(true)), vec![step("s", Kind::Stop)], vec![]), act("never")];
    let played = Scripted::default().run(block);
    assert_eq!((played.state.status(), played.acts.len()), (Status::Succeeded, 0));
}

#[test]
fn blocks_of_a_parallel_run_at_the_same_time_and_their_results_are_seen_after_it() {
    let both = parallel("p", vec![vec![act("a"), act("b")], vec![act("c")], vec![]], OnError::Stop);
    let played = Scripted::default().run(vec![both, telling("d", result("b", "value"), OnError::Stop)]);
    assert_eq!(acts(&played), [("a".into(), 0), ("c".into(), 0), ("b".into(), 1), ("d".into(), 2)]);
    assert_eq!(played.acts[3].call["say"], "b");
    assert_eq!(played.state.results()["p"], json!({ "status": "done", "error": null }));
}

#[test]
fn items_are_worked_through_so_many_at_once_and_what_is_collected_is_in_their_order() {
    let lines = name(Root::Field("lines".into()), &[]);
    let first = telling("a", item(), OnError::Stop);
    let each = each("e", lines, 2, vec![first], Some(result("a", "value")));
    // The first item takes longest, so that it is through last.
    let slow = done(5, json!({ "status": "done", "value": "slow" }));
    let played = Scripted::default().says("a/0", [slow]).run(vec![each]);
    assert_eq!(acts(&played), [("a/0".into(), 0), ("a/1".into(), 0), ("a/2".into(), 1)]);
    assert_eq!(played.acts[2].call["say"], "c");
    assert_eq!(played.acts[2].call["idempotency_key"], "run-1/a/2");
    let expected = json!({ "status": "done", "error": null, "count": 3, "results": ["slow", "a/1", "a/2"] });
    assert_eq!(played.state.results()["e"], expected);
    assert!(!played.state.results().contains_key("a"), "results of items aren't seen after them");
}

#[test]
fn what_was_done_before_is_seen_from_inside_of_a_parallel_and_an_item() {
    let tells = |id: &str| telling(id, result("a", "value"), OnError::Stop);
    let nested = parallel("p", vec![vec![each("e", list(1), 1, vec![tells("b")], None)]], OnError::Stop);
    let played = Scripted::default().run(vec![act("a"), nested]);
    assert_eq!(played.acts[1].call["say"], "a");
}

#[test]
fn nested_items_are_told_apart_by_both_indices() {
    let inner = each("e2", list(2), 1, vec![telling("a", item(), OnError::Stop)], None);
    let played = Scripted::default().run(vec![each("e1", list(2), 2, vec![inner], None)]);
    let expected = [("a/0/0", 0), ("a/1/0", 0), ("a/0/1", 1), ("a/1/1", 1)];
    assert_eq!(acts(&played), expected.map(|(instance, second)| (instance.to_owned(), second)));
}

#[test]
fn a_list_that_is_empty_or_missing_has_no_items() {
    for list in [list(0), lit(json!(null))] {
        let played = Scripted::default().run(vec![each("e", list, 5, vec![act("a")], Some(lit(json!(1))))]);
        let expected = json!({ "status": "done", "error": null, "count": 0, "results": [] });
        assert_eq!(played.state.results()["e"], expected);
    }
}

#[test]
fn a_skipped_action_is_told_apart() {
    let skipped = done(1, json!({ "status": "skipped", "unknown": 1 }));
    let played = Scripted::default().says("a", [skipped]).run(vec![act("a")]);
    assert_eq!(played.state.results()["a"], json!({ "status": "skipped", "error": null, "value": null }));
    assert!(played.history.iter().any(|entry| entry.what == What::Skipped));
}

#[test]
fn a_record_is_told_how_many_hops_it_is_away_from_the_first_submission() {
    let mut record = act("a");
    if let Kind::Act(act) = &mut record.kind {
        act.action = crate::plan::Action::Record;
    }
    assert_eq!(Scripted::default().run(vec![record]).acts[0].call["hops"], 2);
}
