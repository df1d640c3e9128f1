//! The examples as they are carried out: the way each takes, and what it says to the world.

#![expect(clippy::unwrap_used, reason = "a test whose stage can't be set fails loudly")]

use std::{fs, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use sendoff_workflows::{
    Plan,
    engine::{
        ActCommand, Answer, AskCommand, Decision, Failure, Outcome, Played, Reply, RunState, Signal, Status, World,
        advance, carry_on, virtual_run,
    },
};
use serde_json::{Value, json};

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn now() -> Timestamp {
    "2026-11-26T08:00:00Z".parse().unwrap()
}

/// The plan of an example, and the input of a run of it, with these fields changed.
fn example(name: &str, changed: Value) -> (Plan, Value) {
    let plan = Plan::read(&read(&format!("{name}.yaml"))).unwrap();
    let submission: Value = serde_json::from_str(&read(&format!("{name}.submission.json"))).unwrap();
    let mut fields = submission["fields"].as_object().unwrap().clone();
    fields.extend(changed.as_object().unwrap().clone());
    let input = json!({
        "tenant": "acme", "workflow": plan.name, "version": 1, "hops": 1,
        "trigger": { "kind": "created", "event_id": null },
        "submission": { "app": submission["app_id"], "id": submission["submission_id"], "author": submission["author_id"],
            "revision": submission["revision"] },
        "fields": plan.input_fields(&fields).unwrap(),
    });
    (plan, input)
}

/// A world in which everything goes well but for the steps that are named, and everybody decides as they are told.
struct Office {
    broken: Vec<&'static str>,
    decides: Option<Decision>,
}

impl World for Office {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let reply = if self.broken.contains(&&*act.instance.step) {
            Reply::Failed(Failure { error: "Action.Permanent".into(), cause: "it is broken".into() })
        } else {
            let payout = json!({ "payout": "p-7", "on": "2026-12-01" });
            let message = ["email", "sms", "whatsapp", "push"].iter().any(|channel| act.call["action"] == *channel);
            let status = if message { "sent" } else { "done" };
            Reply::Done(json!({ "status": status, "provider": "p", "code": 200, "response": payout, "rows": [] }))
        };
        Outcome { after: SignedDuration::from_secs(1), reply }
    }

    fn ask(&mut self, _: &AskCommand) -> Answer {
        let decided = |decision| Answer::Decided {
            after: SignedDuration::from_hours(3),
            decision,
            by: "grace".into(),
            comment: Some("as usual".into()),
        };
        self.decides.map_or(Answer::Nobody, decided)
    }
}

fn play(name: &str, changed: Value, world: &mut Office) -> Played {
    let (plan, input) = example(name, changed);
    virtual_run(&plan, "run-1", &input, now(), world).unwrap()
}

fn way(played: &Played) -> Vec<String> {
    played.acts.iter().map(|act| act.instance.to_string()).collect()
}

#[test]
fn an_expense_that_the_manager_approves_is_paid_and_told() {
    let mut office = Office { broken: vec![], decides: Some(Decision::Approved) };
    let played = play("expense-approval", json!({}), &mut office);
    assert_eq!(played.state.status(), Status::Succeeded);
    assert_eq!(way(&played), ["pay", "tell"]);
    assert_eq!(played.asks[0].approvers, ["grace"]);
    assert_eq!(played.asks[0].title, "Expense over 129.9 EUR");
    let pay = &played.acts[0].call;
    assert_eq!((&pay["body"]["amount"], &pay["body"]["account"]), (&json!(129.9), &json!("6650")));
    assert_eq!(pay["idempotency_key"], "run-1/pay");
    assert_eq!(played.acts[1].call["text"], "You get 129.9 EUR by 2026-12-01 (payout p-7).");
}

