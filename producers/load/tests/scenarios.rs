//! Scenarios: what they can say, and what is told of those that can't be used.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use proptest::prelude::*;
use sendoff_load::{
    Via,
    arrivals::Shape,
    guards::{self, Refusal},
    scenario::{Kind, Overrides, Scenario, reference},
};

use crate::virtually::scenario;

const LEAST: &str = "[rate]\nrate = \"5/s\"\n[[event]]\ntype = \"app.assigned\"\n";

fn wrong(text: &str) -> String {
    let error = Scenario::parse(Path::new("x.toml"), text, &Overrides::default()).unwrap_err();
    error.to_string()
}

fn over(text: &str, set: impl FnOnce(&mut Overrides)) -> Scenario {
    let mut over = Overrides::default();
    set(&mut over);
    Scenario::parse(Path::new("x.toml"), text, &over).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_least_that_a_scenario_says_is_a_rate_and_an_event() {
    let scenario = scenario(LEAST);
    assert_eq!(scenario.via, Via::Topic);
    assert_eq!(scenario.duration, Duration::from_secs(60));
    assert_eq!(scenario.expected(), 300);
    assert_eq!(scenario.mix[0].kind, Kind::AppAssigned);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_line_value_rule_and_suggestion() {
    let text = "duraton = \"60s\"\nvia = \"pigeon\"\n[rate]\nrate = \"fast\"\n[[event]]\ntype = \"app.asigned\"\nweight = 0\n\
                [shares]\npoison = 2\n[slo]\nrequire = [\"e2e p99<5\"]\n";
    let told = wrong(text);
    for part in [
        "the scenario has 7 problems:",
        "x.toml:1: duraton\n      there is no such setting; did you mean `duration`?",
        "x.toml:2: via = \"pigeon\"\n      must be `api` or `topic` or `queue` or `table`",
        "x.toml:4: rate.rate = \"fast\"\n      must be a rate from",
        "x.toml:6: event.type = \"app.asigned\"\n      must be an event that exists: app.assigned,",
        "x.toml:7: event.weight = \"0\"",
        "x.toml:9: shares.poison = \"2\"\n      must be a share from 0 to 1",
        "x.toml:11: slo.require = \"e2e p99<5\"",
        "`5` must be a duration",
        "docs/LOAD.md",
    ] {
        assert!(told.contains(part), "{part:?} is missing in:\n{told}");
    }
}

#[test]
fn values_that_do_not_fit_together_are_told() {
    let queue = |more: &str| format!("{more}\n{LEAST}");
    let cases = [
        (queue("warm_up = \"60s\""), "must be shorter than `duration`"),
        (queue("shares.poison = 0.1"), "only `via = \"queue\"` can send what can't be decoded"),
        (queue("via = \"table\"\nshares.duplicate = 0.1"), "a commit writes an event once"),
        (queue("via = \"queue\"\nshares.oversize = 0.1"), "a queue takes what fits into a message"),
        (queue("via = \"api\""), "`submission.created` is the only type"),
        (queue("keys.tenants = 5\nkeys.users = 4"), "must be 5 at least"),
        (queue("shares.duplicate = 0.6\nshares.oversize = 0.6"), "more than everything"),
        (LEAST.replace("rate = ", "peak = "), "rate.rate\n      is missing: the shape `constant` needs it"),
        (LEAST.replace("rate = ", "peak = "), "says nothing about the shape `constant`"),
        (LEAST.replace("rate = \"5/s\"", "shape = \"trace\"\nfile = \"no.txt\""), "can't be used: No such file"),
        ("[rate]\nrate = \"5/s\"\n".into(), "there has to be one `[[event]]` at least"),
        ("[rate]\nrate = \"5/s\"\n[[event]]\nweight = 2\n".into(), "event.type\n      is missing"),
        ("[rate\n".into(), "(syntax)"),
    ];
    for (text, told) in cases {
        let found = wrong(&text);
        assert!(found.contains(told), "{told:?} is missing for\n{text}\nin:\n{found}");
    }
}

#[test]
fn a_flag_stands_over_the_file_and_a_whole_shape_in_its_place() {
    let ramp = over(LEAST, |over| over.rate("ramp:10/s..90/s"));
    assert_eq!(ramp.shape.to_string(), "ramp:10/s..90/s");
    assert_eq!(over(LEAST, |over| over.rate("77/s")).shape.to_string(), "77/s");
    let spike = "spike:10/s..90/s@20s+10s";
    assert_eq!(over(LEAST, |over| over.rate(spike)).shape.to_string(), spike);
    // A shape that is only named takes its rate from the file.
    assert_eq!(over(LEAST, |over| over.rate("poisson")).shape.to_string(), "poisson:5/s");
    let seeded = over(LEAST, |over| over.set("seed", "--seed", "42"));
    assert_eq!(seeded.seed, 42);
    let mut bad = Overrides::default();
    bad.rate("ramp:10/s");
    let told = Scenario::parse(Path::new("x.toml"), LEAST, &bad).unwrap_err().to_string();
    assert!(told.contains("--rate: rate.to = \"\""), "{told}");
}

#[test]
fn a_flag_that_lacks_its_half_is_blamed_and_not_the_file() {
    for (flag, told) in [
        ("trace:", "--rate: rate.file = \"\""),
        ("poisson:", "--rate: rate.rate = \"\""),
        ("", "--rate: rate.rate = \"\""),
        ("ramp", "--rate: rate.from\n      is missing"),
    ] {
        let mut over = Overrides::default();
        over.rate(flag);
        let error = Scenario::parse(Path::new("x.toml"), LEAST, &over).unwrap_err().to_string();
        assert!(error.contains(told), "{flag}: {error}");
        assert!(flag == "ramp" || !error.contains("x.toml"), "{flag}: {error}");
    }
}

#[test]
fn each_slo_that_cannot_be_kept_is_told() {
    let told = wrong(&format!("slo.require = [\"e2e p101<5s\", \"lost=0\", \"lost=\", \"foo<1\"]\n{LEAST}"));
    for part in ["`e2e p101<5s`: `p101` is none of", "`lost=`: ", "`foo<1`: `foo` isn't measured"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_trace_stands_beside_its_scenario_and_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("monday.txt"), "0\n1\n3.5\n").unwrap();
    let path = folder.path().join("x.toml");
    fs::write(&path, LEAST.replace("rate = \"5/s\"", "shape = \"trace\"\nfile = \"monday.txt\"\nspeed = 0.5")).unwrap();
    let scenario = Scenario::read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(matches!(&scenario.shape, Shape::Trace { moments, .. } if moments.len() == 3));
    assert_eq!(scenario.expected(), 3);
    assert_eq!(scenario.duration, Duration::from_millis(7001));
}

#[test]
fn a_trace_that_is_cut_off_or_ends_within_the_warm_up_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("monday.txt"), "0\n1\n2\n").unwrap();
    let path = folder.path().join("x.toml");
    let trace = LEAST.replace("rate = \"5/s\"", "shape = \"trace\"\nfile = \"monday.txt\"");
    let read = |more: &str| Scenario::parse(&path, &format!("{more}\n{trace}"), &Overrides::default());
    let told = read("warm_up = \"5s\"").unwrap_err().to_string();
    assert!(told.contains("must be shorter than the trace"), "{told}");
    assert_eq!(read("warm_up = \"1s\"").unwrap().left_out(), 0);
    let cut = read("duration = \"2s\"").unwrap();
    assert_eq!((cut.expected(), cut.left_out()), (2, 1));
}

