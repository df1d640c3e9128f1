//! The settings of the SAM CLI, which decides what is deployed.

use std::fs;

use super::document::Template;

/// What the settings say about building.
fn building(settings: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = settings.lines().map(str::trim).skip_while(|line| *line != "[default.build.parameters]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

/// The SAM CLI's cache knows a function by the files below its `CodeUri`, which the other crates are not among.
fn builds_what_stands_there(settings: &str) -> bool {
    building(settings).any(|setting| setting == ("cached", "false"))
}

#[test]
fn what_is_deployed_is_built_from_the_whole_workspace_and_not_taken_from_a_cache() {
    let settings = fs::read_to_string(Template::folder().join("samconfig.toml")).expect("there are settings");
    assert!(builds_what_stands_there(&settings));
    for planted in ["cached = true", "#cached = false", "[default.other.parameters]\ncached = false"] {
        let wrong = settings.replace("cached = false", planted);
        assert!(wrong != settings && !builds_what_stands_there(&wrong), "{planted}");
    }
}
