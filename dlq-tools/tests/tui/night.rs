//! A night on call, at the screen.

use std::{path::PathBuf, time::Duration};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sendoff_dlq_tools::{Session, dlq_at};
use sendoff_host::{Exit, Stopped};

use super::{Script, console::key};
use crate::transcripts::{Screen, scenario::Scenario};

/// The first 8 digits of the hash on the screen, and enter.
fn hash(screen: &str) -> Vec<KeyEvent> {
    let hash = screen.lines().find_map(|line| line.strip_prefix("hash ")).unwrap();
    let digits = hash.chars().take(8).map(KeyCode::Char);
    digits.chain([KeyCode::Enter]).map(|code| KeyEvent::new(code, KeyModifiers::NONE)).collect()
}

async fn at(scenario: &Scenario, arguments: &[&str], script: &mut Script) -> (Result<Exit, Stopped>, String) {
    let screen = Screen::default();
    let session = scenario.session(&screen);
    (with(session, arguments, script).await, screen.text())
}

async fn with(mut session: Session, arguments: &[&str], script: &mut Script) -> Result<Exit, Stopped> {
    let arguments = [&["dlq", "tui"], arguments].concat();
    dlq_at(arguments.into_iter().map(Into::into), &mut session, script).await
}

async fn letters(scenario: &Scenario) -> usize {
    let store = scenario.open();
    let letters = store.dead_letter_queues().read("email-dlq", None, 1000).await.unwrap().unwrap();
    store.shutdown().await;
    letters.len()
}

async fn audit(scenario: &Scenario) -> Vec<(String, String)> {
    let store = scenario.open();
    let entries = store.audit().entries(0, 1000).await.unwrap();
    store.shutdown().await;
    entries.into_iter().map(|entry| (entry.note.action, entry.note.because)).collect()
}

async fn waiting(scenario: &Scenario) -> usize {
    let store = scenario.open();
    let queue = store.queue("email").await.unwrap();
    let waiting = queue.receive(100, Duration::ZERO, Duration::from_secs(1)).await.unwrap().len();
    store.shutdown().await;
    waiting
}

#[tokio::test]
async fn a_group_is_looked_at_planned_and_replayed() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["enter"])
        .when("6 letters", &["enter"])
        .when("shape       own", &["esc"])
        .when("6 letters", &["p"])
        .when("carry it out", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .when("the lists still show", &["q"]);
    let (ended, told) = at(&scenario, &["email", "--canary", "0"], &mut script).await;
    // Nobody serves the consumer.
    assert_eq!(ended.unwrap(), Exit::Partly, "{told}");
    assert!(told.contains("the end of 6 letters isn't known"), "{told}");
    assert!(script.is_over());
    let letter = script.with("shape       own");
    assert!(letter.contains("letter 1\n") && letter.contains("subject     apps/crm/assignments/ada"), "{letter}");
    assert!(
        script.with("carry it out").contains("run       6        sent  it runs"),
        "{}",
        script.with("carry it out")
    );
    assert!(script.with("6 of 6 sent").contains("ended"));
    assert_eq!((letters(&scenario).await, waiting(&scenario).await), (4, 6));
    let audit = audit(&scenario).await;
    assert_eq!(audit[0], ("replay".to_owned(), String::new()));
    assert_eq!(audit[1].1, "finished: 6 of 6 moved, 0 returned, 0 skipped, 0 gone, 0 ambiguous, 0 waiting");
    assert_eq!(audit.len(), 2);
    assert!(told.contains("moved    6"), "{told}");
}

#[tokio::test]
async fn only_marked_letters_are_planned_and_another_hash_does_nothing() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["enter"])
        .when("6 letters", &[" ", " ", "p"])
        .when("sends 2 letters", &["enter"])
        .types("the first 8 digits of the hash", "00000000")
        .when("00000000_", &["enter"])
        .when("that isn't the plan's hash", &["q"]);
    let (ended, _) = at(&scenario, &["email"], &mut script).await;
    assert_eq!(ended.unwrap(), Exit::Done);
    assert!(script.is_over());
    assert_eq!((letters(&scenario).await, audit(&scenario).await), (10, vec![]));
}

#[tokio::test]
async fn a_condition_chooses_and_one_that_makes_no_sense_is_told_with_its_place() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["/"])
        .types("where: _", "data.app_id == \"erp\"")
        .when("erp\"_", &["enter"])
        .when("2 letters in 1 group", &["/"])
        .types("where: data", " &&")
        .when("&&_", &["enter"])
        .when("--where", &["P"])
        .when("sends 2 letters", &["q"]);
    let (ended, told) = at(&scenario, &["email"], &mut script).await;
    assert_eq!(ended.unwrap(), Exit::Done, "{told}");
    assert!(script.is_over());
}