#[test]
fn a_large_expense_goes_to_the_board_and_one_that_is_refused_or_forgotten_is_not_paid() {
    let mut office = Office { broken: vec![], decides: Some(Decision::Approved) };
    let large = play("expense-approval", json!({ "amount": 6000 }), &mut office);
    assert_eq!((large.asks.len(), way(&large)), (2, vec!["pay".to_owned(), "tell".to_owned()]));
    for (decides, text) in [(Some(Decision::Rejected), "was refused."), (None, "was not decided in time.")] {
        let played = play("expense-approval", json!({}), &mut Office { broken: vec![], decides });
        assert_eq!(way(&played), ["tell_refused"]);
        let said = played.acts[0].call["text"].as_str().unwrap();
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn a_payout_that_failed_is_taken_up_again_without_asking_the_manager_again() {
    let (plan, input) = example("expense-approval", json!({}));
    let mut office = Office { broken: vec!["pay"], decides: Some(Decision::Approved) };
    let failed = virtual_run(&plan, "run-1", &input, now(), &mut office).unwrap();
    assert_eq!(failed.state.status(), Status::Failed);
    let state: RunState = serde_json::from_str(&serde_json::to_string(&failed.state).unwrap()).unwrap();
    office.broken.clear();
    let turn = advance(&plan, state, &Signal::Redrive, failed.ended, &mut || 0.5);
    let played = carry_on(&plan, turn, failed.ended, &mut office);
    assert_eq!((played.state.status(), played.asks.len()), (Status::Succeeded, 0));
    assert_eq!(way(&played), ["pay", "tell"]);
    let call = |played: &Played| {
        let mut call = played.acts[0].call.clone();
        call["redrive"].take();
        call
    };
    assert_eq!(call(&failed), call(&played), "in the same words, so that it is done once");
}

#[test]
fn every_example_comes_to_its_end_whatever_fails_for_good() {
    for name in ["customer-feedback", "expense-approval", "field-service", "inventory-reorder", "leave-request"] {
        let (plan, input) = example(name, json!({}));
        let well = || Office { broken: vec![], decides: Some(Decision::Approved) };
        let played = virtual_run(&plan, "run-1", &input, now(), &mut well()).unwrap();
        assert_eq!(played.state.status(), Status::Succeeded, "{name}: {:?}", played.state.failure());
        assert!(!played.acts.is_empty(), "{name}");
        for act in &played.acts {
            let broken: &'static str = Box::leak(act.instance.step.clone().into_boxed_str());
            let mut office = Office { broken: vec![broken], ..well() };
            let failed = virtual_run(&plan, "run-1", &input, now(), &mut office).unwrap();
            assert_ne!(failed.state.status(), Status::Running, "{name} without {broken}");
            if failed.state.status() == Status::Failed {
                let turn = advance(&plan, failed.state, &Signal::Redrive, failed.ended, &mut || 0.5);
                let again = carry_on(&plan, turn, failed.ended, &mut well());
                assert_eq!(again.state.status(), Status::Succeeded, "{name} without {broken}");
            }
        }
    }
}

#[test]
fn what_a_submission_says_is_text_in_the_html_of_a_mail_and_what_the_author_wrote_is_html() {
    let plan = Plan::read(
        "workflow: test\napp: crm\nfields: { name: text, note: text, amount: number, paid: boolean, due: date }\n\
         on: [{ manual: true }]\nsteps:\n  - id: mail\n    email:\n      to: { user: ada }\n      subject: '{{ {name} }}'\n      \
         text: '{{ {name} }} {{ {note} }} {{ {amount} }} {{ {paid} }} {{ {due} }}'\n      \
         html: '<p title=\"x\">{{ {name} }} {{ {note} }} {{ {amount} }} {{ {paid} }} {{ {due} }}</p>'\n  \
         - { id: alone, email: { to: { user: ada }, subject: S, text: T, html: '{{ {name} }}' } }\n  \
         - { id: number, email: { to: { user: ada }, subject: S, text: T, html: '{{ {amount} }}' } }\n  \
         - { id: nothing, email: { to: { user: ada }, subject: S, text: T, html: '{{ {note} }}' } }\n  \
         - { id: written, email: { to: { user: ada }, subject: S, text: T, html: '<b>&amp;</b>' } }\n",
    )
    .unwrap();
    let fields = json!({ "name": "</p><b>&\"'&lt;", "note": null, "amount": -12.5, "paid": true, "due": "2026-12-01" });
    let input = json!({
        "tenant": "acme", "workflow": "test", "version": 1, "hops": 1, "submission": null,
        "trigger": { "kind": "manual", "event_id": null }, "fields": plan.input_fields(fields.as_object().unwrap()).unwrap(),
    });
    let mut office = Office { broken: vec![], decides: None };
    let played = virtual_run(&plan, "run-1", &input, now(), &mut office).unwrap();
    let html = |index: usize| played.acts[index].call["html"].as_str().unwrap();
    let escaped = "&lt;/p&gt;&lt;b&gt;&amp;&quot;&#39;&amp;lt;";
    assert_eq!(html(0), format!("<p title=\"x\">{escaped}  -12.5 true 2026-12-01</p>"));
    assert_eq!([html(1), html(2), html(3), html(4)], [escaped, "-12.5", "", "<b>&amp;</b>"]);
    let call = &played.acts[0].call;
    assert_eq!((&call["subject"], &call["text"]), (&fields["name"], &json!("</p><b>&\"'&lt;  -12.5 true 2026-12-01")));
}
