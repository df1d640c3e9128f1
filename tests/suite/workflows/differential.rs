//! The same way through a workflow, with the same calls, on the engine and as a state machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, thread,
};

use jiff::SignedDuration;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sendoff_workflows::{
    Definition, Plan, Type, arbitrary,
    asl::{self, Functions, Output},
    engine::{Played, Status, What, virtual_run},
    plan::{Kind, Wait},
};
use serde_json::{Map, Value, json};

use super::{
    interpreter::Interpreter,
    outcomes::{Scripted, all_steps},
};

/// How many cases are run: what `SENDOFF_WORKFLOW_CASES` says, or so many that 500 are compared.
#[expect(clippy::disallowed_methods, reason = "it is a setting of this test, not of the program")]
fn cases() -> u32 {
    env::var("SENDOFF_WORKFLOW_CASES").map_or(560, |cases| cases.parse().expect("SENDOFF_WORKFLOW_CASES is a number"))
}

/// What has been seen in all cases, so that nobody believes in 500 empty workflows.
#[derive(Default)]
struct Seen {
    cases: u32,
    /// Where it was a matter of time which of several failures was the first.
    racing: u32,
    kinds: BTreeMap<&'static str, u32>,
    whats: BTreeMap<String, u32>,
    failed: u32,
}

#[test]
#[expect(clippy::print_stdout, reason = "what was compared is the figure that is asked for")]
fn the_engine_and_a_state_machine_take_the_same_way_with_the_same_calls() {
    let each = cases() / 2;
    let workers: Vec<_> = [1u8, 2].map(|seed| thread::spawn(move || compare(each, seed))).into();
    let seen = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    let seen = seen.fold(Seen::default(), |mut all, one| {
        all.cases += one.cases;
        all.racing += one.racing;
        all.failed += one.failed;
        one.kinds.into_iter().for_each(|(kind, n)| *all.kinds.entry(kind).or_default() += n);
        one.whats.into_iter().for_each(|(what, n)| *all.whats.entry(what).or_default() += n);
        all
    });
    println!(
        "{} workflows, {} of them failed in the end; steps {:?}; in their histories {:?}; {} were left out, since several \
         steps failed at the same time",
        seen.cases, seen.failed, seen.kinds, seen.whats, seen.racing
    );
    let compared = seen.cases - seen.racing;
    assert!(compared * 28 >= cases() * 25, "too many are left out: {compared} of {} were compared", seen.cases);
    let actions = ["email", "sms", "whatsapp", "push", "http", "database", "record"];
    for kind in actions.into_iter().chain([
        "if",
        "switch",
        "parallel",
        "for_each",
        "wait for",
        "wait until",
        "approval",
        "set",
        "stop",
        "fail",
    ]) {
        assert!(seen.kinds.contains_key(kind), "no workflow had a step of the kind `{kind}`");
    }
    for what in [What::Retrying, What::Failed, What::Decided, What::Expired, What::Waiting, What::GivenUp, What::Chosen]
    {
        assert!(seen.whats.contains_key(&format!("{what:?}")), "in no run anything was {what:?}");
    }
    assert!(seen.failed > 0 && seen.failed < seen.cases);
}

/// Runs so many cases. Two workers with two numbers find twice as much in the same time.
fn compare(cases: u32, seed: u8) -> Seen {
    let mut interpreter = Interpreter::start();
    let mut seen = Seen::default();
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    // The interpreter is one process: cases come one after the other, and shrinking asks it too.
    let (interpreter, seen_in) = (std::cell::RefCell::new(&mut interpreter), std::cell::RefCell::new(&mut seen));
    let result = runner.run(&(arbitrary::cases(12), proptest::prelude::any::<u64>()), |(case, world)| {
        let plan = Definition::of(case.definition).and_then(|definition| Plan::of(&definition));
        let plan = plan.map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        one(&plan, &case.fields, world, &mut interpreter.borrow_mut(), &mut seen_in.borrow_mut())
            .map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, (case, world))) => {
            let definition = serde_json::to_string_pretty(&case.definition).expect("JSON");
            panic!("{why}\nin the world {world} with {}\nof the workflow {definition}", json!(case.fields))
        }
        Err(error) => panic!("{error}"),
    }
    seen
}

