//! `cargo bench -p sendoff-tests --bench aws [-- --rounds N] [--only TEXT]`
//!
//! What the AWS adapters cost beside the SDK alone, against a stub that answers SNS, SQS and DynamoDB at once: messages per
//! second of processor time, ours and the raw SDK's in turns, and how many calls and written items an event and a message
//! come to. The stub is a process of its own, on another processor where there is one, and only this process's processor time
//! counts. A worker is measured beside one whose calls take ten milliseconds too. No figure is asserted: a shared machine is slow when it likes, and the ratio is what to look at. With `--only`, just the
//! comparisons whose names have that text.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

mod answers;
mod calls;
mod handlers;
mod race;
mod raw;
mod rig;
mod stub;

/// As the programs have it that are measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Interleaved rounds of each comparison.
const ROUNDS: usize = 41;

fn main() {
    let (mut rounds, mut only) = (ROUNDS, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            stub::ARGUMENT => return stub::serve(arguments.next().unwrap().parse().unwrap()),
            "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
            "--only" => only = Some(arguments.next().unwrap()),
            // `cargo bench` adds it.
            "--bench" => {}
            other => panic!("unknown option {other}: use --rounds N, --only TEXT"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = rig::Rig::start(0);
        race::run(&rig, rounds, only.as_deref()).await;
        if only.is_none() {
            calls::run(&rig).await;
        }
    });
}
