//! Hostile texts and values.

use std::{borrow::Cow, cell::Cell, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::Type;

struct Fields(Value);

impl Env for Fields {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        match root {
            Root::Field(name) => Cow::Borrowed(&self.0[name.as_str()]),
            _ => Cow::Owned(Value::Null),
        }
    }
}

struct Variables;

impl Names for Variables {
    fn jsonata(&self, root: &Root) -> String {
        match root {
            Root::Field(name) => format!("$f_{name}"),
            _ => "null".into(),
        }
    }
}

fn scope() -> Scope {
    Scope::new().fields([("t".to_owned(), Type::Text), ("n".to_owned(), Type::Number)].into())
}

fn told(text: &str) -> String {
    read(text, &scope()).expect_err("it is refused").to_string()
}

#[test]
fn what_is_too_long_too_deep_or_too_large_is_refused_by_that() {
    assert!(told(&"1".repeat(9_000)).contains("at most 8192 bytes"));
    for deep in [
        format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000)),
        "(".repeat(8_000),
        "[".repeat(8_000),
        "NOT(".repeat(2_000),
        format!("{}1", "-".repeat(8_000)),
        format!("1{}", "+1".repeat(4_000)),
        format!("\"a\"{}", "&\"a\"".repeat(1_500)),
    ] {
        assert!(told(&deep).contains("at most 64 levels"), "{}", &deep[..20]);
    }
    assert!(told(&format!("SUM(1{})", ",1".repeat(4_000))).contains("at most 2000 parts"));
    read(&format!("{}1{}", "(".repeat(60), ")".repeat(60)), &scope()).expect("60 parentheses are right");
}

#[test]
fn a_row_of_broken_things_ends_with_twenty_problems() {
    let problems = read(&format!("SUM({{x}}{})", ",{x}".repeat(1_900)), &scope()).expect_err("no field is known");
    assert_eq!(problems.0.len(), 20);
}

#[test]
fn many_open_braces_take_one_look() {
    let text = "{{ \"".repeat(100_000);
    assert!(read_template(&json!(text), &scope()).expect_err("there is no end").to_string().contains("has no `}}`"));
    let text = "{{ {n} }}".repeat(20_000);
    assert!(read_template(&json!(text), &scope()).is_ok());
}

#[test]
fn no_text_grows_without_bound() {
    let mut text = "{t}".to_owned();
    for _ in 0..20 {
        text = format!("REPLACE({text}, \"a\", \"aaaaaaaaaa\")");
    }
    let expr = read(&text, &scope()).expect("it is right");
    assert_eq!(expr.eval(&Fields(json!({"t": "aaaa"}))), Value::Null);
}

/// Fields, and how many bytes of values were made of them.
struct Counted {
    fields: Fields,
    most: usize,
    made: Cell<usize>,
}

impl Env for Counted {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        self.fields.value(root)
    }

    fn may_go_on(&self, bytes: usize) -> bool {
        self.made.set(self.made.get() + bytes);
        self.made.get() <= self.most
    }
}

#[test]
fn no_more_values_are_made_than_the_host_allows() {
    let large = "x".repeat(100_000);
    let env = |most| Counted { fields: Fields(json!({ "t": large })), most, made: Cell::new(0) };
    let text = read_template(&json!("{{ {t} }}".repeat(10_000)), &scope()).expect("it is right");
    let items = read_template(&json!(vec!["{{ {t} }}"; 10_000]), &scope()).expect("it is right");
    let count = format!("COUNT([{}])", vec!["{t}"; 1_900].join(","));
    let count = Template::Expr(read(&count, &scope()).expect("it is right"));
    for template in [text, items, count] {
        let few = env(1_000_000);
        let made = template.eval(&few).to_string();
        assert!(!few.may_go_on(0) && few.made.get() < 2_300_000, "{}", few.made.get());
        assert!(made.len() < 1_300_000, "{} bytes", made.len());
    }
    let (joined, enough) = (read("LEN({t} & {t})", &scope()).expect("it is right"), env(1_000_000));
    // Too long for a text that is made of others.
    assert_eq!((joined.eval(&enough), enough.may_go_on(0)), (Value::Null, true));
    let (few, reads) = (env(100_000), read("IF(CONTAINS({t}, \"x\"), 1, 2)", &scope()).expect("it is right"));
    assert_eq!((reads.eval(&few), few.may_go_on(0)), (Value::Null, false), "nothing is concluded from what is missing");
}

