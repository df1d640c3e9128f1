//! Cold starts.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    build::Built,
    process::{Used, command},
    runtime_api::{Asked, RuntimeApi},
};

/// What a start came to.
pub(crate) struct Measured {
    /// Instructions to the first `GET /next`; `None` without valgrind.
    pub(crate) to_next: Option<u64>,
    /// Instructions to the answer to the first event.
    pub(crate) to_answer: Option<u64>,
    pub(crate) wall_ms: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) rss_mib: f64,
}

/// Starts all functions so often, in turns.
pub(crate) fn all(built: &[Built], runs: usize) -> Vec<Measured> {
    let mut starts: Vec<Vec<(f64, Used)>> = built.iter().map(|_| Vec::new()).collect();
    // The first start reads the program from the disk, and isn't counted.
    for run in 0..=runs {
        for (function, starts) in built.iter().zip(&mut starts) {
            let start = start(&function.path);
            if run > 0 {
                starts.push(start);
            }
        }
    }
    let valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    let one = |(function, starts): (&Built, Vec<(f64, Used)>)| Measured {
        to_next: valgrind.then(|| instructions(&function.path, Asked::Next)),
        to_answer: valgrind.then(|| instructions(&function.path, Asked::Answered)),
        wall_ms: median(starts.iter().map(|(wall, _)| *wall)),
        cpu_ms: median(starts.iter().map(|(_, used)| used.cpu_ms)),
        rss_mib: median(starts.iter().map(|(_, used)| used.rss_mib)),
    };
    built.iter().zip(starts).map(one).collect()
}

/// One start: the milliseconds to its first question for an event, and what it has used by then.
fn start(program: &Path) -> (f64, Used) {
    let api = RuntimeApi::start(false);
    let mut command = command(program.as_os_str(), api.address());
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let began = Instant::now();
    let mut process = command.spawn().unwrap();
    let wall = api.wait_for(Asked::Next) - began;
    let used = Used::by(&process);
    process.kill().unwrap();
    process.wait().unwrap();
    (wall.as_secs_f64() * 1e3, used)
}

/// The instructions up to this question, as callgrind counts them. It writes them down when the process is told to end.
fn instructions(program: &Path, until: Asked) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (counts, log) = (folder.path().join("counts"), folder.path().join("log"));
    let api = RuntimeApi::start(until == Asked::Answered);
    let mut process = command("valgrind".as_ref(), api.address())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(format!("--log-file={}", log.display()))
        .arg(program)
        .spawn()
        .unwrap();
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

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut of: Vec<f64> = of.collect();
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
