//! The real program: run to its end, or started and stopped.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long anything may take before a test gives up. Far more than it ever takes, for machines that are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A worker with all its settings, and the AWS that `endpoint` names.
pub(crate) fn worker(endpoint: &str) -> Command {
    let mut command = bare();
    let queues = format!("{endpoint}/123456789012/sendoff-");
    command.envs([
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("SENDOFF_TABLE", "sendoff-records"),
        ("SENDOFF_INBOX_TABLE", "sendoff-inbox"),
        ("SENDOFF_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:sendoff-events"),
        ("SENDOFF_QUEUE_URL_BASE", &queues),
        ("SENDOFF_BUCKET", "sendoff-payloads"),
        ("SENDOFF_RUNS_ROLE_ARN", "arn:aws:iam::123456789012:role/runs"),
        ("SENDOFF_RUNS_PREFIX", "sendoff-runs"),
        ("SENDOFF_FUNCTIONS", r#"{"steps":"arn:aws:lambda:us-east-1:123456789012:function:steps"}"#),
        ("SENDOFF_SCHEDULE_GROUP", "sendoff"),
        ("SENDOFF_SCHEDULE_ROLE_ARN", "arn:aws:iam::123456789012:role/sendoff-schedules"),
        ("SENDOFF_MAIL_FROM", "Sendoff <no-reply@example.org>"),
        ("SMTP_URL", "smtp://127.0.0.1:9"),
        ("SENDOFF_LISTEN", "127.0.0.1:0"),
    ]);
    command
}

/// A worker that is told nothing, and that asks no machine for a role.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nowhere").stdin(Stdio::null());
    command
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) err: String,
}

/// Runs it to its end. Kills it if that takes too long.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let mut running = Running::start(command);
    let code = running.wait();
    Ended { code, err: running.rest() }
}

/// A process whose lines on stderr are read as they come, and that is killed when the test ends, however it ends.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// What follows `beginning` in the first line that begins so.
    pub(crate) fn line(&self, beginning: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => match line.strip_prefix(beginning) {
                    Some(rest) => return rest.to_owned(),
                    None => seen.push(line),
                },
                Err(_) => panic!("no line begins with {beginning:?}:\n{}", seen.join("\n")),
            }
        }
    }

    /// All lines that haven't been read, once it has ended.
    pub(crate) fn rest(&self) -> String {
        self.lines.iter().map(|line| line + "\n").collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "the process takes SIG{name}");
    }

    /// Waits until it has ended; its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let (tick, most) = (Duration::from_millis(10), PATIENCE.as_millis() / 10);
        for _ in 0..most {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status.code();
            }
            thread::sleep(tick);
        }
        panic!("gave up waiting for the end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the worker answers: the status line and the body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}
