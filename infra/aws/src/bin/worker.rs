//! The worker: works the queues in a container, for those who don't want Lambda.

use std::process::ExitCode;

/// With the C library's own one a fifth of what a message costs would be memory that is taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sendoff_aws::worker::main()
}