#[test]
fn a_scenario_that_wants_more_than_it_may_is_refused() {
    let text = |guard: &str| format!("duration = \"10s\"\n{LEAST}\n[guards]\n{guard}\n");
    assert_eq!(guards::check(&scenario(&text("max_events = 50"))), Ok(()));
    assert_eq!(guards::check(&scenario(&text("max_events = 49"))), Err(Refusal::Events { expected: 50, most: 49 }));
    assert_eq!(
        guards::check(&scenario(&text("max_rate = \"4/s\""))),
        Err(Refusal::Rate { peak: "5".into(), most: "4/s".into() })
    );
}

#[test]
fn the_examples_can_be_read_and_pass_their_guards() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = Scenario::read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(Some(scenario.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        guards::check(&scenario).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // So many a p99 takes, without which `load compare --fail-if-worse` lets nothing pass.
        assert!(scenario.expected() >= 1000, "{}: {} events", path.display(), scenario.expected());
        names.insert(scenario.name);
    }
    assert!(names.len() >= 6, "{names:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes a setting has to be able to write the reference anew")]
fn the_reference_in_the_documentation_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LOAD.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("test load reference -->\n").expect("the marker where it begins");
    let (_, after) = rest.split_once("<!-- end -->").expect("the marker where it ends");
    let right = format!("{before}test load reference -->\n\n{}\n<!-- end -->{after}", reference());
    if std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
        fs::write(&path, &right).unwrap();
    } else {
        assert_eq!(page, right, "docs/LOAD.md is old: run with GOLDEN=write");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_and_each_refusal_says_something(text in "\\PC{0,200}", key in "[a-z_.]{1,20}") {
        for text in [text.clone(), format!("{key} = \"{}\"\n{LEAST}", text.replace(['"', '\\'], ""))] {
            if let Err(error) = Scenario::parse(Path::new("x.toml"), &text, &Overrides::default()) {
                prop_assert!(!error.problems.is_empty());
                prop_assert!(error.problems.iter().all(|problem| !problem.rule.is_empty()));
            }
        }
    }
}
