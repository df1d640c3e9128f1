//! Waits and approvals.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::making::*;
use crate::{
    Type,
    engine::{Answer, Command, Decision, Failure, Signal, Status, What, pending},
    plan::{Kind, OnError, Wait},
};

fn until(when: Value, minute: u16) -> crate::plan::Step {
    let mut expr = lit(when);
    expr.ty = Type::Date;
    step("w", Kind::Wait(Wait::Until { when: expr, minute, zone: "Europe/Berlin".into() }))
}

fn woken(block: crate::plan::Block) -> Option<Timestamp> {
    Told::start(block).turn.commands.first().map(Command::due)
}

#[test]
fn a_wait_takes_as_many_seconds_as_it_says_and_a_year_at_most() {
    assert_eq!(woken(vec![wait("w", 90)]), Some(at(90)));
    assert_eq!(woken(vec![wait("w", i64::MAX)]), Some(at(365 * 86_400)));
    for nothing in [0, -5] {
        assert_eq!(woken(vec![wait("w", nothing), act("a")]), Some(at(0)), "the action's turn is now");
    }
}

#[test]
fn a_wait_until_a_date_or_a_moment_ends_then_and_the_past_does_not_wait() {
    assert_eq!(woken(vec![until(json!("2026-11-27"), 9 * 60)]), Some("2026-11-27T08:00:00Z".parse().unwrap()));
    let moment = "2026-11-26T08:00:01.500Z";
    assert_eq!(woken(vec![until(json!(moment), 0)]), Some(moment.parse().unwrap()));
    for far in ["2027-11-27", "2036-01-01", "9999-12-31", "9999-12-31T23:59:59.000Z"] {
        assert_eq!(woken(vec![until(json!(far), 0)]), Some(at(365 * 86_400)), "{far}: a year at most");
    }
    for nothing in [json!(null), json!("2026-11-26"), json!("2026-11-26T08:00:00.000Z")] {
        assert_eq!(woken(vec![until(nothing, 9 * 60)]), None);
    }
}

#[test]
fn a_wait_that_is_woken_too_early_asks_to_be_woken_again() {
    let mut told = Told::start(vec![wait("w", 10), act("a")]);
    let due = Signal::Due { instance: "w".parse().unwrap(), attempt: 1 };
    let state = told.turn.state.clone();
    assert_eq!(asked(&told.tell(&due, 9).commands), ["w 1"]);
    assert_eq!(told.turn.state, state);
    assert_eq!(asked(&told.tell(&due, 10).commands), ["a 1"]);
}

#[test]
fn whoever_decides_in_time_decides() {
    let mut world = Scripted { answer: Some(decides(60, Decision::Rejected)), ..Scripted::default() };
    let played = world.run(vec![approval("q", 3600, OnError::Stop)]);
    let expected = json!({ "status": "decided", "error": null, "decision": "rejected", "by": "bob", "comment": "well",
        "at": "2026-11-26T08:01:00.000Z" });
    assert_eq!(played.state.results()["q"], expected);
    assert_eq!(played.asks.len(), 1);
    assert_eq!(played.asks[0].approvers, ["ada", "bob"]);
    assert_eq!((&*played.asks[0].title, &*played.asks[0].text), ("May we?", ""));
    assert_eq!(played.asks[0].deadline, at(3600));
    assert_eq!(played.ended, at(60));
}

#[test]
fn an_approval_that_nobody_decides_expires() {
    for answer in [Answer::Nobody, decides(3600, Decision::Approved)] {
        let mut world = Scripted { answer: Some(answer), ..Scripted::default() };
        let played = world.run(vec![approval("q", 3600, OnError::Stop)]);
        let result = &played.state.results()["q"];
        assert_eq!((&result["status"], &result["decision"]), (&json!("expired"), &json!(null)));
        assert_eq!((played.state.status(), played.ended), (Status::Succeeded, at(3600)));
    }
}

#[test]
fn an_approval_that_cannot_be_asked_fails_as_an_action_does() {
    let failure = |error: &str| Answer::Failed(Failure { error: error.into(), cause: "nobody is known".into() });
    let mut world = Scripted { answer: Some(failure("Action.Permanent")), ..Scripted::default() };
    let played = world.run(vec![approval("q", 3600, OnError::Continue)]);
    let expected = json!({ "status": "failed", "error": "Action.Permanent", "decision": null, "by": null, "comment": null,
        "at": null });
    assert_eq!(played.state.results()["q"], expected);
    world.answer = Some(failure("Action.Transient"));
    let played = world.run(vec![approval("q", 3600, OnError::Stop)]);
    assert_eq!((played.state.status(), played.asks.len()), (Status::Failed, 5));
}

#[test]
fn an_approval_is_asked_for_anew_when_the_run_is_taken_up_again_and_the_decision_counts_then() {
    let both = parallel("p", vec![vec![approval("q", 3600, OnError::Stop)], vec![act("a")]], OnError::Stop);
    let mut told = Told::start(vec![both]);
    told.tell(&has_failed("a", 1, "Action.Permanent"), 1);
    let decided = Signal::Decided {
        instance: "q".parse().unwrap(),
        decision: Decision::Approved,
        by: "ada".into(),
        comment: None,
        at: at(2),
    };
    assert!(told.tell(&decided, 2).history.is_empty(), "it was given up");
    told.tell(&Signal::Redrive, 100);
    assert_eq!(told.asked(), ["q 2", "q 2", "a 2"]);
    assert_eq!(told.turn.commands[1].due(), at(3700));
    assert_eq!(pending(&told.plan, &told.turn.state), told.turn.commands);
    assert!(told.tell(&decided, 101).history.iter().any(|entry| entry.what == What::Decided));
    told.tell(&is_done("a", 2), 102);
    assert_eq!(told.turn.state.status(), Status::Succeeded);
}

#[test]
fn a_wait_beside_what_failed_goes_on_from_where_it_was() {
    let block = |seconds| vec![parallel("p", vec![vec![wait("w", seconds), act("b")], vec![act("a")]], OnError::Stop)];
    let mut told = Told::start(block(3600));
    told.tell(&has_failed("a", 1, "Action.Permanent"), 1);
    told.tell(&Signal::Redrive, 3000);
    assert_eq!((told.asked(), told.turn.commands[0].due()), (vec!["w 2".into(), "a 2".into()], at(3600)));
    let mut told = Told::start(block(60));
    told.tell(&has_failed("a", 1, "Action.Permanent"), 1);
    told.tell(&Signal::Redrive, 3000);
    assert_eq!(told.asked(), ["b 1", "a 2"], "what is over isn't waited for once more");
}
