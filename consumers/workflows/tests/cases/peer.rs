//! Another implementation of JSONata, in a process of its own.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::cases::{Values, bindings};

/// The peer. It ends when its standard input does.
pub(crate) struct Peer {
    process: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// The crate `jsonata-core`, built from `tests/peers/jsonata`.
    pub(crate) fn jsonata_core() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/jsonata/Cargo.toml");
        let target = target().join("peers");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status()
            .expect("cargo starts");
        assert!(built.success(), "tests/peers/jsonata doesn't build");
        Self::start(&mut Command::new(target.join("debug/peer-jsonata")))
    }

    fn start(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
        let ask = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        Self { process, ask, answers }
    }

    /// What the text is with these values, or why it isn't anything.
    pub(crate) fn evaluate(&mut self, jsonata: &str, values: &Values) -> Result<Value, String> {
        let ask = self.ask.as_mut().ok_or("the peer has ended")?;
        writeln!(ask, "{}", json!({ "jsonata": jsonata, "bindings": bindings(values) }))
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let mut answer: Value =
            serde_json::from_str(&line).map_err(|error| format!("the peer said {line:?}: {error}"))?;
        match answer.get_mut("value") {
            Some(value) => Ok(value.take()),
            None => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.process.wait();
    }
}

/// The target folder, of which this program is in `debug/deps`.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    program.ancestors().nth(3).expect("target/debug/deps/program").to_path_buf()
}
