//! Runs that hold too much, and how much an ordinary one takes.

use serde_json::json;

use super::making::*;
use crate::{
    engine::{
        Command, MAX_DEPTH, MAX_STATE, MAX_STEPS, MAX_VALUE, MAX_WORK, RunState, Signal, Status, advance, pending,
        start,
    },
    expr::{Expr, Node, Template},
    plan::{Approval, Block, Kind, MAX_NESTING, OnError, Wait},
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
fn a_step_makes_so_many_values_on_its_way_and_no_more() {
    let large = "x".repeat(MAX_VALUE / 2);
    let many = Node::List(vec![lit(json!(large)); MAX_WORK / large.len() + 1]);
    let many = || Expr { node: many.clone(), ..list(0) };
    let told = |block: Block| {
        let played = Scripted::default().says("a", [done(1, json!({ "status": "done" }))]).run(block);
        let failure = played.state.failure().unwrap().clone();
        assert_eq!(failure.error, "Workflow.ValueTooLarge");
        assert!(failure.cause.contains("on the way to what `x` needs"), "{}", failure.cause);
        assert!(played.acts.is_empty() && played.state.vars()["total"] == 0, "{:?}", played.acts);
    };
    told(vec![set("x", "total", many())]);
    told(vec![telling("x", many(), OnError::Continue)]);
    told(vec![when("x", many(), vec![act("b")], vec![act("c")])]);
    told(vec![each("x", many(), 1, vec![act("b")], None)]);
    told(vec![each("x", list(1), 1, vec![], Some(many()))]);
    told(vec![step("x", Kind::Wait(Wait::For(many()))), act("b")]);
    told(vec![step("x", Kind::Fail { message: Template::Expr(many()) })]);
    let approvers = Approval { approvers: many(), title: text(), text: text(), deadline: 60, on_error: OnError::Stop };
    told(vec![step("x", Kind::Approval(approvers))]);
}

fn text() -> Template {
    Template::Literal(json!("May we?"))
}

#[test]
fn a_turn_that_has_made_enough_values_is_followed_by_another() {
    let large = || lit(json!("x".repeat(MAX_VALUE / 2)));
    let inside = || vec![set("s", "total", large())];
    let items = 3 * MAX_WORK / (MAX_VALUE / 2);
    let block =
        || vec![parallel("p", vec![vec![act("a")], vec![each("e", list(items), 1, inside(), None)]], OnError::Stop)];
    let mut told = Told::start(block());
    let woken: Vec<Command> =
        told.turn.commands.iter().filter(|one| matches!(one, Command::Wake { .. })).cloned().collect();
    let [Command::Wake { instance, attempt, due }] = woken.as_slice() else { panic!("{:?}", told.turn.commands) };
    assert_eq!((instance.step.as_str(), *due, told.turn.state.status()), ("s", now(), Status::Running));
    assert!(pending(&told.plan, &told.turn.state).contains(&woken[0]), "whoever lost it finds it again");
    let text = serde_json::to_string(&told.turn.state).unwrap();
    assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), told.turn.state);
    // What it is told meanwhile, and what doesn't fit, leaves it there.
    let due = |attempt| Signal::Due { instance: instance.clone(), attempt };
    assert!(told.tell(&due(1), 1).history.is_empty());
    let stopped = advance(&told.plan, told.turn.state.clone(), &Signal::Stop, at(1), &mut || 1.0);
    assert_eq!(stopped.state.status(), Status::Stopped);
    let done = told.tell(&is_done("a", 1), 1);
    assert!(done.commands.is_empty() && done.state.status() == Status::Running, "{:?}", done.commands);
    let next = told.tell(&due(*attempt), 2);
    assert!(!next.history.is_empty() && next.commands.len() == 1, "{:?}", next.commands);
    assert_ne!(next.commands[0].attempt(), *attempt);

    let played = Scripted::default().run(block());
    assert_eq!((played.state.status(), &played.state.results()["e"]["count"]), (Status::Succeeded, &json!(items)));
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
