//! A script in a process of its own. Nothing in a jq program can be asked to be content with what memory or stack there is: what takes
//! more than it may takes only its own process with it.
//!
//! The two processes talk in lines of JSON. The script, and then each envelope, is a text, and is answered by what came of it.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use super::script::{PATIENCE, Script, ScriptError, object};

/// The first argument of the tool's program when it is to run a script for another process of it.
pub const APART: &str = "run-a-script-apart";

/// How much address space a script may take, in bytes. The allocator of the tool sets a half of that aside when it begins.
#[cfg(unix)]
const MEMORY: u64 = 2 << 30;

const BROKE_OFF: &str = "the script broke off: it took more memory than there is for it, or called itself without end";

/// What came of the script, or of an envelope.
type Answer = Result<String, ScriptError>;

/// A script that waits for envelopes, in its process; `None` when that has ended.
pub struct Apart(Mutex<Option<Process>>);

impl Apart {
    /// Starts this program, which is the tool's, and compiles the script there.
    ///
    /// # Errors
    ///
    /// What is wrong with the script, and where; or why no process can be started.
    pub fn start(program: &Path, script: &str) -> Result<Self, String> {
        let failed = |error| format!("no process can be started for it, of {}: {error}", program.display());
        let mut process = Process::start(program).map_err(failed)?;
        process.ask(script).map_err(|error| error.to_string())?;
        Ok(Self(Mutex::new(Some(process))))
    }

    /// Runs it over an envelope.
    ///
    /// # Errors
    ///
    /// When it fails, runs for too long, takes too much memory, or gives anything but one object.
    pub fn run(&self, envelope: &Value) -> Result<Value, ScriptError> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = process.as_mut().ok_or(BROKE_OFF)?;
        let answer = running.ask(&envelope.to_string());
        if matches!(answer, Err(ScriptError::Ended(_))) {
            *process = None;
        }
        object(&answer?)
    }
}

/// The process. It ends with whoever has started it.
struct Process {
    child: Child,
    asked: ChildStdin,
    answered: BufReader<ChildStdout>,
}

impl Process {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(APART).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(asked), Some(answered)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Self { child, asked, answered: BufReader::new(answered) })
    }

    /// The process itself gives up what takes too long: it always answers, or ends.
    fn ask(&mut self, text: &str) -> Answer {
        let mut answer = String::new();
        let asked = say(&mut self.asked, &text);
        match asked.and_then(|()| self.answered.read_line(&mut answer)) {
            Ok(1..) => serde_json::from_str(&answer).unwrap_or_else(|_| Err(BROKE_OFF.into())),
            _ => Err(ScriptError::Ended(BROKE_OFF.into())),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(to: &mut impl Write, what: &impl serde::Serialize) -> io::Result<()> {
    let line = serde_json::to_string(what)? + "\n";
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// What the tool's program does when its first argument is [`APART`].
#[must_use]
pub fn serve_apart() -> ExitCode {
    // Whoever asks sees that nothing is answered any more.
    let served = limit().and_then(|()| serve(io::stdin().lock(), io::stdout().lock()));
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Answers until nothing is asked any more, or a script has to be given up: only its process can end it.
fn serve(asked: impl BufRead, mut answered: impl Write) -> io::Result<()> {
    let mut script = None;
    for line in asked.lines() {
        let text: String = serde_json::from_str(&line?)?;
        let answer = match &script {
            Some(script) => Script::run(script, &text),
            None => Script::start(&text, PATIENCE).map(|started| script = Some(started)).map(|()| String::new()),
        };
        say(&mut answered, &answer)?;
        if matches!(answer, Err(ScriptError::Ended(_))) {
            break;
        }
    }
    Ok(())
}

/// Lets this process have only so much memory, and leave no image of it behind: it would have personal data in it.
#[cfg(unix)]
fn limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for (resource, most) in [(Resource::As, MEMORY), (Resource::Core, 0)] {
        let most = Some(getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most)));
        setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(asked: &[&str]) -> Vec<Answer> {
        let lines: String = asked.iter().map(|text| serde_json::to_string(text).unwrap() + "\n").collect();
        let mut answered = Vec::new();
        serve(lines.as_bytes(), &mut answered).unwrap();
        String::from_utf8(answered).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_script_and_each_envelope_are_answered() {
        let said = answers(&[
            r#"if .a == "\n" then error else .a |= tonumber end"#,
            r#"{"a":"1"}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":"2"}"#,
        ]);
        assert_eq!(
            (&said[0], &said[1], &said[3]),
            (&Ok(String::new()), &Ok(r#"{"a":1}"#.into()), &Ok(r#"{"a":2}"#.into()))
        );
        assert!(matches!(&said[2], Err(ScriptError::Fails(_))), "{said:?}");
        let said = answers(&["nosuch"]);
        assert!(matches!(&said[..], [Err(ScriptError::Unusable(why))] if why.contains("`nosuch`")), "{said:?}");
    }
}
