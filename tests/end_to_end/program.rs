//! The real program: run to its end, or started and stopped.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// How long anything may take before a test gives up. Far more than it ever takes, for machines that are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The standard output, once it is sure that the program ended with this code.
    #[track_caller]
    pub(crate) fn with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        &self.out
    }

    /// The standard output as JSON, once it is sure that the program ended with this code.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> serde_json::Value {
        serde_json::from_str(self.with(code)).expect("stdout is JSON")
    }
}

/// The program with its data folder and nothing else: no environment, no configuration file.
pub(crate) fn sendoff(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendoff"));
    command.env_clear().current_dir(data).arg("--data").arg(data).stdin(Stdio::null());
    command
}

/// Runs the program to its end. Kills it if that takes too long.
pub(crate) fn run<A: AsRef<OsStr>>(data: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    finish(sendoff(data).args(args))
}

/// Runs a prepared command to its end. Kills it if that takes too long.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut running = Running(child);
    let out = drain(running.0.stdout.take().expect("stdout is piped"));
    let err = drain(running.0.stderr.take().expect("stderr is piped"));
    let status = running.wait();
    Ended { code: status.code(), out: out.join().expect("stdout is read"), err: err.join().expect("stderr is read") }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe is read");
        String::from_utf8(bytes).expect("the output is UTF-8")
    })
}

/// A process that is killed when the test ends, however it ends.
pub(crate) struct Running(Child);

impl Running {
    /// Waits until it has ended.
    fn wait(&mut self) -> ExitStatus {
        wait_for("the program ends", || self.0.try_wait().expect("the process can be waited for"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "the process takes SIG{name}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again until there is an answer; fails the test when that takes too long.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (tick, most) = (Duration::from_millis(10), PATIENCE.as_millis() / 10);
    for _ in 0..most {
        if let Some(answer) = look() {
            return answer;
        }
        thread::sleep(tick);
    }
    panic!("gave up waiting: {what}");
}

/// A long-running program whose lines are read as they come.
pub(crate) struct Streaming {
    running: Running,
    lines: mpsc::Receiver<String>,
    err: Arc<Mutex<String>>,
}

impl Streaming {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let lines = lines_of(child.stdout.take().expect("stdout is piped"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let err = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&err);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().expect("no reader panicked").push_str(&(line + "\n"));
            }
        });
        Self { running: Running(child), lines, err }
    }

    /// The next line of its output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("no line came; stderr:\n{}", self.err()),
        }
    }

    /// What it has told on stderr so far.
    pub(crate) fn err(&self) -> String {
        self.err.lock().expect("no reader panicked").clone()
    }

    /// Asks it to stop, and goes on.
    pub(crate) fn signal(&self, signal: &str) {
        self.running.signal(signal);
    }

    /// Waits until it has ended; gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.running.wait().code()
    }

    /// Asks it to stop (`TERM`, `INT`), waits, and gives its exit code.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        self.running.signal(signal);
        self.wait()
    }

    /// Ends it without giving it a chance.
    pub(crate) fn kill(mut self) {
        self.running.signal("KILL");
        self.running.wait();
    }
}

fn lines_of(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