fn one(
    plan: &Plan,
    fields: &Map<String, Value>,
    seed: u64,
    other: &mut Interpreter,
    seen: &mut Seen,
) -> Result<(), String> {
    const RUN: &str = "run-1";
    let fields = plan.input_fields(fields).map_err(|problems| problems.to_string())?;
    let input = json!({
        "tenant": "acme", "workflow": plan.name, "version": 1, "hops": 1, "fields": fields,
        "trigger": { "kind": "submission.created", "event_id": "e-1" },
        "submission": { "app": plan.app, "id": "s-1", "author": "ada", "revision": 1 },
    });
    let now = "2026-01-05T08:00:00Z".parse().expect("a moment");
    let mut world = Scripted::new(plan, RUN, seed);
    let played = virtual_run(plan, RUN, &input, now, &mut world).map_err(|failure| failure.cause)?;
    world.go_on();
    let machine =
        asl::compile(plan, &Functions::placeholders(), Output::Everything).map_err(|problems| problems.to_string())?;
    let case = json!({ "name": RUN, "definition": machine, "input": input, "script": world.script });
    let outcome = other.ask(&case);
    note(seen, plan, &played);
    match agree(plan, &played, &world, &outcome) {
        Agreed::Yes => Ok(()),
        Agreed::Racing => {
            seen.racing += 1;
            Ok(())
        }
        Agreed::No(why) => Err(format!(
            "{why}\nthe engine: {:?} {:?} {}\nthe state machine: {outcome}",
            played.state.status(),
            played.state.failure(),
            json!(world.calls)
        )),
    }
}

enum Agreed {
    Yes,
    Racing,
    No(String),
}

fn agree(plan: &Plan, played: &Played, world: &Scripted<'_>, outcome: &Value) -> Agreed {
    let given_up = given_up(plan, played);
    let mut failing_there = 0;
    all_steps(&plan.block, &mut |step| failing_there += usize::from(given_up.contains(&*step.id) && world.fails(step)));
    let status = match played.state.status() {
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        other => return Agreed::No(format!("the engine has come to no end: {other:?}")),
    };
    let compared = (|| {
        same("status", &json!(status), &outcome["status"])?;
        if let Some(failure) = played.state.failure() {
            same("error", &json!(failure.error), &outcome["error"])?;
        }
        calls(&world.calls, &outcome["calls"], &given_up)?;
        if status == "succeeded" {
            let (vars, results) = (json!(played.state.vars()), played.state.results());
            same("variables", &vars, &outcome["output"]["vars"])?;
            let theirs = outcome["output"]["results"].as_object().cloned().unwrap_or_default();
            for (step, result) in &theirs {
                same(&format!("result of `{step}`"), results.get(step).unwrap_or(&Value::Null), result)?;
            }
        }
        lengths(plan, played, &outcome["lengths"], &given_up)?;
        moments(plan, played, &outcome["moments"], &given_up)
    })();
    match compared {
        Ok(()) => Agreed::Yes,
        // What comes after may well follow from which of them was the first.
        Err(_) if failing_there > 1 => Agreed::Racing,
        Err(why) => Agreed::No(why),
    }
}

/// The steps inside of what has failed with others at the same time: how far they came is a matter of time.
fn given_up(plan: &Plan, played: &Played) -> BTreeSet<String> {
    let failed: BTreeSet<&str> = played
        .history
        .iter()
        .filter(|entry| matches!(entry.what, What::Failed | What::GivenUp))
        .filter_map(|entry| entry.instance.as_ref().map(|instance| &*instance.step))
        .collect();
    let mut inside = BTreeSet::new();
    all_steps(&plan.block, &mut |step| {
        let mut note = |block| {
            all_steps(block, &mut |step| {
                inside.insert(step.id.clone());
            })
        };
        if failed.contains(&*step.id) {
            match &step.kind {
                Kind::Parallel { branches, .. } => branches.iter().for_each(note),
                Kind::ForEach { block, .. } => note(block),
                _ => {}
            }
        }
    });
    inside
}

/// Compares calls by their keys, and those of each key in order.
fn calls(ours: &BTreeMap<String, Vec<Value>>, theirs: &Value, given_up: &BTreeSet<String>) -> Result<(), String> {
    let none = Map::new();
    let theirs = theirs.as_object().unwrap_or(&none);
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        let ours = ours.get(key).map_or(&[][..], Vec::as_slice);
        let theirs: Vec<Value> = theirs.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let step = key.split('/').nth(1).unwrap_or_default();
        if ours.len() != theirs.len() && !given_up.contains(step) {
            return Err(format!(
                "`{key}` was called {} times by the engine, {} times by the state machine",
                ours.len(),
                theirs.len()
            ));
        }
        for (our, their) in ours.iter().zip(&theirs) {
            if their["action"] == "approval" {
                // The engine leaves out who isn't named, the machine leaves that to the action.
                let approvers: Vec<&Value> =
                    their["approvers"].as_array().into_iter().flatten().filter(|one| !one.is_null()).collect();
                let asked = json!({ "approvers": approvers, "title": their["title"], "text": their["text"] });
                same(&format!("what `{key}` asks"), our, &asked)?;
            } else {
                same(&format!("the call `{key}`"), our, their)?;
            }
        }
    }
    Ok(())
}

