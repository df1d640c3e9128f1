//! What pictures show.

use std::collections::BTreeMap;

use super::{Fates, mermaid, svg};
use crate::{
    Plan,
    engine::{Entry, Instance, What},
    expr::{Expr, Node, Template},
    plan::{Act, Action, Kind, OnError, Retry, Step},
};

fn step(id: &str, kind: Kind) -> Step {
    Step { id: id.into(), label: None, kind }
}

fn act(on_error: OnError) -> Kind {
    let call = Template::Literal(serde_json::json!({}));
    let output = BTreeMap::new();
    Kind::Act(Act { action: Action::Email, call, output, retry: Retry::DEFAULT, timeout: 30, on_error })
}

fn yes() -> Expr {
    Expr { node: Node::Literal(true.into()), ty: crate::Type::Boolean, span: crate::Span { start: 0, end: 4 } }
}

fn plan() -> Plan {
    let mut odd = step("odd", act(OnError::Steps(vec![step("sorry", act(OnError::Stop))])));
    odd.label = Some("<b>\"Tell\" & \u{1} wait; `all` #1 of them who have it</b>".into());
    let branches = vec![vec![step("a", act(OnError::Stop))], vec![step("b", act(OnError::Stop))]];
    Plan {
        name: "tour".into(),
        app: "crm".parse().unwrap(),
        fields: BTreeMap::new(),
        triggers: vec![crate::plan::Trigger::Manual],
        vars: BTreeMap::new(),
        block: vec![
            odd,
            step("both", Kind::Parallel { branches, on_error: OnError::Continue }),
            step("choose", Kind::If { branches: vec![(yes(), vec![step("over", Kind::Stop)])], otherwise: vec![] }),
            step("last", act(OnError::Stop)),
        ],
    }
}

fn entry(step: &str, items: &[u32], what: What) -> Entry {
    Entry {
        at: "2026-11-26T08:00:00Z".parse().unwrap(),
        what,
        instance: Some(Instance::new(step, items)),
        attempt: None,
        input: None,
        output: None,
        error: None,
    }
}

#[test]
fn a_flowchart_has_every_step_and_nothing_behind_a_stop() {
    let chart = mermaid(&plan(), None);
    for step in ["odd", "sorry", "both", "a", "b", "choose", "over", "last"] {
        assert!(chart.contains(&format!("s_{step}")), "{chart}");
    }
    assert!(!chart.contains("s_over -->"), "{chart}");
    assert!(
        chart.contains("s_choose -->|\"else\"| s_last") && chart.contains("s_odd -->|\"failed\"| s_sorry"),
        "{chart}"
    );
}

#[test]
fn what_an_author_wrote_is_text_in_both_pictures() {
    let (chart, image) = (mermaid(&plan(), None), svg(&plan(), None));
    assert!(!chart.contains("<b>") && !image.contains("<b>"), "{chart} {image}");
    assert!(image.contains("&lt;b&gt;&quot;Tell&quot; &amp;"), "{image}");
    assert!(!image.contains('\u{1}') && !chart.contains('\u{1}'));
}

#[test]
fn an_image_is_whole_and_needs_nothing_from_elsewhere() {
    let image = svg(&plan(), None);
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>\n"));
    assert_eq!(image.matches("<g ").count(), image.matches("</g>").count());
    let links = image.matches("http").count();
    assert_eq!(links, 1, "the name of the format and no other address");
}

#[test]
fn a_step_that_ran_for_several_items_has_the_worst_of_their_fates() {
    let history = [
        entry("a", &[0], What::Entered),
        entry("a", &[0], What::Failed),
        entry("a", &[1], What::Done),
        entry("odd", &[], What::Failed),
        entry("odd", &[], What::Entered),
        entry("odd", &[], What::Done),
    ];
    let fates = Fates::of(&history);
    let words = ["a", "odd", "last"].map(|step| fates.get(step).map(super::Fate::word));
    assert_eq!(words, [Some("failed"), Some("done"), None]);
    let (chart, image) = (mermaid(&plan(), Some(&fates)), svg(&plan(), Some(&fates)));
    assert!(chart.contains(":::failed") && chart.contains("classDef failed"), "{chart}");
    assert!(image.contains("class=\"action failed\"") && image.contains("class=\"action unseen\""), "{image}");
}
