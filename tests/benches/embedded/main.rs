//! `cargo bench -p sendoff-tests --bench embedded [-- --events N --sizes N,N,… --no-peers]`
//!
//! What the embedded system does on this machine, with `synchronous=FULL`: commits per second, handled events per second beside
//! what the engine alone does with the same writes, the latency from commit to handled at half load, what a message costs as the
//! queue grows, and how soon a killed process works again. Then peers do the comparable work on the same disk with the same
//! durability, and the ratios are printed. No figure is asserted: a shared machine is slow when it likes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and may fail loudly"
)]

mod engine;
mod growth;
mod peers;
mod rig;
mod throughput;

use std::path::Path;

use rig::{BODY, print};

/// As the programs have it that are measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    events: u64,
    sizes: Vec<u64>,
    peers: bool,
}

#[tokio::main]
async fn main() {
    let mut options = Options { events: 20_000, sizes: vec![10_000, 100_000, 1_000_000], peers: true };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            growth::SERVE => return growth::be_server(Path::new(&arguments.next().unwrap())).await,
            "--events" => options.events = arguments.next().unwrap().parse().unwrap(),
            "--sizes" => {
                options.sizes = arguments.next().unwrap().split(',').map(|size| size.parse().unwrap()).collect();
            }
            "--no-peers" => options.peers = false,
            // `cargo bench` adds it.
            "--bench" => {}
            other => panic!("unknown option {other}: use --events N, --sizes N,N,… and --no-peers"),
        }
    }
    println!("{} events of about {BODY} bytes, SQLite WAL with synchronous=FULL\n", options.events);
    throughput::commits(&options).await;
    throughput::requests(&options).await;
    let handled = throughput::drain(&options).await;
    let (rate, batch) = throughput::end_to_end(&options).await;
    let alone = engine::run(options.events, batch).await;
    print(&format!("the engine alone, the same writes, {batch} events to a commit"), alone, "events/s");
    print("  ours in relation to it", rate / alone, "×");
    throughput::half_load(&options, rate).await;
    println!();
    growth::run(&options.sizes).await;
    if options.peers {
        println!();
        peers::run(&options, handled);
    }
}
