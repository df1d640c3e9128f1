//! Transcripts: documents whose commands are run, one after the other, over a folder that was made for them, and which print what
//! the document says. `UPDATE_TRANSCRIPTS=1 cargo test -p sendoff-dlq-tools transcripts` writes what they print now.

mod clock;
mod markdown;
pub(crate) mod scenario;
mod serving;

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use markdown::Piece;
use scenario::Scenario;

/// Where both outputs go, in the order in which they are written.
#[derive(Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// What was written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Runs a document, and fails with what differs.
async fn prove(path: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let document = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let pieces = markdown::read(&document);
    let mut happened = Vec::new();
    let mut scenario = None;
    let (mut commands, mut wrong, mut hash) = (0, String::new(), String::new());
    for piece in &pieces {
        let piece = match piece {
            Piece::Text(_) => piece.clone(),
            Piece::Scenario(name) => {
                scenario = Some(Scenario::make(name).await);
                piece.clone()
            }
            Piece::Then(what) => {
                scenario.as_mut().expect("a scenario").then(what).await;
                piece.clone()
            }
            Piece::Command { line, told } => {
                commands += 1;
                let scenario = scenario.as_ref().unwrap_or_else(|| panic!("no scenario before `{line}`"));
                let printed = run(scenario, &line.replace("$HASH", &hash)).await;
                hash = last_hash(&printed).unwrap_or(hash);
                let printed = scenario.anonymous(&printed);
                if markdown::fits(told, &printed) {
                    piece.clone()
                } else {
                    wrong.push_str(&format!("$ {line}\n--- said\n{told}--- printed\n{printed}\n"));
                    Piece::Command { line: line.clone(), told: printed }
                }
            }
        };
        happened.push(piece);
    }
    assert!(commands > 0, "{} has no commands", path.display());
    if !wrong.is_empty() && updates() {
        std::fs::write(&path, markdown::write(&happened)).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{} doesn't say what happens:\n{wrong}", path.display());
}

/// The beginning of the last hash that was printed: what `$HASH` stands for in the commands that follow.
fn last_hash(printed: &str) -> Option<String> {
    let is_hash = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    printed.split_whitespace().rfind(is_hash).map(|hash| hash[..16].to_owned())
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so in the environment")]
pub(crate) fn updates() -> bool {
    std::env::var_os("UPDATE_TRANSCRIPTS").is_some()
}

/// What a command prints, with its exit code in the last line if it isn't 0.
async fn run(scenario: &Scenario, line: &str) -> String {
    let words = markdown::words(line);
    let screen = Screen::default();
    let mut session = scenario.session(&screen);
    let ended = sendoff_dlq_tools::dlq(words.iter().map(Into::into), &mut session).await;
    drop(session);
    let exit = match ended {
        Ok(exit) => exit,
        Err(stopped) => {
            if let Some(message) = stopped.message {
                let _ = writeln!(screen.clone(), "dlq: {message}");
            }
            stopped.exit
        }
    };
    let mut printed = String::from_utf8(std::mem::take(&mut *screen.0.lock().unwrap())).expect("text");
    if !printed.is_empty() && !printed.ends_with('\n') {
        printed.push('\n');
    }
    // Nobody sees blanks at the end of a line, and editors take them away.
    let mut printed: String = printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if exit as u8 != 0 {
        printed.push_str(&format!("? {}\n", exit as u8));
    }
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runbook_says_what_happens() {
    prove("docs/OPERATIONS.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_verb_says_what_its_transcript_says() {
    prove("dlq-tools/tests/transcripts/verbs.md").await;
}
