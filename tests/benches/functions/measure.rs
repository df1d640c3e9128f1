//! Cold starts.

use std::{
    ffi::OsString,
    fs,
    process::{Child, Command},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    build::{Built, Kind},
    process::{Used, command},
    runtime_api::{Asked, Events, RuntimeApi},
};

/// What a start came to.
pub(crate) struct Measured {
    /// Instructions to the first `GET /next`; `None` without valgrind.
    pub(crate) to_next: Option<u64>,
    /// Instructions to the answer to the first event.
    pub(crate) to_answer: Option<u64>,
    /// To the first `GET /next`.
    pub(crate) wall_ms: f64,
    /// To the answer to the first event, without the time in which nobody gave it one.
    pub(crate) answered_ms: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) rss_mib: f64,
}

/// Starts all functions so often, in turns.
pub(crate) fn all(built: &[Built], runs: usize) -> Vec<Measured> {
    let mut starts: Vec<Vec<Start>> = built.iter().map(|_| Vec::new()).collect();
    // The first start reads the program from the disk, and isn't counted.
    for run in 0..=runs {
        for (function, starts) in built.iter().zip(&mut starts) {
            let start = start(&function.line);
            if run > 0 {
                starts.push(start);
            }
        }
    }
    let valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    let one = |(function, starts): (&Built, Vec<Start>)| Measured {
        // An interpreter's would be counted for minutes, and say nothing.
        to_next: (valgrind && function.kind == Kind::Native).then(|| instructions(&function.line, Asked::Next)),
        to_answer: (valgrind && function.kind == Kind::Native).then(|| instructions(&function.line, Asked::Answered)),
        wall_ms: median(starts.iter().map(|start| start.next_ms)),
        answered_ms: median(starts.iter().map(|start| start.answered_ms)),
        cpu_ms: median(starts.iter().map(|start| start.used.cpu_ms)),
        rss_mib: median(starts.iter().map(|start| start.used.rss_mib)),
    };
    built.iter().zip(starts).map(one).collect()
}

/// One start.
struct Start {
    /// The milliseconds to its first question for an event.
    next_ms: f64,
    /// And to its answer, without those in which nobody gave it an event.
    answered_ms: f64,
    /// What it had used when it first asked.
    used: Used,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn start(line: &[OsString]) -> Start {
    let api = RuntimeApi::start(Events::Strange);
    let mut command = command(line, api.address(), "http");
    let began = Instant::now();
    let mut process = command.spawn().unwrap();
    let next = api.wait_for(Asked::Next) - began;
    let used = Used::by(&process);
    let given = Instant::now();
    api.hand_over(1);
    let answered = next + (api.wait_for(Asked::Answered) - given);
    process.kill().unwrap();
    process.wait().unwrap();
    Start { next_ms: next.as_secs_f64() * 1e3, answered_ms: answered.as_secs_f64() * 1e3, used }
}

/// The instructions up to this question, as callgrind counts them. It writes them down when the process is told to end.
fn instructions(line: &[OsString], until: Asked) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (counts, log) = (folder.path().join("counts"), folder.path().join("log"));
    let api = RuntimeApi::start(Events::Strange);
    api.hand_over(u64::from(until == Asked::Answered));
    let mut under = vec!["valgrind".into(), "--tool=callgrind".into()];
    under.push(format!("--callgrind-out-file={}", counts.display()).into());
    under.push(format!("--log-file={}", log.display()).into());
    under.extend_from_slice(line);
    let mut process =
        command(&under, api.address(), "http").env("PATH", "/usr/local/bin:/usr/bin:/bin").spawn().unwrap();
    api.wait_for(until);
    end(&mut process);
    let log = fs::read_to_string(log).unwrap();
    let counted = log.lines().find_map(|line| line.split_once("Collected :"));
    counted.unwrap().1.trim().parse().unwrap()
}

fn end(process: &mut Child) {
    kill_process(Pid::from_child(process), Signal::TERM).unwrap();
    process.wait().unwrap();
}

pub(crate) fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut of: Vec<f64> = of.collect();
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
