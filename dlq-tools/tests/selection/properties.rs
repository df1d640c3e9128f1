//! What one verb shows, all of them act on.

use std::{collections::BTreeMap, ops::ControlFlow};

use proptest::{
    prelude::{ProptestConfig, any},
    prop_assert, prop_assert_eq,
    strategy::Strategy as _,
    test_runner::TestRunner,
};
use sendoff_dlq_tools::select::{Selector, each, failed_at};
use sendoff_host::Exit;
use serde_json::Value;

use super::{
    Desk, Still,
    model::{Choice, Plain, choice, plains},
};

fn wanted(letters: &[Plain], choice: &Choice) -> Vec<String> {
    let wanted = letters.iter().filter(|letter| choice.wants(letter));
    wanted.map(|letter| letter.message_id().to_owned()).collect()
}

/// In the order in which they are shown: what is lost first, then what failed first.
fn lost_first(letters: &[Plain], wanted: &[String]) -> Vec<String> {
    let chosen = letters.iter().map(Plain::letter).filter(|letter| wanted.contains(&letter.message.message_id));
    let mut chosen: Vec<_> = chosen.collect();
    chosen.sort_by_key(|letter| (letter.message.enqueued_at, failed_at(letter), letter.message.message_id.clone()));
    chosen.into_iter().map(|letter| letter.message.message_id).collect()
}

/// A group that begins others is told from them only where it is there itself.
fn is_plain(letters: &[Plain], choice: &Choice) -> bool {
    choice.selection().group.is_none_or(|group| letters.iter().any(|letter| letter.fingerprint() == group))
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

#[test]
fn a_selection_sees_exactly_the_letters_that_a_plain_reading_of_it_means() {
    let desk = Desk::new();
    let cases =
        (plains(25), choice()).prop_filter("an abbreviated group", |(letters, choice)| is_plain(letters, choice));
    runner(200)
        .run(&cases, |(letters, choice)| {
            let snapshot = desk.snapshot(&letters.iter().map(Plain::letter).collect::<Vec<_>>());
            let selector = Selector::new(&choice.selection(), &Still).unwrap();
            let mut seen = Vec::new();
            let count = each(&snapshot, &selector, |letter| {
                seen.push(letter.message.message_id);
                Ok(ControlFlow::Continue(()))
            });
            prop_assert_eq!(count.unwrap(), seen.len() as u64);
            prop_assert_eq!(seen, wanted(&letters, &choice), "{:?}", choice.selection());
            Ok(())
        })
        .unwrap();
}

#[test]
fn grep_show_groups_and_sample_agree_on_every_selection() {
    let desk = Desk::new();
    let cases = (plains(15), choice(), any::<bool>())
        .prop_filter("an abbreviated group", |(letters, choice, _)| is_plain(letters, choice));
    runner(40)
        .run(&cases, |(letters, choice, redact)| {
            drop(desk.snapshot(&letters.iter().map(Plain::letter).collect::<Vec<_>>()));
            let mut arguments = choice.arguments();
            arguments.extend(redact.then(|| "--redact".to_owned()));
            arguments.push("--output=ndjson".into());
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let wanted = wanted(&letters, &choice);
            let exit = if wanted.is_empty() { Exit::NothingMatched } else { Exit::Done };
            let ask = |verb: &str| desk.look(verb, &arguments).expect(exit);
            let shown = lost_first(&letters, &wanted);
            prop_assert_eq!(&ask("grep").all("message_id"), &shown);
            prop_assert_eq!(&ask("show").all("message_id"), &shown);
            prop_assert!(ask("sample").all("message_id").iter().all(|id| wanted.contains(id)));
            let groups = ask("groups");
            let mut told = BTreeMap::new();
            for group in groups.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
                let key = (text(&group["group"]), text(&group["type"]));
                told.insert(key, (group["letters"].clone(), group["ledger"].clone()));
            }
            let mut expected = BTreeMap::new();
            for letter in letters.iter().filter(|letter| wanted.iter().any(|id| id == letter.message_id())) {
                let key = (letter.fingerprint().to_owned(), letter.event_type().unwrap_or_default().to_owned());
                let (count, ledger): &mut (u64, BTreeMap<&str, u64>) = expected.entry(key).or_default();
                *count += 1;
                *ledger.entry(letter.standing()).or_default() += 1;
            }
            let expected: BTreeMap<_, _> = expected
                .into_iter()
                .map(|(key, (count, ledger))| (key, (count.into(), serde_json::json!(ledger))))
                .collect();
            prop_assert_eq!(told, expected);
            Ok(())
        })
        .unwrap();
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