#[test]
fn hostile_definitions_are_told_of_as_far_as_anybody_reads() {
    let names = (0..10_000).map(|n| (format!("name_{n}"), Type::Text));
    let wide = Scope::new().fields([("o".to_owned(), Type::Object(Arc::new(names.collect())))].into());
    for wrong in ["{{{o}}}", "{{{o.x}}}", "{{{p}}}"] {
        let problems = read_template(&json!([wrong.repeat(20_000), wrong.repeat(20_000)]), &wide).unwrap_err();
        assert!((101..200).contains(&problems.0.len()), "{}", problems.0.len());
        assert!(problems.to_string().len() < 100_000, "{} bytes", problems.to_string().len());
    }
    // What every expression would have a copy of, it shares.
    let blank = format!("AND({}ISBLANK({{o}}))", "ISBLANK({o}),".repeat(600));
    let Type::Object(names) = wide.resolve(&["o".to_owned()]).ok().unwrap().1 else { panic!("it is an object") };
    let before = Arc::strong_count(&names);
    let _read = read(&blank, &wide).expect("it is right");
    assert_eq!(Arc::strong_count(&names), before + 601);
}

#[test]
fn the_printed_text_is_bounded_by_what_was_written() {
    let names = format!("\"\"{}", "&{n}".repeat(60));
    let all = format!("[{}]", ["MATCHES({t}, \"[^a]\")"; 300].join(","));
    let controls = format!("\"{}\"", "\u{1}".repeat(8_000));
    for text in [names, all, controls] {
        let printed = read(&text, &scope()).expect("it is right").jsonata(&Variables);
        assert!(printed.len() < 64 * 1024, "{} bytes", printed.len());
    }
}

#[test]
fn a_text_is_never_pasted() {
    let template = read_template(&json!({"a": "{% $evil() %}", "b": "x %} {{ {t} }} \" & $evil() & \""}), &scope())
        .expect("right");
    assert_eq!(
        template.asl(&Variables),
        json!({
            "a": "{% \"{\\u0025 $evil() \\u0025}\" %}",
            "b": "{% ($x_str := function($t) { $t = null ? \"\" : $t }; \"x \\u0025} \" & $x_str($f_t) & \" \\\" & $evil() & \\\"\") %}",
        })
    );
}

#[test]
fn patterns_that_could_take_long_are_refused() {
    for (pattern, why) in [
        ("(a+)+", "a group that is repeated"),
        ("(a|a)*", "a group that is repeated"),
        ("(a?){20}", "a group that is repeated"),
        (".*.*.*.*", "too many ways"),
        ("a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaa", "too many ways"),
        ("a{9999}", "at most 256"),
        ("a{256}b{256}c{256}d{256}e{256}f{256}g{256}h{256}", "more than 2000"),
        ("(?=a)", "no look-around"),
        ("(a)\\1", "refer to a group"),
        ("a*?", "two repetitions"),
        ("((((((((((a))))))))))", "deep"),
        ("(", "no `)`"),
        ("a)", "no `(`"),
        ("[a", "no `]`"),
        ("[z-a]", "a later one"),
        ("[^\\s\\S]", "no characters"),
        ("😀", "emoji"),
        ("\\p{L}", "means nothing"),
        ("a^b", "whole text"),
        ("*", "nothing can be repeated"),
    ] {
        let found = pattern::Pattern::read(pattern).expect_err(pattern);
        assert!(found.contains(why), "{pattern}: {found}");
    }
}

#[test]
fn a_pattern_takes_the_whole_text() {
    let matches = |text: &str, pattern: &str| {
        let expr = read(&format!("MATCHES({{t}}, \"{pattern}\")"), &scope()).expect(pattern);
        expr.eval(&Fields(json!({ "t": text }))) == Value::Bool(true)
    };
    for (text, pattern) in [
        ("ada@example.org", "[^@ ]+@[^@ ]+\\.[a-z]{2,}"),
        ("HR-12", "^(HR|IT)-\\d+$"),
        ("a/b", "a/b"),
        ("a]b-c", "[a\\]b-]*c"),
        ("", "(ab)*"),
        ("Ärger", "[A-ZÄÖÜ]\\D+"),
    ] {
        assert!(matches(text, pattern), "{text} {pattern}");
    }
    for (text, pattern) in [
        ("HR-12\n", "HR-\\d+"),
        ("xHR-1", "HR-\\d"),
        ("a\nb", "a.b"),
        ("😀", "."),
        ("٣", "\\d"),
        (&"a".repeat(257), "a*"),
    ] {
        assert!(!matches(text, pattern), "{text} {pattern}");
    }
}

#[test]
fn the_page_is_what_the_program_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/EXPRESSIONS.md");
    let page = std::fs::read_to_string(path).expect("docs/EXPRESSIONS.md is there");
    let command = "cargo run -p sendoff-workflows --example expressions_page > docs/EXPRESSIONS.md";
    assert!(page == document(), "docs/EXPRESSIONS.md is stale: {command}");
}
