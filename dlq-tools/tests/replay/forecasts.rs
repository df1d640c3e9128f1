//! What a plan says would become of a letter.

use std::time::Duration;

use sendoff_consumers::{Attempt, Class, DeadLetter, Status};
use sendoff_dlq_tools::{
    letter::{Edit, EventFacts, Facts, LedgerFacts, Letter, Shape},
    plan::{Action, Forecast, Seen, Wish, forecast},
};
use sendoff_events::Timestamp;

use super::event_id;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Timestamp {
    "2026-11-26T00:00:00Z".parse().unwrap()
}

fn letter() -> Letter {
    let long_ago = now() - DAY * 88;
    Letter {
        message: DeadLetter {
            message_id: "m-1".into(),
            body: "{}".into(),
            attributes: Default::default(),
            types: Default::default(),
            receive_count: 1,
            enqueued_at: now(),
            source: None,
            group: None,
        },
        facts: Facts {
            shape: Shape::Own,
            consumer: Some("email".into()),
            claims: None,
            event: Some(EventFacts {
                id: event_id(1),
                r#type: "app.assigned.v1".into(),
                tenant: "acme".into(),
                subject: "apps/crm/assignments/ada".into(),
                time: long_ago,
                correlation: "c-1".into(),
                causation: None,
                first_published: long_ago,
                sequence: Some(1),
            }),
            unreadable: None,
            failure: None,
            replays: 0,
            claim_check: None,
            first_sent_at: now(),
        },
        payload: None,
        ledger: None,
        edit: None,
    }
}

fn ledger(status: Status) -> LedgerFacts {
    LedgerFacts {
        status,
        attempts: 1,
        replay: 0,
        steps: Default::default(),
        history: Vec::new(),
        first_at: now(),
        updated_at: now(),
        doubted: false,
    }
}

fn edit() -> Edit {
    Edit { event: event_id(2), body: "{}".into(), by: "grace".into(), at: now(), how: Vec::new() }
}

fn wish() -> Wish {
    Wish { include: Vec::new(), force_rerun: false, max_replays: 3 }
}

/// What is forecast of a letter that may still have been forgotten in a day.
fn of(letter: &Letter, ledger: Option<&LedgerFacts>, newer: Option<u64>, unsendable: Option<&str>) -> Forecast {
    let seen = Seen { ledger, newer, replaced: false, unsendable, now: now(), keep: DAY * 90 };
    forecast(letter, &seen, &wish()).0
}

#[test]
fn a_letter_that_has_failed_or_of_which_nothing_is_known_runs() {
    assert_eq!(of(&letter(), None, None, None), Forecast::Run);
    assert_eq!(of(&letter(), Some(&ledger(Status::Failed)), None, None), Forecast::Run);
}

#[test]
fn a_letter_without_an_event_stays_unless_somebody_wants_it_sent() {
    let mut unreadable = letter();
    unreadable.facts.event = None;
    assert_eq!(of(&unreadable, None, None, None), Forecast::Unreadable);
    assert_eq!(wish().action(Forecast::Unreadable, false), Action::Leave);
    let wish = Wish { include: vec![Forecast::Unreadable], ..wish() };
    assert_eq!(wish.action(Forecast::Unreadable, false), Action::Send);
}

#[test]
fn what_was_opened_to_run_again_and_did_not_yet_is_done() {
    let mut opened = ledger(Status::Failed);
    let attempt = |reason: &str| Attempt {
        at: now(),
        class: Class::Resolved,
        reason: reason.into(),
        fingerprint: reason.into(),
        error: String::new(),
    };
    opened.history = vec![attempt("bad-template"), attempt("to-run-again")];
    assert_eq!(of(&letter(), Some(&opened), None, None), Forecast::Done);
    let mut edited = letter();
    edited.edit = Some(edit());
    assert_eq!(of(&edited, Some(&opened), None, None), Forecast::Done);
    // It ran, and failed.
    opened.history.push(attempt("bad-template"));
    assert_eq!(of(&letter(), Some(&opened), None, None), Forecast::Run);
}

