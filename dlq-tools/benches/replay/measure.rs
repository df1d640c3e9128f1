//! What a process uses until it ends.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use sendoff_events::Clock as _;
use sendoff_host::SystemClock;

/// Clock ticks per second in `/proc`: the same on every Linux (`man 5 proc_pid_stat`).
const TICKS: f64 = 100.0;
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// The most memory that it had at a time, in MiB.
    pub(crate) peak: f64,
}

/// Runs it to its end, which must be a good one. Gives what it wrote on standard output, too.
pub(crate) fn run(command: &mut Command) -> (Used, String) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let err = tempfile::NamedTempFile::new().unwrap();
    command.stdin(Stdio::null()).stdout(out.reopen().unwrap()).stderr(err.reopen().unwrap());
    let began = SystemClock.now();
    let mut process = command.spawn().unwrap();
    let proc = format!("/proc/{}", process.id());
    let mut peak = 0.0;
    // A process that has ended stays in `/proc` until it is waited for.
    let cpu = loop {
        if let Some(kib) = peak_of(&proc) {
            peak = kib / 1024.0;
        }
        let (state, cpu) = state_of(&proc);
        if state == "Z" {
            break cpu;
        }
        thread::sleep(LOOK);
    };
    let wall = SystemClock.now().duration_since(began).as_secs_f64();
    let status = process.wait().unwrap();
    let (out, err) = (fs::read_to_string(out.path()).unwrap(), fs::read_to_string(err.path()).unwrap());
    assert!(status.success(), "{command:?} ended with {status}:\n{out}\n{err}");
    (Used { wall, cpu, peak }, out)
}

fn peak_of(proc: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Its state, and the seconds of processor time that it has used.
fn state_of(proc: &str) -> (String, f64) {
    let stat = fs::read_to_string(format!("{proc}/stat")).unwrap();
    // Its name stands in parentheses, and may have any in it.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    (fields[0].to_owned(), ticks / TICKS)
}
