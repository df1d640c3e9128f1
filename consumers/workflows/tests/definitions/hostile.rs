//! Whatever somebody sends as a definition, there is an answer: a plan, or what is wrong.

use proptest::prelude::*;
use sendoff_workflows::{Definition, Plan, Problems, Published};

const EXAMPLES: [&str; 5] = [
    include_str!("../../examples/customer-feedback.yaml"),
    include_str!("../../examples/expense-approval.yaml"),
    include_str!("../../examples/field-service.yaml"),
    include_str!("../../examples/inventory-reorder.yaml"),
    include_str!("../../examples/leave-request.yaml"),
];

/// What is put in place of something.
const PIECES: [&str; 24] = [
    "",
    " ",
    "\n",
    "\t",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    ":",
    "- ",
    "{{",
    "}}",
    "&a ",
    "*a",
    "!x ",
    "\0",
    "9e999",
    "null",
    "steps",
    "é",
    "\u{2028}",
    "{{ {steps.ask.decision} }}",
];

/// An example in which some things were replaced.
fn broken() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(&PIECES[..]));
    let changes = prop::collection::vec(change, 1..4);
    (prop::sample::select(&EXAMPLES[..]), changes, any::<bool>()).prop_map(|(example, changes, json)| {
        let mut text = match json {
            true => Definition::read(example).unwrap().canonical(),
            false => example.to_owned(),
        };
        for (at, length, piece) in changes {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len() + 1);
            let end = (at + length).min(chars.len());
            chars.splice(at..end, piece.chars());
            text = chars.into_iter().collect();
        }
        text
    })
}

/// What is said about the text is for people to read, and what is accepted can be published.
fn answered(text: &str) -> Result<(), TestCaseError> {
    let definition = match Definition::read(text) {
        Ok(definition) => definition,
        Err(problems) => return readable(&problems),
    };
    prop_assert_eq!(&Definition::read(&definition.canonical()).unwrap(), &definition);
    match Plan::of(&definition) {
        Err(problems) => readable(&problems),
        Ok(plan) => {
            prop_assert_eq!(Published::of(&definition, 1).unwrap().plan().unwrap(), plan);
            Ok(())
        }
    }
}

fn readable(problems: &Problems) -> Result<(), TestCaseError> {
    prop_assert!((1..=101).contains(&problems.0.len()));
    for problem in &problems.0 {
        prop_assert!(!problem.message.is_empty());
        let text = problem.to_string();
        prop_assert!(text.len() < 2000, "{}", text);
        prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_broken_example_is_answered(text in broken()) {
        answered(&text)?;
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answered(&text)?;
        answered(&format!("{{{text}"))?;
    }
}
