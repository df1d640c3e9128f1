use serde_json::json;

use super::*;

/// A definition that has nothing but what it must.
const SMALL: &str = "workflow: small\napp: crm\non:\n  - manual: true\nsteps:\n  - id: end\n    stop: true\n";

fn problems(text: &str) -> Vec<String> {
    Definition::read(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn yaml_and_json_are_the_same_definition() {
    let yaml = Definition::read(SMALL).unwrap();
    let json = json!({
        "workflow": "small", "app": "crm", "on": [{ "manual": true }], "steps": [{ "id": "end", "stop": true }],
    });
    assert_eq!(Definition::of(json.clone()).unwrap(), yaml);
    assert_eq!(Definition::read(&json.to_string()).unwrap(), yaml);
    assert_eq!(Definition::read(&format!("\u{feff} {json}")).unwrap(), yaml);
    assert_eq!(Definition::read(&SMALL.replace('\n', "\r\n")).unwrap(), yaml);
    assert_eq!(yaml.canonical(), json.to_string());
}

#[test]
fn the_canonical_text_is_the_same_however_it_was_written() {
    let one = "app: crm\nworkflow: w\non: [{manual: true}]\nsteps:\n- {timeout: 60, id: a, http: {connection: c, method: GET, path: /x, body: {b: 1.0, a: [null]}}}";
    let other = "workflow: \"w\"\napp: crm\ndescription:\nvars: {}\non: [{manual: true, when: ~}]\nsteps:\n- id: a\n  timeout: 1m\n  http:\n    connection: c\n    method: GET\n    path: /x\n    body: {a: [~], b: 1}\n";
    let [one, other] = [one, other].map(|text| Definition::read(text).unwrap().canonical());
    assert_eq!(one, other);
    assert!(one.contains(r#""body":{"a":[null],"b":1}"#), "{one}");
    assert_eq!(Definition::read(&one).unwrap().canonical(), one);
}

#[test]
fn a_field_that_is_not_known_is_named_with_the_one_that_was_meant() {
    let text = SMALL.replace("stop: true", "emial: {}") + "stepz: []\n";
    assert_eq!(
        problems(&text),
        [
            "line 8, stepz: `stepz` isn't known here; did you mean `steps`?",
            "line 7, steps[0].emial: `emial` isn't known here; did you mean `email`?",
        ]
    );
}

#[test]
fn all_that_does_not_fit_is_reported_at_once() {
    let text = "workflow: 7\non: [{submission: made}, {schedule: {at: '08:00', days: [mo]}}]\nfields: {a: txt, b: {list: int}}\n\
                steps:\n- id: a\n  wait: {for: {a}}\n- timeout: soon\n  on_error: ignore\n  email: {to: {}, text: [1]}\n";
    assert_eq!(
        problems(text),
        [
            "line 1, workflow: must be a text, but is a number",
            "line 1, app: is missing",
            "line 3, fields.a: `txt` is no type; did you mean `text`?",
            "line 3, fields.b.list: `int` is no type; there are `text`, `number`, `boolean`, `date`, `datetime`, and `{ list: … }` and `{ object: … }`",
            "line 2, on[0].submission: must be `created` or `updated`; there are `created`, `updated`",
            "line 2, on[1].schedule.zone: is missing",
            "line 2, on[1].schedule.days[0]: must be a day of the week; did you mean `mon`?",
            "line 6, steps[0].wait.for: must be an expression, but is an object; in YAML, what begins with `{` stands in quotes: '{amount} > 0'",
            "line 7, steps[1].id: is missing",
            "line 9, steps[1].email.text: must be a text, but is a list",
            "line 7, steps[1].timeout: is no duration; write a whole number and a unit, such as `30s`, `5m`, `2h` or `3d`",
            "line 8, steps[1].on_error: must be `stop`, `continue` or `{ steps: […] }`",
        ]
    );
}

#[test]
fn what_yaml_has_beyond_json_is_refused_with_its_line() {
    for (text, expected) in [
        ("a: &x 1", "line 1: anchors"),
        ("a: 1\nb: *x", "line 2"),
        ("a: !x 1", "line 1: tags"),
        ("a: 1\nb: 2\na: 3", "line 3: `a` stands twice in one object"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
        ("a: {{ {x} }}", "line 1: a name must be a text"),
        ("a: {x} > 3", "line 1: the definition is no YAML"),
        ("a:\n\t- 1", "line 2: the definition is no YAML"),
        ("", "the definition is empty"),
        ("# nothing\n", "the definition is empty"),
        ("- a", "line 1: must be an object with named fields, but is a list"),
    ] {
        let found = problems(text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn what_stands_without_quotes_is_what_json_would_take_it_for() {
    let read = |text: &str| yaml::read(text).unwrap();
    assert_eq!(read("[1, -2.5, 1e3, null, ~, true, False]"), json!([1, -2.5, 1000.0, null, null, true, false]));
    assert_eq!(
        read("[08:00, 01234, yes, on, 1_000, .5, 0x10, '1', \"true\"]"),
        json!(["08:00", "01234", "yes", "on", "1_000", ".5", "0x10", "1", "true"])
    );
    assert_eq!(read("on: |\n  a\n  b\n1: x"), json!({ "on": "a\nb\n", "1": "x" }));
}

#[test]
fn what_json_says_twice_is_refused() {
    let found = problems(r#"{"app": "a", "steps": [{"id": "a", "id": "b"}]}"#);
    assert!(
        found[0].contains("line 1: the definition is no JSON: `id` stands twice in one object, in column 39"),
        "{found:?}"
    );
    let found = problems("{\"app\":\n 1,}");
    assert!(
        found[0].starts_with("line 2: the definition is no JSON: trailing comma, in column 4; a definition"),
        "{found:?}"
    );
}

#[test]
fn what_is_wrong_in_json_is_told_with_its_line_as_in_yaml() {
    let text = r#"{
  "workflow": "w\/\ud83d\ude00",
  "app": "crm", "fields": { "a.b": "txt",
	"a\"b\u0041": "txt", "n": "number" },
  "on": [{ "manual": true },
    { "submission": "made" }],
  "steps": [
    { "id": "one", "if": "{n} > 0", "then": [
      { "id": "two", "emial": {} } ] },
    { "id": "three", "http": { "connection": "c", "method": "GET", "path": "/",
        "body": { "large":
          1e300, "exact": 12345678901234567890 } } }
  ]
}
"#;
    let expected = [
        "line 3, fields[\"a.b\"]: `txt` is no type",
        "line 4, fields[\"a\\\"bA\"]: `txt` is no type",
        "line 6, on[1].submission: must be `created` or `updated`",
        "line 9, steps[0].then[0].emial: `emial` isn't known here; did you mean `email`?",
        "line 12, steps[1].http.body.large: ",
    ];
    for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let found = problems(&text);
        for start in expected {
            assert!(found.iter().any(|problem| problem.starts_with(start)), "{start} in {found:#?}");
        }
        assert!(found.iter().all(|problem| problem.starts_with("line ")), "{found:#?}");
    }
    // The same for what only a plan finds out.
    let text = "{\"workflow\": \"w\", \"app\": \"crm\", \"on\": [{\"manual\": true}], \"steps\": [\n{\"id\": \"a\",\n\"if\": \"{amuont} > 0\", \"then\": []}]}";
    let found = crate::Plan::read(text).unwrap_err().to_string();
    assert!(
        found.contains("line 3, steps[0].if: `{amuont}`") || found.contains("line 3, steps[0].if: there is no field"),
        "{found}"
    );
}

#[test]
fn control_characters_are_refused() {
    let found = problems(&SMALL.replace("small", "\"sm\\0all\""));
    assert_eq!(found, ["line 1, workflow: has a control character in it; leave it out"]);
    let json = r#"{"workflow": "w", "app": "a", "on": [{"manual": true}], "steps": [{"id": "a", "set": {"x\u001b[2J": "1"}}]}"#;
    assert_eq!(problems(json), ["line 1, steps[0].set[\"x[2J…\"]: has a control character in its name; leave it out"]);
}

#[test]
fn numbers_that_are_not_the_same_everywhere_are_refused() {
    let with = |number: &str| SMALL.replace("stop: true", &format!("set: {{ total: {number} }}"));
    for good in ["1e15", "-1000000000000000", "0.1"] {
        assert!(Definition::read(&with(good)).is_ok(), "{good}");
    }
    for bad in ["12345678901234567890", "-1e16", "9007199254740993"] {
        let expected = "line 7, steps[0].set.total: is further than 1e15 away from zero; write it in quotes, as a text";
        assert_eq!(problems(&with(bad)), [expected], "{bad}");
    }
}

#[test]
fn a_text_that_is_too_large_is_refused_before_it_is_read() {
    let text = SMALL.to_owned() + &"# ".repeat(25 * 1024 * 1024);
    assert_eq!(problems(&text), [format!("the definition has {} bytes, and must have at most 1048576", text.len())]);
}

#[test]
fn nesting_that_is_too_deep_is_refused_and_takes_no_stack() {
    let deep = 10_000;
    let mut indented = String::new();
    for depth in 0..700 {
        indented += &format!("{}a:\n", " ".repeat(depth));
    }
    for text in [
        format!("a: {}", "[".repeat(deep)),
        format!("a: {}{}", "[".repeat(200), "]".repeat(200)),
        format!("a: {}", "{a: ".repeat(deep)),
        "- ".repeat(deep),
        "? ".repeat(deep),
        indented,
        format!("{}{}", r#"{"a":"#.repeat(deep), "}".repeat(deep)),
        format!(r#"{{"a":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000)),
        format!(r#"{{"a":{}{}}}"#, "[".repeat(122), "]".repeat(122)),
    ] {
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        let clear = ["stand more than 120 deep", "recursion limit", "a name must be a text"];
        assert!(clear.iter().any(|part| found[0].contains(part)), "{} …: {found:?}", &text[..20]);
    }
    let mut value = json!(1);
    for _ in 0..MAX_DEPTH + 1 {
        value = json!([value]);
    }
    assert!(Definition::of(value).unwrap_err().to_string().contains("120 deep"));
}

#[test]
fn no_more_problems_are_kept_than_somebody_reads() {
    let text = SMALL.to_owned() + &"  - {}\n".repeat(10_000);
    let found = problems(&text);
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "line 1: there are more problems than are shown, at least 9900");
}

#[test]
fn hostile_yaml_takes_no_longer_than_it_is_large() {
    let large = MAX_BYTES - 100;
    for text in [
        "[".repeat(large),
        "a: b\n".repeat(large / 5),
        "&a [*a,*a,*a,*a]\n".repeat(large / 17),
        "a: \"".to_owned() + &"\\u0041".repeat(large / 6),
        "- ? : ".repeat(large / 6),
        "a: |\n".to_owned() + &" x\n".repeat(large / 3),
        "'".repeat(large),
        "{a: ".repeat(large / 4),
        "x".repeat(large),
        "x ".repeat(large / 2),
        "a: x\n ".repeat(large / 6),
        "\u{feff}".repeat(large / 3),
        "%TAG ! x\n".repeat(large / 9),
        (0..60_000).map(|n| format!("f{n}: {{}}\n")).collect(),
    ] {
        assert!(Definition::read(&text).is_err(), "{}", &text.chars().take(20).collect::<String>());
    }
}
