//! Hostile texts and values.

use serde_json::{Value, json};

use super::*;
use crate::Type;

struct Fields(Value);

impl Env for Fields {
    fn value(&self, root: &Root) -> Value {
        match root {
            Root::Field(name) => self.0[name.as_str()].clone(),
            _ => Value::Null,
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
