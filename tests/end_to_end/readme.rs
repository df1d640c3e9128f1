//! The transcript in the README is what the program prints.

use std::fs;

use crate::program::run;

const MARK: &str = "<!-- transcript: demo -->";

/// The text with what differs between runs replaced: ids, durations, and the width of columns.
fn normalised(text: &str) -> String {
    let lines = text.trim().lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> &str {
    let is_id = word.len() == 36 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_duration = word.strip_suffix("ms").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match (is_id, is_duration) {
        (true, _) => "ID",
        (_, true) => "TIME",
        _ => word,
    }
}

/// The fenced block after the mark, without a first line that shows the command.
fn transcript(readme: &str) -> Option<String> {
    let (_, after) = readme.split_once(MARK)?;
    let (_, block) = after.split_once("```")?;
    let (_, block) = block.split_once('\n')?;
    let (block, _) = block.split_once("\n```")?;
    let shown = block.lines().filter(|line| !line.starts_with("$ "));
    Some(shown.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_transcript_in_the_readme_is_what_the_demo_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = fs::read_to_string(path).expect("README.md is there");
    let shown = transcript(&readme).unwrap_or_else(|| panic!("README.md has no fenced block after `{MARK}`"));
    let folder = tempfile::tempdir().unwrap();
    let printed = run(folder.path(), ["demo"]).with(0).to_owned();
    assert!(
        normalised(&shown) == normalised(&printed),
        "the transcript in README.md is stale. Put this into the block after `{MARK}`:\n\n{printed}\n\nCompared were, with ids \
         and times replaced, from the README:\n\n{}\n\nand from the program:\n\n{}\n",
        normalised(&shown),
        normalised(&printed)
    );
}

#[test]
fn ids_times_and_widths_do_not_count_and_everything_else_does() {
    let one = "ID                  LATENCY\n01a20ba7-a269-7e30-9af4-84a89d215d97  12ms\n";
    let other = "ID   LATENCY\n01a20ba7-0000-7e30-9af4-84a89d215d97  7ms";
    assert_eq!(normalised(one), normalised(other));
    assert_ne!(normalised("done  7ms"), normalised("failed  7ms"));
}
