use sendoff_dlq_tools::tui::{Chosen, Planned, Prompt, Row, Rows, Running, Screen, State, Wish};

use super::console::key;

fn press(state: &mut State, keys: &[&str]) -> Wish {
    keys.iter().map(|name| state.update(key(name))).last().unwrap()
}

fn of(screen: Screen) -> State {
    State { screens: vec![Screen::Groups(Rows::default()), screen], ..State::default() }
}

fn list() -> Rows {
    let rows = ["a", "b", "c"].map(|id| Row { id: id.into(), cells: vec![id.into()], is_marked: false });
    Rows { heading: vec!["ID"], rows: rows.into(), ..Rows::default() }
}

#[test]
fn the_cursor_stays_within_its_list() {
    let mut state = of(Screen::Letters(list()));
    for (keys, at) in [(&["up"][..], 0), (&["down", "j"], 2), (&["down"], 2), (&["k"], 1), (&["G"], 2), (&["g"], 0)] {
        press(&mut state, keys);
        let Some(Screen::Letters(rows)) = state.screen() else { panic!() };
        assert_eq!(rows.at, at, "{keys:?}");
    }
    assert_eq!(press(&mut of(Screen::Letters(Rows::default())), &["down", "enter"]), Wish::Nothing);
}

#[test]
fn what_is_marked_is_planned_and_without_marks_the_whole_group() {
    assert_eq!(press(&mut of(Screen::Letters(list())), &["p"]), Wish::Plan(Chosen::OpenGroup));
    let marked = Wish::Plan(Chosen::Letters(vec!["a".into(), "c".into()]));
    assert_eq!(press(&mut of(Screen::Letters(list())), &[" ", "down", " ", "p"]), marked);
}

#[test]
fn a_run_begins_only_with_the_hash_of_the_plan_that_is_shown() {
    let plan = || of(Screen::Plan(Planned { hash: "0123456789abcdef".into(), ..Planned::default() }));
    let typed = |text: &str| {
        let mut state = plan();
        press(&mut state, &["enter"]);
        for c in text.chars() {
            press(&mut state, &[&c.to_string()]);
        }
        press(&mut state, &["enter"])
    };
    assert_eq!(typed("01234567"), Wish::Run);
    for wrong in ["", "0123456", "01234568", "y", "0123456789abcdef0"] {
        assert_eq!(typed(wrong), Wish::Nothing, "{wrong}");
    }
    assert_eq!(press(&mut plan(), &["enter", "0", "esc", "r"]), Wish::Nothing);
    // One that sends nothing has no hash, and can't be begun.
    assert_eq!(press(&mut of(Screen::Plan(Planned::default())), &["enter", "enter"]), Wish::Nothing);
}

#[test]
fn a_run_that_stopped_goes_on_only_after_a_question_and_r_looks_anew_everywhere() {
    let ended = |can_resume| Running { report: Some(Default::default()), can_resume, ..Running::default() };
    let of_run = |can_resume| of(Screen::Run(Box::new(ended(can_resume))));
    for keys in [&["c"][..], &["c", "n"], &["c", "enter"], &["c", "esc"], &["c", "r"], &["enter"], &["y"]] {
        assert_eq!(press(&mut of_run(true), keys), Wish::Nothing, "{keys:?}");
    }
    assert_eq!(press(&mut of_run(true), &["c", "y"]), Wish::Run);
    assert_eq!(press(&mut of_run(false), &["c", "y"]), Wish::Nothing);
    for mut state in [of_run(true), of_run(false), of(Screen::Letters(list())), of(Screen::Groups(list()))] {
        assert_eq!(press(&mut state, &["r"]), Wish::Fresh);
    }
}

#[test]
fn while_a_run_goes_on_nothing_leaves_it_but_q() {
    let mut state = of(Screen::Run(Box::default()));
    assert_eq!(press(&mut state, &["esc"]), Wish::Nothing);
    assert_eq!(state.screens.len(), 2);
    assert_eq!(press(&mut state, &[" "]), Wish::Pause);
    assert_eq!(press(&mut state, &["x", "n"]), Wish::Nothing);
    assert_eq!(press(&mut state, &["x", "y"]), Wish::Abort);
    assert_eq!(press(&mut state, &["ctrl-c"]), Wish::Leave);
    let ended = Running { report: Some(Default::default()), can_resume: true, ..Running::default() };
    let mut state = of(Screen::Run(Box::new(ended)));
    assert_eq!(press(&mut state, &["q"]), Wish::Quit);
}

#[test]
fn letters_that_are_typed_are_no_keys() {
    let mut state = of(Screen::Letters(list()));
    press(&mut state, &["/", "q", "p", "backspace", "?"]);
    assert_eq!(state.prompt, Some(Prompt::Condition("q?".into())));
    assert_eq!(press(&mut state, &["enter"]), Wish::Where("q?".into()));
}
