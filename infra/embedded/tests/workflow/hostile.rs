//! What somebody sends to bring the program down: it takes bounded time and memory, and is told what is wrong.

use std::{fs, path::Path};

use serde_json::json;

use crate::program::{Ended, finish, sendoff};

/// The most memory that the program may ask for, in KiB. Its allocator reserves half of it at its start.
const MEMORY: u32 = 2 * 1024 * 1024;
/// How many seconds it may take: a debug build on a busy machine needs one or two.
const SECONDS: u32 = 60;

const HEAD: &str = "workflow: w\napp: a\nfields: { note: text, n: number }\non: [{ manual: true }]\nsteps:\n";

/// Runs `sendoff workflow` within these bounds.
fn bounded(folder: &Path, args: &[&str]) -> Ended {
    let program = sendoff(folder);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {MEMORY}; exec timeout {SECONDS} \"$0\" workflow \"$@\"")]);
    shell.arg(program.get_program()).args(args).current_dir(folder).stdin(std::process::Stdio::null());
    finish(&mut shell)
}

/// A chain of objects, each in a list of the one before.
fn deep(levels: usize) -> String {
    let open: String = (0..levels).map(|n| format!(r#"{{"id":"s{n}","if":"TRUE","then":["#)).collect();
    let steps = format!(r#"{open}{{"id":"end","stop":true}}{}"#, "]}".repeat(levels));
    format!(r#"{{"workflow":"w","app":"a","on":[{{"manual":true}}],"steps":[{steps}]}}"#)
}

/// An `if` with this condition.
fn asks(condition: &str) -> String {
    format!("{HEAD}  - {{ id: ask, if: '{condition}', then: [{{ id: end, stop: true }}] }}\n")
}

#[test]
fn a_hostile_definition_is_refused_within_bounds() {
    let steps: String = (0..10_000).map(|n| format!("  - {{ id: s{n}, stop: true }}\n")).collect();
    let names: String = (0..50_000).map(|n| format!("n{n}: text, ")).collect();
    let cases = [
        ("steps.yaml", format!("{HEAD}{steps}"), "there are 10000 steps, and may be at most 500"),
        ("deep.json", deep(5_000), "more than 120 deep"),
        ("nested.json", deep(40), "deep"),
        ("long.yaml", asks(&format!("{}1 > 0", "1 + ".repeat(200_000))), "at most 8192 bytes"),
        ("parentheses.yaml", asks(&format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000))), "at most 64 levels"),
        (
            "names.yaml",
            format!("{}  - {{ id: end, stop: true }}\n", HEAD.replace("note: text", &format!("{names}note: text"))),
            "there are 50002 fields",
        ),
        ("anchors.yaml", format!("a: &a [x, x]\nb: &b [*a, *a]\n{HEAD}"), "anchors"),
        (
            "sql.yaml",
            format!("{HEAD}  - {{ id: q, database: {{ connection: c, sql: 'select {{{{ {{note}} }}}}' }} }}\n"),
            "{{",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text, says) in cases {
        fs::write(folder.path().join(name), text).unwrap();
        let ended = bounded(folder.path(), &["check", name]);
        assert!(ended.with(1).contains(says), "{name} is told otherwise: {}", ended.out_as_it_is());
        assert!(ended.out_as_it_is().len() < 100_000, "{name}: nobody reads that");
    }
}

#[test]
fn a_definition_that_makes_too_much_of_its_data_fails_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{{ {note} }}".repeat(30_000);
    let mail = format!("{HEAD}  - id: m\n    email: {{ to: {{ user: ada }}, subject: x, text: '{text}' }}\n");
    fs::write(folder.path().join("mail.yaml"), mail).unwrap();
    let submission = json!({ "fields": { "note": "x".repeat(240_000), "n": 1 } });
    fs::write(folder.path().join("s.json"), submission.to_string()).unwrap();
    let ended = bounded(folder.path(), &["dry-run", "mail.yaml", "--submission", "s.json"]);
    assert!(ended.with(1).contains("Workflow.ValueTooLarge"), "{}", ended.out_as_it_is());
}
