//! Completions and the manual.

use sendoff_host::Exit;

use super::Desk;

#[test]
fn each_shell_gets_a_script_that_knows_the_verbs() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.call(&["completions", shell]).expect(Exit::Done).out;
        assert!(script.contains("quarantine") && script.contains("groups"), "{shell}");
    }
    desk.call(&["completions", "tcsh"]).expect(Exit::Usage);
}

#[test]
fn the_manual_has_a_page_for_the_tool_and_for_each_verb() {
    let desk = Desk::new();
    let page = desk.call(&["man"]).expect(Exit::Done).out;
    assert!(page.contains(".TH dlq 1") && page.contains("Exit codes"), "{page}");
    desk.call(&["man", "--into", "pages/man1"]).expect(Exit::Done);
    let pages = desk.folder.path().join("pages/man1");
    for name in ["dlq.1", "dlq-grep.1", "dlq-redrive-executions.1"] {
        assert!(std::fs::read_to_string(pages.join(name)).unwrap().contains(".TH"), "{name}");
    }
    for page in std::fs::read_dir(&pages).unwrap() {
        // What isn't ASCII, groff reads only with help.
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        assert_eq!(text.lines().find(|line| !line.is_ascii()), None, "{}", page.display());
    }
}
