//! A replay by the real program, killed and resumed.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use sendoff_events::{Clock as _, Rng, Timestamp};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::simulation::World;

use super::{
    journal::{Journal, Phase, Struck},
    serving::CONSUMER,
};

/// For how long letters are leased: so short that some leases end while nobody goes on with a run that was killed.
const HOLD: &str = "1s";
/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How the tool is called: what it works on, and its environment.
#[derive(Clone)]
pub(super) struct Tool {
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) work: PathBuf,
}

impl Tool {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dlq"));
        command.args(&self.arguments).arg("--work").arg(&self.work).args(arguments);
        command.env_clear().env("USER", "grace").envs(self.variables.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    /// Calls it, which must go well. Gives what it wrote.
    pub(super) fn call(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "dlq {arguments:?} ended with {}: {}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

/// Two plans of the same letters, carried out at once and killed again and again.
pub(super) fn two_at_once(tool: &Tool, round: usize, rate: u32, until: Timestamp) -> (Struck, [Replay; 2]) {
    tool.call(&["snap", CONSUMER]);
    let rate = rate.to_string();
    let plan = |name: &str, selection: &[&str]| {
        let arguments = ["plan", CONSUMER, "--rate", &rate, "--canary", "0", "--watch", "0s"];
        Replay::plan(tool, &format!("{name}-{round}.plan"), &[&arguments[..], selection].concat())
    };
    let replays = [plan("all", &[]), plan("failed", &["--reason", "bad-template"])];
    let struck = thread::scope(|scope| {
        let threads = replays.each_ref().map(|replay| {
            let world = World::new(SystemRng::new().next_u64());
            scope.spawn(move || replay.kill_again_and_again(until, &world.rng()))
        });
        let [one, other] = threads.map(|thread| thread.join().expect("it came to an end"));
        one.and(&other)
    });
    (struck, replays)
}

/// A plan, and how far its run is.
pub(super) struct Replay {
    tool: Tool,
    plan: String,
    hash: String,
    folder: PathBuf,
}

impl Replay {
    /// Plans one.
    pub(super) fn plan(tool: &Tool, name: &str, arguments: &[&str]) -> Self {
        let plan = tool.work.join(name).to_str().expect("a path").to_owned();
        let said = tool.call(&[arguments, &["--out", &plan, "--output", "json"]].concat());
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let hash = said["hash"].as_str().expect("a hash").to_owned();
        let folder = tool.work.join("runs").join(&hash[..16]);
        Self { tool: tool.clone(), plan, hash, folder }
    }

    /// Starts it, or goes on with it.
    fn start(&self) -> Child {
        let arguments = match self.journal_path().exists() {
            true => vec!["resume", &self.hash, "--hold", HOLD],
            false => vec!["run", &self.plan, "--apply", &self.hash, "--hold", HOLD],
        };
        let mut command = self.tool.command(&arguments);
        let said = File::options().create(true).append(true).open(self.tool.work.join("said")).expect("a file");
        command.stdout(said.try_clone().expect("a file")).stderr(said);
        command.spawn().expect("it starts")
    }

    fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.ndjson")
    }

    /// Kills it again and again, each time at another step, until a process of it comes to its end.
    pub(super) fn kill_again_and_again(&self, until: Timestamp, rng: &dyn Rng) -> Struck {
        let mut struck = Struck::default();
        let mut journal = Journal::default();
        loop {
            let mut child = self.start();
            if let Some(ended) = self.wait(&mut child, Aim::of(rng), &mut journal, until, &struck) {
                // Done, partly done because the other one was first, or with ambiguous ones left.
                let is_an_end = ended.code().is_some_and(|code| [0, 3, 6].contains(&code));
                assert!(is_an_end, "it ended with {ended} after {} kills; {}", struck.kills, self.said());
                return struck;
            }
            child.kill().expect("SIGKILL");
            child.wait().expect("it is dead");
            journal.read(&self.journal_path());
            struck.count(&mut journal);
        }
    }

    /// Its report, once it has come to its end.
    pub(super) fn report(&self) -> serde_json::Value {
        let report = std::fs::read(self.folder.join("report.json")).expect("a report");
        serde_json::from_slice(&report).expect("JSON")
    }

    /// Waits until it is where the aim says. Gives how it ended if it did so before.
    fn wait(
        &self,
        child: &mut Child,
        aim: Aim,
        journal: &mut Journal,
        until: Timestamp,
        struck: &Struck,
    ) -> Option<ExitStatus> {
        let began = SystemClock.now();
        let before = journal.lines();
        loop {
            if let Some(ended) = child.try_wait().expect("its status") {
                return Some(ended);
            }
            journal.read(&self.journal_path());
            let hit = match aim {
                Aim::After(delay) => {
                    Duration::try_from(SystemClock.now().duration_since(began)).unwrap_or_default() >= delay
                }
                Aim::Line { phase, lines } => journal.lines() >= before + lines && journal.last() == Some(phase),
            };
            if hit {
                return None;
            }
            if SystemClock.now() > until {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it never came to an end after {} kills; {}", struck.kills, self.said());
            }
            thread::sleep(LOOK);
        }
    }

    /// The last that the tool said.
    fn said(&self) -> String {
        let mut said = String::new();
        if let Ok(mut file) = File::open(self.tool.work.join("said")) {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(2000)));
            let _ = file.read_to_string(&mut said);
        }
        said
    }
}

/// When it is killed.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// So long after its start: before its first line, say.
    After(Duration),
    /// As soon as its journal has so many more lines, and the last one is such.
    Line { phase: Phase, lines: u64 },
}

impl Aim {
    fn of(rng: &dyn Rng) -> Self {
        let number = rng.next_u64();
        // The first line says that a process has begun. A batch has three, and the next one may take half a second to come.
        let lines = if number >> 32 & 7 == 0 { 5 } else { 2 };
        match number % 8 {
            0 => Self::After(Duration::from_millis((number >> 8) % 200)),
            1..=3 => Self::Line { phase: Phase::Sending, lines },
            4..=6 => Self::Line { phase: Phase::Deleting, lines },
            _ => Self::Line { phase: Phase::Between, lines },
        }
    }
}
