//! The template against our own rules: what AWS accepts and does wrong in silence. Each rule is proven by violations that are
//! planted in the parsed template.

mod checkers;
mod code;
mod document;
mod rules;
mod sam;
mod throttling;

use std::sync::LazyLock;

use code::Code;
use document::Template;
use rules::{RULES, Rule};

static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::read);
static CODE: LazyLock<Code> = LazyLock::new(Code::read);

#[test]
fn the_template_keeps_every_rule() {
    let problems: Vec<String> = RULES
        .iter()
        .copied()
        .flatten()
        .flat_map(|Rule { says, problems, .. }| {
            problems(&TEMPLATE, &CODE).into_iter().map(move |p| format!("{says}: {p}"))
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_rule_sees_what_breaks_it() {
    for Rule { says, problems, broken_by } in RULES.iter().copied().flatten() {
        assert!(!broken_by.is_empty(), "nothing proves the rule that {says}");
        for (number, plant) in broken_by.iter().enumerate() {
            let mut broken = TEMPLATE.clone();
            plant(&mut broken);
            assert_ne!(broken, *TEMPLATE, "violation {number} of `{says}` changes nothing");
            assert!(!problems(&broken, &CODE).is_empty(), "`{says}` doesn't see its violation {number}");
        }
    }
}
