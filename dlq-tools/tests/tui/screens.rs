//! What each screen looks like: the files beside this one.

use std::path::Path;

use sendoff_dlq_tools::{
    dlq_at,
    run::Progress,
    tui::{Page, Planned, Prompt, Row, Rows, Running, Screen, State},
};

use super::{Script, console::key, shown, shown_in};
use crate::transcripts::{self, scenario::Scenario, updates};

fn prove(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tui/screens").join(format!("{name}.txt"));
    if updates() {
        return std::fs::write(&path, screen).unwrap();
    }
    let said = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(said == screen, "{} looks otherwise:\n{screen}\nand not\n{said}", path.display());
}

#[tokio::test]
async fn groups_letters_and_a_letter_look_like_this() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .when("10 letters in 4 groups", &["?"])
        .when("goes back", &["esc", "enter"])
        .when("6 letters", &[" ", "enter"])
        .when("shape       own", &["q"]);
    let mut session = scenario.session(&transcripts::Screen::default());
    dlq_at(["dlq", "tui", "email"].map(Into::into), &mut session, &mut script).await.unwrap();
    prove("groups", &script.screens[0]);
    prove("help", &script.screens[1]);
    prove("letters", script.with("* "));
    prove("letter", script.with("shape       own"));
}

#[tokio::test]
async fn on_a_narrow_terminal_the_errors_are_shown_before_all_else() {
    let scenario = Scenario::make("a bad template").await;
    let mut script = Script::new()
        .narrow()
        .when("10 letters in 4 groups", &["?"])
        .when("goes back", &["esc", "enter"])
        .when("6 letters", &["q"]);
    let mut session = scenario.session(&transcripts::Screen::default());
    dlq_at(["dlq", "tui", "email"].map(Into::into), &mut session, &mut script).await.unwrap();
    prove("groups-narrow", &script.screens[0]);
    prove("help-narrow", &script.screens[1]);
    prove("letters-narrow", script.with("6 letters"));
}

#[test]
fn what_is_wider_than_the_screen_is_said_in_more_lines() {
    let words = "a word and ".repeat(20);
    let message = Some(format!("{words}the end"));
    let said = shown_in(&mut State { message, ..plan() }, 80);
    assert!(said.contains(&words[..70]) && said.contains("and the end\n"), "{said}");
    for typed in [100, 10_000] {
        let prompt = Some(Prompt::Condition(format!("{}.end", "x".repeat(typed))));
        let said = shown_in(&mut State { prompt, ..plan() }, 80);
        assert!(said.contains(".end_\n") && said.contains("FORECAST"), "{said}");
    }
}

#[test]
fn a_line_of_many_screens_is_scrolled_through_to_its_end_and_no_further() {
    let text = format!("first\n{}\nlast", (0..5000).map(|number| format!("{number:04}")).collect::<String>());
    let mut state = State { screens: vec![Screen::Letter(Page::new("1", &text))], ..State::default() };
    let mut screen = |keys: &[&str]| {
        keys.iter().for_each(|name| drop(state.update(key(name))));
        shown_in(&mut state, 80)
    };
    assert!(screen(&[]).contains("\nfirst\n0000"));
    // Twenty numbers stand in a row, and rows on 21 lines.
    assert!(screen(&["j"]).contains("\n0000") && screen(&["j"]).contains("\n0020"));
    assert!(screen(&["page down"]).contains("\n0220"));
    let end = screen(&["G", "j", "page down"]);
    assert!(end.contains("4999\nlast\n") && end.contains("\n4600"), "{end}");
    assert!(screen(&["k"]).contains("\n4580"));
    assert!(screen(&["g"]).contains("\nfirst\n0000"));
}

