//! `cargo run -p sendoff-tests --bin benchmarks [-- NAMES]`: runs the benchmarks, all or those of these names, and writes what
//! they print into `docs/BENCHMARKS.md`, each with its command, the machine and the commit. What isn't run stays as it was. The table
//! of goals on that page and the figures in the README are made of what stands there, whoever has run it: `-- tables` makes them anew.
//!
//! Run it while nothing else runs: the ratios bear a busy machine, the rates don't.

#![expect(clippy::print_stderr, reason = "it tells how far it is")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "it may fail loudly: nobody depends on it")]

mod goals;
mod printed;
mod readme;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use printed::Printed;

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

What the parts of Sendoff do, beside a peer or a limit that was measured in the same run where there is one. `cargo run -p sendoff-tests --bin \
benchmarks` writes this page: it runs the commands below and keeps what they print. No test asserts on a time; what to look at are the \
ratios.

## What has to hold

Of what was printed below, whatever was the last run of each. Why the zips, and with them the first message of TLS, are as they are: \
[ADR 0030](adr/0030-functions-keep-their-libraries.md). Where a stub answers at once, a worker and a replay are beside an SDK that does \
none of their work: no claim, no record of what was done, no journal.

";

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| name != TABLES).collect();
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!("there is no benchmark `{unknown}`; there are {}, and `{TABLES}`", known.join(", "));
        std::process::exit(2);
    }
    let is_all = std::env::args().len() == 1;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let page = root.join("docs/BENCHMARKS.md");
    for bench in BENCHES.iter().filter(|bench| is_all || names.iter().any(|name| name == bench.name)) {
        eprintln!("{} …", bench.title);
        // What is built is what stands here now.
        let commit = commit(&root);
        let printed = run(&root, bench);
        // Written after each: those that were run are kept when a later one fails.
        let before = fs::read_to_string(&page).unwrap_or_default();
        fs::write(&page, with(&before, Some((bench, &section(&commit, bench, &printed))))).unwrap();
    }
    let text = with(&fs::read_to_string(&page).unwrap_or_default(), None);
    fs::write(&page, &text).unwrap();
    let readme = root.join("README.md");
    match readme_with(&fs::read_to_string(&readme).unwrap(), &text) {
        Some(text) => fs::write(readme, text).unwrap(),
        None => eprintln!(
            "the README stays as it is: the benchmarks `embedded` and `million` haven't printed all of its figures"
        ),
    }
}

/// What makes the tables anew and runs nothing.
const TABLES: &str = "tables";

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

/// The page with this section in its place, and the table of goals by what then stands there.
fn with(page: &str, new: Option<(&Bench, &str)>) -> String {
    let mut text = String::new();
    for known in &BENCHES {
        let part = match new {
            Some((bench, section)) if bench.name == known.name => Some(section),
            _ => part(page, known),
        };
        if let Some(part) = part {
            write!(text, "\n{}\n", part.trim_end()).unwrap();
        }
    }
    let goals = goals::table(|name| {
        let bench = BENCHES.iter().find(|bench| bench.name == name)?;
        Some((bench.title, printed(&text, name)?))
    });
    format!("{HEAD}{goals}{text}")
}

/// What a benchmark has printed, as it stands on the page.
fn printed<'a>(page: &'a str, name: &str) -> Option<Printed<'a>> {
    let bench = BENCHES.iter().find(|bench| bench.name == name)?;
    let (_, block) = part(page, bench)?.split_once("```text\n")?;
    Some(Printed(block.split_once("\n```")?.0))
}

/// The README with the figures of the page.
fn readme_with(readme: &str, page: &str) -> Option<String> {
    readme::with(readme, printed(page, "embedded")?, printed(page, "million")?)
}

/// The section of a page.
fn part<'a>(page: &'a str, bench: &Bench) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {}\n", bench.title))?;
    let end = rest.find("\n## ").unwrap_or(rest.len());
    let begin = page.len() - rest.len() - bench.title.len() - "## \n".len();
    Some(&page[begin..begin + "## \n".len() + bench.title.len() + end])
}

fn section(commit: &str, bench: &Bench, printed: &str) -> String {
    let Bench { name, title, about, options } = bench;
    let machine = machine();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goals_and_the_readme_tell_what_was_printed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = fs::read_to_string(root.join("docs/BENCHMARKS.md")).unwrap();
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(!page.contains("not printed"), "a goal isn't found in what its benchmark prints");
        let told = "run `cargo run -p sendoff-tests --bin benchmarks -- tables`";
        assert!(with(&page, None) == page, "{told}");
        assert!(readme_with(&readme, &page).unwrap() == readme, "{told}");
        assert_eq!(page.matches("| yes |").count() + page.matches("| **no** |").count(), goals::GOALS.len());
    }
}
