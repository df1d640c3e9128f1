//! `cargo run -p sendoff-tests --bin benchmarks [-- NAMES]`: runs the benchmarks, all or those of these names, and writes what
//! they print into `docs/BENCHMARKS.md`, each with its command, the machine and the commit. What isn't run stays as it was.
//!
//! Run it while nothing else runs: the ratios bear a busy machine, the rates don't.

#![expect(clippy::print_stderr, reason = "it tells how far it is")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "it may fail loudly: nobody depends on it")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What cargo is told before the name. All of the workspace: then they share what they are built from.
const COMMAND: [&str; 4] = ["bench", "--workspace", "--locked", "--bench"];

/// A benchmark.
struct Bench {
    /// The name of its target, and what it is asked for by.
    name: &'static str,
    title: &'static str,
    /// What is measured, and what we aim at.
    about: &'static str,
    /// What it is told.
    options: &'static [&'static str],
}

const BENCHES: [Bench; 7] = [
    Bench {
        name: "functions",
        title: "Lambda functions: cold start, size, a warm batch",
        about: "Each consumer beside a bare function of the same runtime, and a consumer with the whole protocol of the inbox beside the same \
            job in Python and Node with Powertools for AWS Lambda. Instructions and sizes compare between machines, times only within one \
            run. Goals: instructions to `/next` at most 1.5 times those of the bare function; at least 100 times faster to `/next` than \
            Python and 50 times than Node; at most 2 ms of processor time to the first message of TLS; a zip of at most 2.5 MB, mail and \
            SMS 1.5 MB; at most 7 MiB resident; a warm batch at least 8 times cheaper than Python's, 10 times than Node's.",
        options: &["--", "email", "sms", "whatsapp", "push", "webhook", "workflow-kickoff"],
    },
    Bench {
        name: "message",
        title: "A message from the queue to the ack",
        about: "Instructions and allocations of what stands around a handler: decode, route, inbox; beside what `serde_json` takes for \
            the body alone. Valgrind has no instructions for SHA-256, so the digest of the body is more than half of what it counts, and \
            far less of what a processor does.",
        options: &[],
    },
    Bench {
        name: "aws",
        title: "The AWS adapters beside the SDK",
        about: "Messages per second of processor time against a stub that answers at once, ours and the raw SDK's in turns: publisher, \
            queue, and a whole worker, that one with calls of 10 ms too; and what a message costs in calls and items. Goal: 0.9 of the raw SDK, of processor time and of \
            time in all.",
        options: &[],
    },
    Bench {
        name: "embedded",
        title: "The embedded system",
        about: "With `synchronous=FULL`: throughput beside the engine alone and beside peers on the same disk with the same durability, \
            the cost of a message as the queue grows, and how soon a killed process works \
            again. Goals: 15,000 handled messages/s, half of \
            what the engine alone does, ahead of every peer, a cost that stays within 20 % from 10,000 to 1,000,000 queued messages.",
        options: &[],
    },
    Bench {
        name: "workflows",
        title: "Workflows on the embedded engine",
        about: "10,000 runs of a workflow of ten steps, all under way at once.",
        options: &[],
    },
    Bench {
        name: "million",
        title: "A million events through the embedded system",
        about: "A load test in one process with the system, at 5,000 events/s: what became of every single one, and how the memory went. \
            Goals: none lost, none doubled, memory flat.",
        options: &[],
    },
    Bench {
        name: "replay",
        title: "Replaying dead letters",
        about: "The program `dlq` against a stub of SQS and DynamoDB, beside the SDK alone. Goals: with 10 ms for each call, replay 5,000/s \
            and snapshot 10,000/s; answered at once, replay 20,000/s per processor; memory that doesn't grow with the letters.",
        options: &["--", "--million"],
    },
];

/// How a program ends that panicked.
const PANICKED: i32 = 101;

const HEAD: &str = "# Benchmarks

What the parts of Sendoff do, each beside a peer or a limit that was measured in the same run. `cargo run -p sendoff-tests --bin \
benchmarks` writes this page: it runs the commands below and keeps what they print. No test asserts on a time; what to look at are the \
ratios.
";

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!("there is no benchmark `{unknown}`; there are {}", known.join(", "));
        std::process::exit(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let page = root.join("docs/BENCHMARKS.md");
    for bench in BENCHES.iter().filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.name)) {
        eprintln!("{} …", bench.title);
        let printed = run(&root, bench);
        // Written after each: those that were run are kept when a later one fails.
        let before = fs::read_to_string(&page).unwrap_or_default();
        fs::write(&page, with(&before, bench, &section(&root, bench, &printed))).unwrap();
    }
}

fn run(root: &Path, bench: &Bench) -> String {
    let output = Command::new(env!("CARGO"))
        .args(COMMAND)
        .arg(bench.name)
        .args(bench.options)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    let mut printed = String::from_utf8(output.stdout).unwrap();
    // What broke off in the middle would stand there as if that were all.
    let broke_off = output.status.code().is_none_or(|code| code == PANICKED);
    assert!(!broke_off && !printed.trim().is_empty(), "{} failed: its section stays as it was", bench.name);
    if !output.status.success() {
        // A load test that misses what has to hold says so, and its figures count all the same.
        write!(printed, "\nit ended with {}", output.status).unwrap();
    }
    printed
}

/// The page with this section in its place.
fn with(page: &str, bench: &Bench, section: &str) -> String {
    let mut text = HEAD.to_owned();
    for known in &BENCHES {
        let part = if known.name == bench.name { Some(section) } else { part(page, known) };
        if let Some(part) = part {
            write!(text, "\n{}\n", part.trim_end()).unwrap();
        }
    }
    text
}

/// The section of a page.
fn part<'a>(page: &'a str, bench: &Bench) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {}\n", bench.title))?;
    let end = rest.find("\n## ").unwrap_or(rest.len());
    let begin = page.len() - rest.len() - bench.title.len() - "## \n".len();
    Some(&page[begin..begin + "## \n".len() + bench.title.len() + end])
}

fn section(root: &Path, bench: &Bench, printed: &str) -> String {
    let Bench { name, title, about, options } = bench;
    let (machine, commit) = (machine(), commit(root));
    let command = [&COMMAND[..], &[*name], *options].concat().join(" ");
    let printed = printed.trim_end();
    format!("## {title}\n\n{about}\n\n`cargo {command}` at {commit}, on {machine}:\n\n```text\n{printed}\n```\n")
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(PathBuf::from(path)).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "an unknown processor".into());
    let memory = value(&read("/proc/meminfo"), "MemTotal").and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok());
    let memory = memory.map_or_else(String::new, |kib| format!(", {} GiB", kib >> 20));
    format!("{processors} × {model}{memory}")
}

fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["log", "-1", "--format=%h of %cs"]) else { return "an unknown commit".into() };
    let changed = git(&["status", "--porcelain", "--", ":!docs"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("`{commit}` with changes") } else { format!("`{commit}`") }
}
