//! What a batch costs a function that is warm, and what the first request with TLS costs one that isn't.

use crate::{
    build::Built,
    measure::median,
    messages::BATCH,
    process::{Used, command},
    runtime_api::{Asked, Events, RuntimeApi},
};

/// Batches before anything is counted: caches are filled, and what is compiled while it runs is compiled.
const WARM_UP: u64 = 200;
/// Batches that are counted.
const BATCHES: u64 = 300;
/// Starts of each program up to its first request with TLS.
const STARTS: usize = 11;

/// Prints the processor time of a batch of ten messages with the whole protocol of the inbox, and of the way to the first message
/// of TLS.
pub(crate) fn run(built: &[Built]) {
    println!(
        "\nA warm batch of {BATCH} messages, each with a record in DynamoDB (a stub): means of {BATCHES} batches after {WARM_UP};\n\
         and from the start to the first message of TLS, medians of {STARTS}; × is the ratio to {}\n",
        built[0].name
    );
    println!("{:<22} {:>14} {:>7} {:>8} {:>14} {:>7}", "", "CPU ms/batch", "×", "RSS MiB", "CPU ms to TLS", "×");
    let measured: Vec<_> =
        built.iter().map(|program| (batch(program), median((0..STARTS).map(|_| hello(program))))).collect();
    let (first, first_hello) = &measured[0];
    for (program, (warm, hello)) in built.iter().zip(&measured) {
        println!(
            "{:<22} {:>14.2} {:>7.1} {:>8.1} {:>14.2} {:>7.1}",
            program.name,
            warm.cpu_ms,
            warm.cpu_ms / first.cpu_ms,
            warm.rss_mib,
            hello,
            hello / first_hello
        );
    }
}

/// What a warm batch uses.
fn batch(program: &Built) -> Used {
    let api = RuntimeApi::start(Events::Batches);
    let mut process = command(&program.line, api.address(), "http").spawn().unwrap();
    let work = |batches| {
        api.hand_over(batches);
        for _ in 0..batches {
            api.wait_for(Asked::Answered);
        }
        Used::by(&process)
    };
    let (before, after) = (work(WARM_UP), work(BATCHES));
    process.kill().unwrap();
    process.wait().unwrap();
    Used { cpu_ms: (after.cpu_ms - before.cpu_ms) / BATCHES as f64, rss_mib: after.rss_mib }
}

/// The milliseconds of processor time from the start to the first message of TLS.
fn hello(program: &Built) -> f64 {
    let api = RuntimeApi::start(Events::Batches);
    api.hand_over(1);
    let mut process = command(&program.line, api.address(), "https").spawn().unwrap();
    api.wait_for(Asked::Hello);
    let used = Used::by(&process);
    process.kill().unwrap();
    process.wait().unwrap();
    used.cpu_ms
}