#[test]
fn a_letter_whose_event_was_edited_in_another_one_stays() {
    let seen = |ledger| Seen { ledger, newer: None, replaced: true, unsendable: None, now: now(), keep: DAY * 90 };
    let (done, doubted) = (ledger(Status::Done), ledger(Status::InDoubt));
    assert_eq!(forecast(&letter(), &seen(None), &wish()).0, Forecast::Replaced);
    // Forced or not: its new event is there to be done.
    assert_eq!(forecast(&letter(), &seen(Some(&done)), &wish()).0, Forecast::Replaced);
    assert_eq!(forecast(&letter(), &seen(Some(&doubted)), &wish()).0, Forecast::InDoubt);
    let all = Wish { include: vec![Forecast::Replaced], force_rerun: true, ..wish() };
    assert_eq!(all.action(Forecast::Replaced, false), Action::Leave);
}

#[test]
fn what_is_done_overtaken_too_old_a_loop_or_unsendable_is_told_so() {
    assert_eq!(of(&letter(), Some(&ledger(Status::Done)), Some(9), None), Forecast::Done);
    assert_eq!(of(&letter(), None, Some(9), None), Forecast::Overtaken);
    assert_eq!(of(&letter(), Some(&ledger(Status::Failed)), Some(9), Some("a pointer only")), Forecast::Unsendable);
    let mut often = letter();
    often.facts.replays = 2;
    assert_eq!(of(&often, None, None, None), Forecast::Run);
    often.facts.replays = 3;
    assert_eq!(of(&often, None, Some(9), None), Forecast::Loop);
    // A day before its record may be forgotten it would be parked.
    let mut old = letter();
    if let Some(event) = &mut old.facts.event {
        event.first_published = now() - DAY * 89;
    }
    assert_eq!(of(&old, None, None, None), Forecast::Run, "not yet");
    if let Some(event) = &mut old.facts.event {
        event.first_published = now() - DAY * 89 - Duration::from_millis(1);
    }
    assert_eq!(of(&old, None, None, None), Forecast::TooOld);
}

#[test]
fn a_doubt_comes_before_everything_else() {
    let mut doubted = ledger(Status::Failed);
    doubted.doubted = true;
    let mut letter = letter();
    letter.facts.replays = 9;
    for ledger in [&ledger(Status::InDoubt), &doubted] {
        assert_eq!(of(&letter, Some(ledger), Some(9), Some("a pointer only")), Forecast::InDoubt);
    }
    letter.edit = Some(edit());
    assert_eq!(of(&letter, Some(&doubted), None, None), Forecast::InDoubt);
}

#[test]
fn an_edited_letter_is_sent_unless_it_is_done_as_it_was() {
    let mut letter = letter();
    letter.edit = Some(edit());
    letter.facts.replays = 9;
    assert_eq!(of(&letter, Some(&ledger(Status::Failed)), Some(9), None), Forecast::Edited);
    assert_eq!(of(&letter, Some(&ledger(Status::Done)), None, None), Forecast::Done);
}

#[test]
fn only_what_helps_is_sent_and_nothing_lets_a_doubt_be_sent() {
    let all = [
        Forecast::Run,
        Forecast::Edited,
        Forecast::LostBeforeItsTurn,
        Forecast::Done,
        Forecast::InDoubt,
        Forecast::Overtaken,
        Forecast::TooOld,
        Forecast::Loop,
        Forecast::Unsendable,
    ];
    let sent = |wish: &Wish, is_edited| -> Vec<Forecast> {
        all.into_iter().filter(|forecast| wish.action(*forecast, is_edited) == Action::Send).collect()
    };
    assert_eq!(sent(&wish(), false), all[..3]);
    let more = Wish { include: all.to_vec(), ..wish() };
    assert_eq!(sent(&more, false), [&all[..3], &all[5..8]].concat());
    let forced = Wish { force_rerun: true, ..more };
    assert_eq!(sent(&forced, false), [&all[..4], &all[5..8]].concat());
    assert_eq!(sent(&forced, true), [&all[..3], &all[5..8]].concat());
}