/// How long it is waited where no moment is named.
fn lengths(plan: &Plan, played: &Played, theirs: &Value, given_up: &BTreeSet<String>) -> Result<(), String> {
    let mut of_a_length = BTreeSet::new();
    all_steps(&plan.block, &mut |step| {
        if let Kind::Wait(Wait::For(_)) = &step.kind {
            of_a_length.insert(&*step.id);
        }
    });
    // Whether what is given up waited before is a matter of time.
    if of_a_length.iter().any(|step| given_up.contains(*step)) {
        return Ok(());
    }
    let waits = played.history.iter().filter(|entry| {
        let is_one = entry.instance.as_ref().is_some_and(|instance| of_a_length.contains(&*instance.step));
        entry.what == What::Waiting && is_one
    });
    let ours = waits.map(|entry| {
        let until = entry.output.as_ref().and_then(Value::as_str).unwrap_or_default();
        let until: jiff::Timestamp = until.parse().expect("a wait has an end");
        until.duration_since(entry.at).as_secs_f64()
    });
    let mut ours: Vec<f64> = ours.filter(|seconds| *seconds > 0.0).collect();
    let theirs = theirs.as_array().into_iter().flatten().filter_map(Value::as_f64);
    let mut theirs: Vec<f64> = theirs.filter(|seconds| *seconds > 0.0).collect();
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    same("the lengths of waits", &json!(ours), &json!(theirs))
}

/// The moments that times of the day are, reckoned by the engine's library and by another.
fn moments(plan: &Plan, played: &Played, theirs: &Value, given_up: &BTreeSet<String>) -> Result<(), String> {
    let mut by_date = BTreeSet::new();
    all_steps(&plan.block, &mut |step| {
        if let Kind::Wait(Wait::Until { when, .. }) = &step.kind
            && when.ty == Type::Date
            && !given_up.contains(&step.id)
        {
            by_date.insert(&*step.id);
        }
    });
    let theirs: BTreeSet<&str> = theirs.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for entry in played.history.iter().filter(|entry| entry.what == What::Waiting) {
        let is_by_date = entry.instance.as_ref().is_some_and(|instance| by_date.contains(&*instance.step));
        let until = entry.output.as_ref().and_then(Value::as_str).unwrap_or_default();
        // What is farther away than a year is cut to that, by the machine where it waits.
        let year = entry.at.saturating_add(SignedDuration::from_hours(365 * 24)).expect("a moment of this age");
        let is_cut = until == format!("{year:.3}") && theirs.iter().any(|moment| *moment > until);
        if is_by_date && !is_cut && !theirs.contains(until) {
            return Err(format!("the engine waits until {until}; the moments of the state machine are {theirs:?}"));
        }
    }
    Ok(())
}

fn same(what: &str, ours: &Value, theirs: &Value) -> Result<(), String> {
    if is_same(ours, theirs) {
        Ok(())
    } else {
        Err(format!("{what}: the engine has {ours}, the state machine {theirs}"))
    }
}

/// Equal as JSON, where 2 and 2.0 are the same number.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn note(seen: &mut Seen, plan: &Plan, played: &Played) {
    seen.cases += 1;
    seen.failed += u32::from(played.state.status() == Status::Failed);
    let came_to: BTreeSet<&str> =
        played.history.iter().filter_map(|entry| entry.instance.as_ref().map(|instance| &*instance.step)).collect();
    all_steps(&plan.block, &mut |step| {
        if came_to.contains(&*step.id) {
            *seen.kinds.entry(kind(&step.kind)).or_default() += 1;
        }
    });
    for entry in &played.history {
        *seen.whats.entry(format!("{:?}", entry.what)).or_default() += 1;
    }
}

const fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Act(act) => act.action.name(),
        Kind::If { .. } => "if",
        Kind::Switch { .. } => "switch",
        Kind::Parallel { .. } => "parallel",
        Kind::ForEach { .. } => "for_each",
        Kind::Wait(Wait::For(_)) => "wait for",
        Kind::Wait(Wait::Until { .. }) => "wait until",
        Kind::Approval(_) => "approval",
        Kind::Set(_) => "set",
        Kind::Stop => "stop",
        Kind::Fail { .. } => "fail",
    }
}
