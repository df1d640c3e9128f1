//! The real program, run to its end, and what it should print.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    code: Option<i32>,
    out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The standard output, once it is sure that the program ended with this code.
    #[track_caller]
    pub(crate) fn with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        &self.out
    }

    /// The standard output, however the program ended.
    pub(crate) fn out_as_it_is(&self) -> &str {
        &self.out
    }

    /// The standard output as JSON, once it is sure that the program ended with this code.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> serde_json::Value {
        serde_json::from_str(self.with(code)).expect("stdout is JSON")
    }
}

/// The program in this folder and nothing else: no environment, no configuration file.
pub(crate) fn sendoff(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendoff"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs `sendoff workflow` to its end.
pub(crate) fn workflow<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    finish(sendoff(folder).arg("workflow").args(args))
}

/// Runs a prepared command to its end.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Where the examples are.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../consumers/workflows/examples")
}

/// Whether it is what the golden file says. What it should be replaced by, if it is meant to change, is left beside the build.
#[track_caller]
pub(crate) fn golden(name: &str, printed: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflow/golden").join(name);
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if printed != expected {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), printed).unwrap();
        let (file, now) = (file.display(), folder.join(name));
        panic!("{file} says something else than is printed now, see {}:\n{printed}", now.display());
    }
}
