//! Runs that hold too much, and how much an ordinary one takes.

use serde_json::json;

use super::making::*;
use crate::{
    engine::{MAX_DEPTH, MAX_STATE, MAX_STEPS, MAX_VALUE, RunState, Status, start},
    plan::{Block, Kind, MAX_NESTING, OnError},
};

fn failed(block: Block) -> String {
    let played = Scripted::default().run(block);
    assert_eq!(played.state.status(), Status::Failed);
    played.state.failure().unwrap().error.clone()
}

#[test]
fn a_list_may_have_ten_thousand_items() {
    let played = Scripted::default().run(vec![each("e", list(10_000), 1, vec![set("s", "total", item())], None)]);
    assert_eq!(played.state.results()["e"]["count"], 10_000);
    assert_eq!(failed(vec![each("e", list(10_001), 1, vec![act("a")], None)]), "Workflow.TooManyItems");
}

#[test]
fn a_list_that_is_too_long_ends_the_run_whatever_its_step_says_as_in_a_state_machine() {
    let mut each = each("e", list(10_001), 1, vec![act("a")], None);
    let Kind::ForEach { on_error, .. } = &mut each.kind else { panic!("{each:?}") };
    *on_error = OnError::Continue;
    assert_eq!(failed(vec![each, act("b")]), "Workflow.TooManyItems");
}

#[test]
fn a_run_comes_to_so_many_steps_and_no_more() {
    let inner = each("e2", list(1_000), 1, vec![set("s", "total", item())], None);
    let block = vec![each("e1", list(1_000), 1, vec![inner], None)];
    let played = Scripted::default().run(block);
    assert_eq!(played.state.failure().unwrap().error, "Workflow.TooManySteps");
    assert!(played.history.len() <= 2 * MAX_STEPS as usize + 10);
}

#[test]
fn a_value_that_is_too_large_fails_the_run_whatever_its_step_says() {
    let large = "x".repeat(MAX_VALUE);
    let answer = done(1, json!({ "status": "done", "value": large }));
    let played = Scripted::default().says("a", [answer]).run(vec![telling("a", lit(json!("a")), OnError::Continue)]);
    assert_eq!(played.state.failure().unwrap().error, "Workflow.ValueTooLarge");
    assert_eq!(failed(vec![set("s", "total", lit(json!(large)))]), "Workflow.ValueTooLarge");
    assert_eq!(failed(vec![telling("a", lit(json!(large)), OnError::Continue)]), "Workflow.ValueTooLarge");
    let input = json!({ "fields": { "text": large } });
    assert_eq!(start(&plan(vec![]), "run-1", &input, now()).unwrap_err().error, "Workflow.ValueTooLarge");
}

#[test]
fn what_fits_by_itself_may_be_too_large_with_what_goes_the_same_way() {
    let half = "x".repeat(MAX_VALUE / 2);
    let answer = || [done(1, json!({ "status": "done", "value": half }))];
    let branches = vec![vec![act("a")], vec![act("b")]];
    let mut world = Scripted::default().says("a", answer()).says("b", answer());
    let played = world.run(vec![parallel("p", branches, OnError::Continue)]);
    let failure = played.state.failure().unwrap();
    assert_eq!(failure.error, "Workflow.ValueTooLarge");
    assert!(failure.cause.contains("branches of `p`"), "{}", failure.cause);
    let both = ["one", "other"].map(|name| (name.to_owned(), lit(json!(half)))).into();
    assert_eq!(failed(vec![step("s", Kind::Set(both))]), "Workflow.ValueTooLarge");
    let mut large = plan(vec![]);
    large.vars.get_mut("total").unwrap().initial = json!(half);
    let input = json!({ "fields": { "text": half } });
    assert_eq!(start(&large, "run-1", &input, now()).unwrap_err().error, "Workflow.ValueTooLarge");
    assert!(start(&plan(vec![]), "run-1", &input, now()).is_ok());
    let mut one = Scripted::default().says("a", answer());
    assert_eq!(
        one.run(vec![parallel("p", vec![vec![act("a")], vec![act("b")]], OnError::Stop)]).state.status(),
        Status::Succeeded
    );
}

#[test]
fn a_state_that_would_be_too_large_stays_as_it_was_and_fails() {
    let answer = || done(1, json!({ "status": "done", "value": "x".repeat(MAX_VALUE / 2) }));
    let ids: Vec<String> = (0..10).map(|n| format!("s{n}")).collect();
    let mut world = ids.iter().fold(Scripted::default(), |world, id| world.says(id, [answer()]));
    let played = world.run(ids.iter().map(|id| act(id)).collect());
    assert_eq!(played.state.failure().unwrap().error, "Workflow.StateTooLarge");
    let state = serde_json::to_vec(&played.state).unwrap();
    assert!(state.len() < MAX_STATE + 1000 && state.len() > MAX_STATE / 2, "{}", state.len());
}

#[test]
fn a_state_can_be_read_again_however_deep_its_plan_and_its_values_may_be() {
    // The deepest value that a result may hold: the result is an object itself.
    let nested = |depth| (0..depth).fold(json!(1), |inside, _| json!([inside]));
    let deepest = |id: &str, depth| each(id, list(1), 1, vec![], Some(lit(nested(depth))));
    assert_eq!(failed(vec![deepest("x", MAX_DEPTH - 1)]), "Workflow.ValueTooLarge");
    let mut inside = vec![deepest("x", MAX_DEPTH - 2), act("a")];
    for n in 1..MAX_NESTING {
        inside = vec![each(&format!("n{n}"), list(1), 1, inside, None)];
    }
    let state = Told::start(inside).turn.state;
    assert_eq!(state.status(), Status::Running);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state);
}

#[test]
fn an_ordinary_run_remembers_little() {
    let block: Block = (0..10).map(|n| act(&format!("step_{n}"))).collect();
    let mut told = Told::start(block);
    let mut most = 0;
    for n in 0..10 {
        most = most.max(serde_json::to_vec(&told.turn.state).unwrap().len());
        told.tell(&is_done(&format!("step_{n}"), 1), n);
    }
    assert_eq!(told.turn.state.status(), Status::Succeeded);
    assert!(most < 2_000, "{most} bytes");
}
