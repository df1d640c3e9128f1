//! Somebody else's interpreter of state machines, as a process that answers one case after the other.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sendoff_tests::servers::venv;
use serde_json::Value;

/// The process, which ends with this.
pub(super) struct Interpreter {
    child: Child,
    cases: ChildStdin,
    outcomes: BufReader<ChildStdout>,
}

impl Interpreter {
    pub(super) fn start() -> Self {
        let environment = venv("moto", include_str!("../../requirements/moto.txt"));
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/workflows/interpreter.py");
        let mut child = Command::new(environment.join("bin/python"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let cases = child.stdin.take().expect("it is piped");
        let outcomes = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, cases, outcomes }
    }

    /// What becomes of the case. Which fields both have stands in `interpreter.py`.
    pub(super) fn ask(&mut self, case: &Value) -> Value {
        writeln!(self.cases, "{case}").and_then(|()| self.cases.flush()).expect("the interpreter reads");
        let mut line = String::new();
        self.outcomes.read_line(&mut line).expect("the interpreter answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the interpreter broke off ({error}) at {case}"))
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
