//! `cargo bench -p sendoff-tests --bench functions [-- --runs N --no-build NAMES]`
//!
//! What each Lambda function costs before it does anything, beside a bare function of the same runtime, built the same way:
//! its size and that of its zip, the instructions from its start to its first `GET /next` (by callgrind, where valgrind is
//! installed), and the time, processor time and memory that this takes here. A second line of instructions goes on to the
//! answer to a first event, which the function refuses: Lambda doesn't start a function without one, and ours are put
//! together then. Building takes minutes: it is fat LTO for each function. Beside them are functions that do the job of a consumer
//! with Powertools for AWS Lambda, in Python and Node, from PyPI and npm; and a warm batch of ten messages of each.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "it may fail loudly: nobody depends on it")]

mod build;
mod measure;
mod messages;
mod process;
mod runtime_api;
mod warm;

use build::{Built, Kind};
use measure::Measured;

/// Cold starts of each function.
const RUNS: usize = 41;
/// The function that all others are compared with.
const BARE: &str = "bare";

fn main() {
    let (mut runs, mut build, mut names) = (RUNS, true, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => runs = arguments.next().unwrap().parse().unwrap(),
            "--no-build" => build = false,
            // `cargo bench` adds it.
            "--bench" => {}
            name => names.push(name.to_owned()),
        }
    }
    let mut built = build::all(&names, build);
    let of_the_same_job = build::of_the_same_job(build);
    let functions = built.len();
    built.extend(of_the_same_job);
    let measured = measure::all(&built, runs);
    print(&built, &measured, runs);
    warm::run(&built[functions..]);
}

fn print(built: &[Built], measured: &[Measured], runs: usize) {
    println!(
        "Lambda functions, built with the profile `function`; × is the ratio to the bare function; medians of {runs} starts.\n\
         Instructions, and milliseconds, to the first `GET /next`; and to the answer to a first event, which is refused: Lambda\n\
         starts no function without one, and ours are put together only then\n"
    );
    println!(
        "{:<18} {:>7} {:>7} {:>9} {:>6} {:>9} {:>6} {:>8} {:>6} {:>11} {:>7} {:>8} {:>6}",
        "",
        "raw MB",
        "zip MB",
        "to /next",
        "×",
        "to answer",
        "×",
        "wall ms",
        "×",
        "answered ms",
        "CPU ms",
        "RSS MiB",
        "×"
    );
    let bare = measured.first().unwrap();
    for (function, measured) in built.iter().zip(measured) {
        let million = |count: Option<u64>| count.map_or("-".to_owned(), |count| format!("{:.2} M", count as f64 / 1e6));
        let ratio = |of: Option<u64>, bare: Option<u64>| {
            of.zip(bare).map_or("-".to_owned(), |(of, bare)| format!("{:.2}", of as f64 / bare as f64))
        };
        println!(
            "{:<18} {:>7.2} {:>7} {:>9} {:>6} {:>9} {:>6} {:>8.2} {:>6.2} {:>11.2} {:>7.2} {:>8.1} {:>6.2}",
            function.name,
            function.raw as f64 / 1e6,
            function.zipped.map_or("-".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e6)),
            million(measured.to_next),
            ratio(measured.to_next, bare.to_next),
            million(measured.to_answer),
            ratio(measured.to_answer, bare.to_answer),
            measured.wall_ms,
            measured.wall_ms / bare.wall_ms,
            measured.answered_ms,
            measured.cpu_ms,
            measured.rss_mib,
            measured.rss_mib / bare.rss_mib,
        );
    }
    println!();
    let of_kind = |kind| built.iter().zip(measured).filter(move |(function, _)| function.kind == kind);
    let ours = of_kind(Kind::Native).filter(|(function, _)| function.name != BARE);
    let ours: Vec<_> = ours.map(|(_, measured)| measured).collect();
    let slowest = |of: fn(&Measured) -> f64| ours.iter().map(|measured| of(measured)).fold(0.0, f64::max);
    let (next, answered) = (slowest(|measured| measured.wall_ms), slowest(|measured| measured.answered_ms));
    for (function, measured) in of_kind(Kind::Interpreted) {
        println!(
            "{} beside the slowest of ours: {:.0} times as long to /next, {:.0} times to the answer",
            function.name,
            measured.wall_ms / next,
            measured.answered_ms / answered,
        );
    }
}