#[tokio::test]
async fn a_run_that_is_left_is_paused_first_and_can_be_gone_on_with() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["p"])
        .when("carry it out", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .when("1 of 6 sent", &[" "])
        .when("paused", &["esc"])
        .when("the run goes on", &["q"]);
    let (ended, told) = at(&scenario, &["email", "--watch", "10h"], &mut script).await;
    assert_eq!(ended.unwrap(), Exit::Partly, "{told}");
    assert!(script.is_over());
    assert!(told.contains("go on with `dlq resume "), "{told}");
    assert_eq!((letters(&scenario).await, waiting(&scenario).await), (9, 1));
    assert_eq!(audit(&scenario).await.len(), 2);
}

#[tokio::test]
async fn a_run_whose_terminal_goes_away_is_paused_and_not_dropped() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["p"])
        .when("carry it out", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .when("1 of 6 sent", &[]);
    let (ended, told) = at(&scenario, &["email", "--watch", "10h"], &mut script).await;
    assert_eq!(ended.unwrap(), Exit::Partly, "{told}");
    assert!(audit(&scenario).await[1].1.starts_with("paused: 1 of 6 moved"));
}

#[tokio::test]
async fn an_aborted_run_asks_before_it_ends() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["p"])
        .when("carry it out", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .when("1 of 6 sent", &["x"])
        .when("abort the run for good?", &["n", "x", "y"])
        .when("r looks anew", &["r"])
        .when("9 letters as of", &["q"]);
    let (ended, told) = at(&scenario, &["email", "--watch", "10h"], &mut script).await;
    assert_eq!(ended.unwrap(), Exit::Partly, "{told}");
    assert!(script.is_over());
    assert!(audit(&scenario).await[1].1.starts_with("aborted: 1 of 6 moved"));
}

fn data(scenario: &Scenario) -> PathBuf {
    scenario.session(&Screen::default()).variables["SENDOFF_DATA"].clone().into()
}

/// The audit takes no more entries.
fn break_audit(scenario: &Scenario) -> impl FnMut() + Send + 'static {
    let file = data(scenario).join("sendoff.db");
    move || {
        let db = rusqlite::Connection::open(&file).unwrap();
        db.execute_batch("alter table audit rename to audit_gone").unwrap();
    }
}

/// What a run has done can't be read any more.
fn break_journal(scenario: &Scenario) -> impl FnMut() + Send + 'static {
    let runs = data(scenario).join("dlq/runs");
    move || {
        let run = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
        std::fs::rename(run.join("journal.ndjson"), run.join("away")).unwrap();
        std::fs::create_dir(run.join("journal.ndjson")).unwrap();
    }
}

/// A run that has sent one of its letters when this happens, and these keys are pressed.
fn broken(mut breaks: impl FnMut() + Send + 'static, keys: &'static [&'static str]) -> Script {
    Script::new()
        .when("10 letters in 4 groups", &["p"])
        .when("carry it out", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .then("1 of 6 sent", move |_| {
            breaks();
            keys.iter().map(|name| key(name)).collect()
        })
}

#[tokio::test]
async fn an_end_that_the_audit_does_not_take_is_shown_and_the_exit_code() {
    for (keys, stays) in [(&["q"][..], false), (&["x", "y"], true)] {
        let scenario = Scenario::make("a bad template").await;
        let mut script = broken(break_audit(&scenario), keys);
        if stays {
            script = script.when("no such table: audit", &["q"]);
        }
        let (ended, told) = at(&scenario, &["email", "--watch", "10h"], &mut script).await;
        let stopped = ended.unwrap_err();
        assert_eq!(stopped.exit, Exit::Unreachable, "{stopped:?}");
        assert!(stopped.message.unwrap().contains("audit") && told.contains("moved    1"), "{told}");
        assert!(script.is_over());
    }
}

#[tokio::test]
async fn a_run_whose_end_is_not_known_is_the_exit_code_also_when_it_is_left() {
    for (keys, stays) in [(&["q"][..], false), (&["x", "y"], true)] {
        let scenario = Scenario::make("a bad template").await;
        let mut script = broken(break_journal(&scenario), keys);
        if stays {
            script = script.when("the journal /", &["q"]);
        }
        let (ended, told) = at(&scenario, &["email", "--watch", "10h"], &mut script).await;
        let stopped = ended.expect_err(&told);
        assert!(stopped.exit != Exit::Done && stopped.message.unwrap().contains("journal"), "{told}");
        assert!(script.is_over());
    }
}

#[tokio::test]
async fn a_plan_that_needs_approval_is_not_carried_out_without_it() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["p"])
        .when("somebody else has to approve it", &["enter"])
        .then("the first 8 digits of the hash", hash)
        .when("the plan needs 1 approval by somebody else than grace", &["q"]);
    let mut session = scenario.session(&Screen::default());
    session.variables.insert("SENDOFF_DLQ_APPROVAL".into(), "required".into());
    assert_eq!(with(session, &["email"], &mut script).await.unwrap(), Exit::Done);
    assert!(script.is_over());
    assert_eq!((letters(&scenario).await, audit(&scenario).await), (10, vec![]));
}