/// A plan's path and its hash are other ones in each folder.
fn plan() -> State {
    let text = "\
FORECAST  LETTERS  THEN  MEANS
run             6  sent  it runs
done            1  left  done already: its consumer would skip it

sends 6 letters of `email-dlq` to queue:email, at most 100 a second, 1, then 10, then 100 first, each watched for 30s; about 1m 1s
plan /srv/sendoff/data/dlq/plans/email-dlq-20261126T030000Z.plan
hash 6c9a7c9d722eabd4cc662f087b8cf20a59cecd0487aa00a07cc1bb6dbb6ef9bc
carry it out: dlq run /srv/sendoff/data/dlq/plans/email-dlq-20261126T030000Z.plan --apply 6c9a7c9d722e";
    let hash = "6c9a7c9d722eabd4cc662f087b8cf20a59cecd0487aa00a07cc1bb6dbb6ef9bc".into();
    let plan = Screen::Plan(Planned { page: Page::new("", text), hash });
    State {
        title: " email-dlq   10 letters as of 2026-11-26 03:00:00 UTC".into(),
        screens: vec![plan],
        ..State::default()
    }
}

fn run(progress: Progress) -> Running {
    Running { name: "6c9a7c9d722eabd4".into(), progress, ..Running::default() }
}

#[test]
fn a_plan_looks_like_this() {
    prove("plan", &shown(plan()));
    prove("plan-hash", &shown(State { prompt: Some(Prompt::Hash("6c9a".into())), ..plan() }));
    prove(
        "plan-refused",
        &shown(State { message: Some("the plan needs 1 approval by somebody else than grace".into()), ..plan() }),
    );
}

#[test]
fn a_run_looks_like_this() {
    let progress = Progress {
        planned: 1000,
        sent: 400,
        returned: 3,
        skipped: 12,
        ambiguous: 2,
        waiting: 586,
        rate: 98.5,
        eta_s: Some(6),
        doing: "sending",
        watching: None,
    };
    let goes_on = Running { notes: vec!["the consumer has much to do".into()], ..run(progress.clone()) };
    let state = |running| State { screens: vec![Screen::Run(Box::new(running))], ..plan() };
    prove("run", &shown(state(goes_on.clone())));
    let paused = Running { progress: Progress { doing: "paused", ..progress.clone() }, asked: None, ..goes_on };
    prove("run-abort", &shown(State { prompt: Some(Prompt::Abort), ..state(paused) }));
    let report =
        Page::new("", "\nLETTERS  COUNT  MEANS\nmoved      400  sent, and deleted\n\nit stopped: grace wanted it");
    prove("run-ended", &shown(state(Running { report: Some(report), can_resume: true, ..run(progress) })));
}

#[test]
fn a_screen_of_any_size_can_be_drawn_whatever_there_is_to_show() {
    let nothing = Rows::default();
    let wide = Rows {
        heading: vec!["A", "B"],
        rows: vec![Row {
            id: "1".into(),
            cells: vec!["\u{1b}[2J\u{7}ü".repeat(99), "漢字".repeat(99)],
            is_marked: true,
        }],
        note: "n".into(),
        spare: &[0],
        ..Rows::default()
    };
    let much = Progress { planned: 0, sent: 7, rate: f64::NAN, eta_s: Some(u64::MAX), ..Progress::default() };
    let long = Page { id: String::new(), lines: vec!["x\u{9b}y".repeat(10_000); 3], top: 7 };
    let screens =
        [Screen::Groups(nothing), Screen::Letters(wide), Screen::Letter(long), Screen::Run(Box::new(run(much)))];
    for screen in screens {
        for (width, height) in [(1, 1), (2, 40), (40, 2), (7, 5), (120, 24)] {
            let state = State { screens: vec![screen.clone()], is_help: true, ..State::default() };
            for mut state in [State { is_help: false, ..state.clone() }, state] {
                let backend = ratatui::backend::TestBackend::new(width, height);
                let mut terminal = ratatui::Terminal::new(backend).unwrap();
                terminal.draw(|frame| sendoff_dlq_tools::tui::draw(frame, &mut state)).unwrap();
                let cells = terminal.backend().buffer().content();
                assert!(!cells.iter().any(|cell| cell.symbol().chars().any(char::is_control)));
            }
        }
    }
}
